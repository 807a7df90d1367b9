// SPDX-License-Identifier: Apache-2.0
// Small, exact operations on ASCII text and bytes that several rooms need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool equal_ascii_nocase(std::string_view a, std::string_view b);
std::string lower_ascii(std::string_view text);
std::string_view trim_ows(std::string_view text);  // SP and HTAB at both ends, linear

// 1*DIGIT within 64 bits, nothing else.
std::optional<std::uint64_t> parse_uint(std::string_view digits);

std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);     // strict, padded
std::string base64url_encode(std::string_view bytes);                // no padding
std::optional<std::string> base64url_decode(std::string_view text);  // strict, no padding

// CRC-32C (Castagnoli), hardware where there is any. CRC-32 (ISO-HDLC) is zlib's crc32.
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace sallyport
