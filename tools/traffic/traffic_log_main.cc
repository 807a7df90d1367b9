// SPDX-License-Identifier: Apache-2.0
// traffic_log: writes a log of honest traffic with planted attacks, and the truth about it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "attack.h"
#include "generate.h"

namespace sallyport::traffic {
namespace {

struct Wishes {
  Options options;
  std::string style = "harsh";
  std::string fields = "all";
  std::string out;
  std::string truth;
  bool list = false;
};

void add_options(CLI::App& app, Wishes& wishes) {
  Options& options = wishes.options;
  app.add_option("--seed", options.seed, "the same seed gives the same log");
  app.add_option("--style", wishes.style)->check(CLI::IsMember({"harsh", "calm"}));
  app.add_option("--fields", wishes.fields, "mission: its twelve fields alone")
      ->check(CLI::IsMember({"mission", "all"}));
  app.add_option("--days", options.days)->check(CLI::Range(4, 365));
  app.add_option("--keys", options.keys)->check(CLI::Range(4, 60'000));
  app.add_option("--attacks", options.attacks)->check(CLI::Range(0, 5'000));
  app.add_option("--volume", options.volume, "of honest traffic")->check(CLI::Range(0.01, 100.0));
  app.add_option("--shape", options.shapes, "only attacks of these shapes");
  app.add_option("--without-shape", options.excluded, "no attacks of these shapes");
  app.add_flag("--intents", options.intents, "a line for the beginning of each request too");
  app.add_option("--out", wishes.out, "the log");
  app.add_option("--truth", wishes.truth, "what in it is an attack and what is not");
  app.add_flag("--list-shapes", wishes.list, "print the names of the shapes");
}

bool known(const std::string& name) {
  return std::ranges::any_of(shapes(), [&name](const Shape& shape) { return shape.name == name; });
}

int list_shapes() {
  for (const Shape& shape : shapes()) fmt::print("{}\n", shape.name);
  return 0;
}

int run(Wishes& wishes) {
  if (wishes.list) return list_shapes();
  Options& options = wishes.options;
  options.style = wishes.style == "calm" ? Style::kCalm : Style::kHarsh;
  options.fields = wishes.fields == "mission" ? Fields::kMission : Fields::kAll;
  for (const auto* names : {&options.shapes, &options.excluded}) {
    for (const std::string& name : *names) {
      if (known(name)) continue;
      fmt::print(stderr, "traffic_log: no shape is named {}\n", name);
      return 2;
    }
  }
  if (wishes.out.empty()) {
    fmt::print(stderr, "traffic_log: --out is missing\n");
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  const World world = generate(options);
  std::ofstream log(wishes.out, std::ios::binary);
  write_log(world, [&log](std::string_view bytes) {
    log.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  });
  std::ofstream truth;
  if (!wishes.truth.empty()) {
    truth.open(wishes.truth, std::ios::binary);
    truth << truth_text(world);
    truth.flush();
  }
  log.flush();
  if (!log || (!wishes.truth.empty() && !truth)) {
    fmt::print(stderr, "traffic_log: cannot write {} or {}\n", wishes.out, wishes.truth);
    return 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto attacks = std::ranges::count_if(world.truth, &Happening::attack);
  fmt::print(stderr, "{} lines, {} attacks, {:.2f} s, {:.0f} lines/s\n", world.lines.size(),
             attacks, took.count(), static_cast<double>(world.lines.size()) / took.count());
  return 0;
}

}  // namespace
}  // namespace sallyport::traffic

int main(int argc, char** argv) {
  sallyport::traffic::Wishes wishes;
  CLI::App app("writes a gateway's log with planted attacks");
  sallyport::traffic::add_options(app, wishes);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return sallyport::traffic::run(wishes);
}
