// SPDX-License-Identifier: Apache-2.0
// The golden folder tests/golden/import_litellm is the specification: NAME.yaml and what becomes of
// it. SALLYPORT_GOLDEN_WRITE=1 writes what is found.
#include "cli/litellm_import.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/load.h"

namespace sallyport::cli {
namespace {

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<std::filesystem::path> stories() {
  const std::string folder = std::string(SALLYPORT_SOURCE_DIR) + "/tests/golden/import_litellm";
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

std::string told(const std::string& name, const LitellmImport& made) {
  std::string out = made.yaml;
  for (const std::string& warning : made.warnings) out += "warning: " + warning + "\n";
  for (const config::Problem& problem : made.problems) {
    out += config::format_problem(name, problem) + "\n";
  }
  return out;
}

TEST(LitellmImport, EveryStoryComesOutAsWritten) {
  ASSERT_GE(stories().size(), 4u);
  for (const auto& story : stories()) {
    std::filesystem::path expected = story;
    expected.replace_extension(".expected");
    const std::string found = told(story.filename().string(), import_litellm(file_text(story)));
    if (std::getenv("SALLYPORT_GOLDEN_WRITE") != nullptr) std::ofstream(expected) << found;
    EXPECT_EQ(file_text(expected), found) << story;
    EXPECT_FALSE(found.contains("canary")) << story << ": a secret came out";
  }
}

TEST(LitellmImport, WhatComesOutIsAConfiguration) {
  config::Surroundings around;
  around.environment = [](const char*) { return "0123456789abcdef0123456789abcdef"; };
  for (const auto& story : stories()) {
    const LitellmImport made = import_litellm(file_text(story));
    if (!made.problems.empty()) continue;
    const config::LoadResult loaded = config::load_text(made.yaml, around);
    EXPECT_TRUE(loaded) << story << ": "
                        << (loaded ? "" : config::format_problem("", loaded.error().front()));
  }
}

}  // namespace
}  // namespace sallyport::cli
