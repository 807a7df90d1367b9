// SPDX-License-Identifier: Apache-2.0
// traffic_score: findings on standard input against the truth of a log.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "score.h"

namespace {

int failed(const std::string& what) {
  fmt::print(stderr, "traffic_score: {}\n", what);
  return 1;
}

int run(const std::string& log_path, const std::string& truth_path, bool as_json) {
  using namespace sallyport::traffic;
  std::ifstream log(log_path, std::ios::binary);
  std::ifstream truth_file(truth_path, std::ios::binary);
  if (!log) return failed("cannot read " + log_path);
  if (!truth_file) return failed("cannot read " + truth_path);
  const auto truth = read_truth(truth_file);
  if (!truth) return failed(truth_path + ": " + truth.error().what);
  const auto findings = read_findings(std::cin);
  if (!findings) return failed("findings: " + findings.error().what);
  const Score result = score(*truth, *findings, count_key_days(log));
  fmt::print("{}", as_json ? score_json(result) : score_table(result));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::string log;
  std::string truth;
  bool as_json = false;
  CLI::App app("scores findings (JSON lines on standard input) against the truth of a log");
  app.add_option("--log", log, "the log that was replayed")->required();
  app.add_option("--truth", truth, "as traffic_log wrote it")->required();
  app.add_flag("--json", as_json, "with each attack and each false alarm");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return run(log, truth, as_json);
}
