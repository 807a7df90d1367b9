// SPDX-License-Identifier: Apache-2.0
// Character classes of HTTP (RFC 9110 5.6.2, 5.5) and URIs (RFC 3986 2), as tables and a vector
// search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/text.h"

namespace sallyport::net {

namespace detail {

constexpr std::array<bool, 256> character_set(std::string_view extra) {
  std::array<bool, 256> set{};
  for (int c = '0'; c <= '9'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (const char c : extra) set[static_cast<std::uint8_t>(c)] = true;
  return set;
}

inline constexpr auto kTokenSet = character_set("!#$%&'*+-.^_`|~");
inline constexpr auto kUnreservedSet = character_set("-._~");

constexpr std::array<std::int8_t, 256> hex_values() {
  std::array<std::int8_t, 256> values{};
  for (auto& value : values) value = -1;
  for (int i = 0; i < 10; ++i)
    values[static_cast<std::size_t>('0' + i)] = static_cast<std::int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    values[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
    values[static_cast<std::size_t>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return values;
}
inline constexpr auto kHexValues = hex_values();

}  // namespace detail

constexpr bool is_token_char(char c) { return detail::kTokenSet[static_cast<std::uint8_t>(c)]; }
constexpr bool is_unreserved(char c) {
  return detail::kUnreservedSet[static_cast<std::uint8_t>(c)];
}
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr int hex_value(char c) {
  return detail::kHexValues[static_cast<std::uint8_t>(c)];
}  // or -1

// Index of the first control character or DEL, HTAB apart; text.size() if there is none.
std::size_t find_control(std::string_view text);

// `lower` is in lower case; `text` in any.
constexpr bool equal_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (ascii_lower(text[i]) != lower[i]) return false;
  }
  return true;
}

constexpr std::string_view without_blanks(std::string_view text) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (begin < end && is_blank(text[begin])) ++begin;
  while (end > begin && is_blank(text[end - 1])) --end;
  return text.substr(begin, end - begin);
}

}  // namespace sallyport::net
