// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json_reader.h"

namespace sallyport {
namespace {

class Log : public testing::Test {
 protected:
  void TearDown() override { log::configure(log::Level::kInfo, false); }

  template <class Write>
  std::string lines(Write write) {
    testing::internal::CaptureStderr();
    write();
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, ALineIsTimeLevelEventFields) {
  const std::string line = lines([] {
    log::warn("journal.slow", {{"wait_ms", 12}, {"path", "a b"}, {"synced", false}, {"e", ""}});
  });
  ASSERT_GT(line.size(), 25u);
  EXPECT_EQ(line.substr(23), "Z warn journal.slow wait_ms=12 path=\"a b\" synced=false e=\"\"\n");
}

TEST_F(Log, AClientCannotForgeALineOrAField) {
  const std::string line = lines([] {
    log::info("x", {{"agent", "a\n2026-11-24T22:30:00.123Z error forged"},
                    {"b", "c status=200"},
                    {"esc", "\x1b[2J"},
                    {"nel", "\xc2\x85"},
                    {"format", "{}%s%n"}});
  });
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_TRUE(line.contains("b=\"c status=200\"")) << line;
  EXPECT_TRUE(line.contains("esc=\"\\u001b[2J\"")) << line;
  EXPECT_TRUE(line.contains("nel=\"\\u0085\"")) << line;
  EXPECT_TRUE(line.contains("format={}%s%n")) << line;
}

TEST_F(Log, LevelsBelowTheConfiguredAreDropped) {
  EXPECT_EQ(lines([] { log::debug("quiet"); }), "");
  log::configure(log::Level::kError, false);
  EXPECT_EQ(lines([] { log::warn("quiet"); }), "");
  EXPECT_NE(lines([] { log::error("loud"); }), "");
}

TEST_F(Log, JsonLinesAreJson) {
  log::configure(log::Level::kDebug, true);
  const std::string line =
      lines([] { log::error("journal.write_failed", {{"why", "a\"b\n"}, {"count", 3}}); });
  const auto value = JsonValue::parse(line);
  ASSERT_TRUE(value) << line;
  EXPECT_EQ(value->at("level")->string(), "error");
  EXPECT_EQ(value->at("event")->string(), "journal.write_failed");
  EXPECT_EQ(value->at("why")->string(), "a\"b\n");
  EXPECT_EQ(value->at("count")->string(), "3");
}

TEST_F(Log, ALineIsAtMostFourKilobytesAndSaysThatItWasCut) {
  for (const bool json : {false, true}) {
    log::configure(log::Level::kInfo, json);
    const std::string line = lines([] {
      const std::string big(100'000, '\x01');
      log::info("big", {{"a", big}, {"b", big}, {"c", std::string(100'000, 'x')}});
    });
    EXPECT_LE(line.size(), 4097u);
    EXPECT_TRUE(line.contains("trunc")) << line;
    if (json) EXPECT_TRUE(JsonValue::parse(line)) << line;
  }
}

}  // namespace
}  // namespace sallyport
