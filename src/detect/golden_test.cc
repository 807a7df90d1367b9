// SPDX-License-Identifier: Apache-2.0
// tests/golden/replay: each folder is a story - log.jsonl, and findings.jsonl as the watch tells
// it. SALLYPORT_GOLDEN_WRITE=1 writes the findings anew; read the difference before you commit it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "detect/finding_line.h"
#include "detect/line_reader.h"
#include "detect/watch.h"

namespace sallyport::detect {
namespace {

std::string replayed(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::string line, told;
  LineReader reader;
  Watch watch{Config{}};
  Event event;
  std::vector<Event> out;
  while (std::getline(in, line)) {
    EXPECT_TRUE(reader.read(line, event)) << line;
    watch.observe(event, out);
  }
  for (const Event& found : out) {
    if (found.kind == Kind::kFinding) append_finding_line(told, found);
  }
  return told;
}

TEST(Golden, LogsAndTheirFindings) {
  const std::filesystem::path root = std::string(SALLYPORT_SOURCE_DIR) + "/tests/golden/replay";
  std::size_t stories = 0;
  for (const auto& folder : std::filesystem::directory_iterator(root)) {
    SCOPED_TRACE(folder.path().filename().string());
    ++stories;
    const std::string told = replayed(folder.path() / "log.jsonl");
    const auto path = folder.path() / "findings.jsonl";
    if (std::getenv("SALLYPORT_GOLDEN_WRITE") != nullptr) std::ofstream(path) << told;
    std::ifstream in(path);
    std::stringstream expected;
    expected << in.rdbuf();
    EXPECT_EQ(expected.str(), told);
  }
  EXPECT_GE(stories, 4u);
}

}  // namespace
}  // namespace sallyport::detect
