// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

using namespace std::chrono_literals;

std::int64_t ms(std::optional<UtcTime> time) {
  return time ? time->time_since_epoch().count() : -1;
}

TEST(Clock, ReadsRfc3339AndNothingElse) {
  struct Case {
    const char* why;
    const char* text;
    std::int64_t ms;  // -1: refused
  };
  const Case kCases[] = {
      {"the form we write", "2026-11-24T22:30:00.123Z", 1795559400123},
      {"no fraction", "2026-11-24T22:30:00Z", 1795559400000},
      {"one decimal is tenths", "2026-11-24T22:30:00.1Z", 1795559400100},
      {"nine decimals are cut to milliseconds", "2026-11-24T22:30:00.123999999Z", 1795559400123},
      {"ten decimals are too many", "2026-11-24T22:30:00.1234567890Z", -1},
      {"an offset east is taken off", "2026-11-25T00:30:00+02:00", 1795559400000},
      {"an offset west is added", "2026-11-24T17:00:00-05:30", 1795559400000},
      {"a bare date is midnight", "2026-11-24", 1795478400000},
      {"lower case letters are allowed by the RFC", "2026-11-24t22:30:00z", 1795559400000},
      {"a leap day", "2024-02-29", 1709164800000},
      {"no leap day", "2023-02-29", -1},
      {"a leap second is the next second", "2016-12-31T23:59:60Z", 1483228800000},
      {"the beginning", "1970-01-01T00:00:00Z", 0},
      {"before the beginning", "1969-12-31T23:59:59Z", -1},
      {"before the beginning by its offset", "1970-01-01T00:00:00+00:01", -1},
      {"the last millisecond", "9999-12-31T23:59:59.999Z", 253402300799999},
      {"behind the last by its offset", "9999-12-31T23:59:59.999-00:01", -1},
      {"no zone", "2026-11-24T22:30:00", -1},
      {"a blank for the T", "2026-11-24 22:30:00Z", -1},
      {"hour 24", "2026-11-24T24:00:00Z", -1},
      {"month 13", "2026-13-01", -1},
      {"day 0", "2026-11-00", -1},
      {"an empty fraction", "2026-11-24T22:30:00.Z", -1},
      {"something behind", "2026-11-24T22:30:00Zx", -1},
      {"a sign for a digit", "2026-11-24T22:30:+1Z", -1},
      {"nothing", "", -1},
  };
  for (const Case& c : kCases) EXPECT_EQ(ms(parse_utc(c.text)), c.ms) << c.why << ": " << c.text;
}

TEST(Clock, WhatIsWrittenReadsBack) {
  for (std::int64_t at = 0; at < 253402300799999; at += 86'399'999LL * 367) {
    const UtcTime time{std::chrono::milliseconds(at)};
    ASSERT_EQ(parse_utc(format_utc(time)), time) << format_utc(time);
    ASSERT_EQ(format_utc(time).size(), 24u);
  }
}

TEST(Clock, TimesOutsideTheRangeStayTwentyFourCharacters) {
  EXPECT_EQ(format_utc(UtcTime(-5ms)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_utc(UtcTime::max()), "9999-12-31T23:59:59.999Z");
}

TEST(Clock, DurationsAreAWholeNumberAndAUnit) {
  struct Case {
    const char* text;
    std::int64_t ms;  // -1: refused
  };
  const Case kCases[] = {
      {"90s", 90'000},
      {"8h", 28'800'000},
      {"14d", 1'209'600'000},
      {"250ms", 250},
      {"10m", 600'000},
      {"0s", 0},
      {"1", -1},
      {"", -1},
      {"s", -1},
      {"-1s", -1},
      {"+1s", -1},
      {"1.5h", -1},
      {"1 s", -1},
      {"1S", -1},
      {"1w", -1},
      {"1h30m", -1},
      {"106751991167d", 106751991167 * 86'400'000},
      {"106751991168d", -1},
      {"99999999999999999999ms", -1},
  };
  for (const Case& c : kCases) {
    const auto got = parse_duration(c.text);
    EXPECT_EQ(got ? got->count() : -1, c.ms) << c.text;
    if (got) EXPECT_EQ(parse_duration(format_duration(*got)), got) << c.text;
  }
  EXPECT_EQ(format_duration(90s), "90s");
  EXPECT_EQ(format_duration(3600s), "1h");
  EXPECT_EQ(format_duration(1500ms), "1500ms");
}

}  // namespace
}  // namespace sallyport
