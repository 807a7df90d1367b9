// SPDX-License-Identifier: Apache-2.0
#include "event/money.h"

#include <algorithm>

namespace sallyport {
namespace {

constexpr int kDecimals = 9;

bool digit(char c) { return c >= '0' && c <= '9'; }

// Digits of a decimal without its point, and how many of them stood behind it.
struct Decimal {
  std::string digits;
  std::int64_t decimals = 0;
};

std::optional<Decimal> read_decimal(std::string_view text) {
  Decimal found;
  bool point = false;
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!digit(c)) return std::nullopt;
    found.digits += c;
    if (point) ++found.decimals;
  }
  const bool bare_point = point && (text.front() == '.' || text.back() == '.');
  if (found.digits.empty() || bare_point) return std::nullopt;
  return found;
}

// digits * 10^(9 - decimals), rounded up.
std::optional<NanoUsd> scaled(const Decimal& decimal, std::int64_t exponent) {
  const std::int64_t shift = kDecimals - decimal.decimals + exponent;
  std::string digits = decimal.digits;
  bool rest = false;
  if (shift < 0) {
    const auto drop = static_cast<std::size_t>(
        std::min<std::int64_t>(-shift, static_cast<std::int64_t>(digits.size())));
    rest = digits.find_first_not_of('0', digits.size() - drop) != std::string::npos;
    digits.resize(digits.size() - drop);
  } else if (digits.find_first_not_of('0') != std::string::npos) {
    if (shift > 18) return std::nullopt;
    digits.append(static_cast<std::size_t>(shift), '0');
  }
  std::int64_t nano = 0;
  for (const char c : digits) {
    if (__builtin_mul_overflow(nano, 10, &nano) || __builtin_add_overflow(nano, c - '0', &nano)) {
      return std::nullopt;
    }
  }
  if (rest && __builtin_add_overflow(nano, 1, &nano)) return std::nullopt;
  return NanoUsd{nano};
}

}  // namespace

void append_usd(std::string& out, NanoUsd amount) {
  const bool negative = amount.nano < 0;
  const auto magnitude = negative ? 0 - static_cast<std::uint64_t>(amount.nano)
                                  : static_cast<std::uint64_t>(amount.nano);
  const auto per_usd = static_cast<std::uint64_t>(kNanoUsdPerUsd);
  if (negative) out += '-';
  out += std::to_string(magnitude / per_usd);
  std::uint64_t rest = magnitude % per_usd;
  if (rest == 0) return;
  char decimals[kDecimals];
  for (int i = kDecimals - 1; i >= 0; --i, rest /= 10)
    decimals[i] = static_cast<char>('0' + rest % 10);
  std::string_view shown(decimals, kDecimals);
  shown.remove_suffix(kDecimals - 1 - shown.find_last_not_of('0'));
  out += '.';
  out += shown;
}

std::string usd_text(NanoUsd amount) {
  std::string out;
  append_usd(out, amount);
  return out;
}

std::optional<NanoUsd> parse_usd(std::string_view text) {
  const auto decimal = read_decimal(text);
  if (!decimal || decimal->decimals > kDecimals) return std::nullopt;
  return scaled(*decimal, 0);
}

std::optional<NanoUsd> parse_usd_number(std::string_view json_number) {
  const std::size_t mark = std::min(json_number.find_first_of("eE"), json_number.size());
  const auto decimal = read_decimal(json_number.substr(0, mark));
  if (!decimal) return std::nullopt;
  std::int64_t exponent = 0;
  if (mark < json_number.size()) {
    std::string_view text = json_number.substr(mark + 1);
    const bool minus = text.starts_with('-');
    if (minus || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty() || text.size() > 3 || !std::all_of(text.begin(), text.end(), digit)) {
      return std::nullopt;
    }
    for (const char c : text) exponent = exponent * 10 + (c - '0');
    if (minus) exponent = -exponent;
  }
  return scaled(*decimal, exponent);
}

}  // namespace sallyport
