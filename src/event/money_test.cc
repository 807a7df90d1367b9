// SPDX-License-Identifier: Apache-2.0
#include "event/money.h"

#include <gtest/gtest.h>

#include <random>

namespace sallyport {
namespace {

struct Case {
  const char* why;
  const char* text;
  std::optional<std::int64_t> nano;
};

const Case kTexts[] = {
    {"a whole number of dollars", "12", 12'000'000'000},
    {"cents", "12.50", 12'500'000'000},
    {"a billionth", "0.000000001", 1},
    {"nothing", "0", 0},
    {"the largest that fits", "9223372036.854775807", INT64_MAX},
    {"one billionth more does not", "9223372036.854775808", std::nullopt},
    {"far too much", "99999999999999999999999", std::nullopt},
    {"leading zeros are no octal", "0012", 12'000'000'000},
    {"ten decimals are more than there is", "0.0000000001", std::nullopt},
    {"no sign", "-1", std::nullopt},
    {"no plus", "+1", std::nullopt},
    {"no exponent", "1e3", std::nullopt},
    {"no bare point", "1.", std::nullopt},
    {"no bare point in front", ".5", std::nullopt},
    {"two points", "1.2.3", std::nullopt},
    {"nothing at all", "", std::nullopt},
    {"blanks", " 1", std::nullopt},
    {"a group mark", "1,000", std::nullopt},
};

TEST(Money, TextIsReadExactlyOrNotAtAll) {
  for (const Case& c : kTexts) {
    const auto amount = parse_usd(c.text);
    EXPECT_EQ(amount.has_value(), c.nano.has_value()) << c.why;
    if (amount && c.nano) EXPECT_EQ(amount->nano, *c.nano) << c.why;
  }
}

const Case kNumbers[] = {
    {"as JSON writes it", "1.25", 1'250'000'000},
    {"an exponent", "1.25e-3", 1'250'000},
    {"a large exponent", "1E+2", 100'000'000'000},
    {"less than a billionth counts as one", "1e-12", 1},
    {"zero stays zero", "0e5", 0},
    {"too much", "1e11", std::nullopt},
    {"an exponent of the moon", "1e9999", std::nullopt},
    {"negative", "-0.5", std::nullopt},
};

TEST(Money, NumbersOfTablesAreRoundedUp) {
  for (const Case& c : kNumbers) {
    const auto amount = parse_usd_number(c.text);
    EXPECT_EQ(amount.has_value(), c.nano.has_value()) << c.why;
    if (amount && c.nano) EXPECT_EQ(amount->nano, *c.nano) << c.why;
  }
}

TEST(Money, WhatIsWrittenReadsBack) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const NanoUsd amount{static_cast<std::int64_t>(random() >> (1 + random() % 62))};
    EXPECT_EQ(parse_usd(usd_text(amount)), amount) << amount.nano;
  }
  EXPECT_EQ(usd_text({420'000}), "0.00042");
  EXPECT_EQ(usd_text({-1'500'000'000}), "-1.5");
}

}  // namespace
}  // namespace sallyport
