// SPDX-License-Identifier: Apache-2.0
// How an admin token is kept: an HMAC under a salt of its own. At 238 random bits a fast hash is
// enough.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::admin {

inline constexpr std::string_view kTokenPrefix = "spadmin1-";
inline constexpr std::size_t kTokenRandomChars = 40;  // base62: 238 bits
inline constexpr std::size_t kTokenBytesMax = 256;    // longer ones are not even hashed
inline constexpr std::size_t kSaltBytes = 16;
inline constexpr std::size_t kMacBytes = 32;

std::string make_salt();
std::string token_mac(std::string_view salt, std::string_view token);
// In constant time. False for a token that is too long and for a mac that is none.
bool token_matches(std::string_view salt, std::string_view mac, std::string_view token);

}  // namespace sallyport::admin
