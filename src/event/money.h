// SPDX-License-Identifier: Apache-2.0
// Amounts of money in whole billionths of a US dollar, read and written as decimal text without
// going through a floating point number: sums of millions of calls stay exact.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event/limits.h"

namespace sallyport {

// A type of its own in records, so that nobody takes billionths for dollars.
struct NanoUsd {
  std::int64_t nano = 0;
  double usd() const { return static_cast<double>(nano) / static_cast<double>(kNanoUsdPerUsd); }
  friend auto operator<=>(const NanoUsd&, const NanoUsd&) = default;
};

// "12.5", "0.000042", "0": the shortest decimal that is exactly the amount.
void append_usd(std::string& out, NanoUsd amount);
std::string usd_text(NanoUsd amount);

// Digits, at most one point, at most nine decimals; no sign, no exponent. Nothing for anything else
// and for what does not fit (above 9.2 billion dollars).
std::optional<NanoUsd> parse_usd(std::string_view text);
// The same of what a JSON number says: 1.25 and 1.25e-3 too. Rounded up to a billionth, so that a
// price is never taken for less than it is. Nothing for negative numbers.
std::optional<NanoUsd> parse_usd_number(std::string_view json_number);

}  // namespace sallyport
