// SPDX-License-Identifier: Apache-2.0
// The text of a key: sk-sp1-<kid 12>-<secret 32><crc 6>, base62. The checksum catches typing errors
// and truncated pastes without touching any table; it proves nothing about who wrote the key.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/random.h"
#include "base/secret.h"

namespace sallyport::keys {

inline constexpr std::string_view kKeyPrefix = "sk-sp1-";
inline constexpr std::size_t kKidBytes = 12;
inline constexpr std::size_t kSecretBytes = 32;
inline constexpr std::size_t kCrcBytes = 6;
inline constexpr std::size_t kKeyBytes =
    kKeyPrefix.size() + kKidBytes + 1 + kSecretBytes + kCrcBytes;

enum class FormatFault { kNone, kBadFormat, kBadChecksum };

struct ParsedKey {
  FormatFault fault = FormatFault::kBadFormat;
  std::string_view kid;  // part of the text that was parsed; empty on a fault
};

// Constant work; under a tenth of a microsecond. Says nothing about whether the key was ever
// issued.
ParsedKey parse_key(std::string_view text);

// The checksum that every text of ours ends with: CRC-32 (ISO-HDLC) as six base62 digits, most
// significant first, padded with zeros.
std::array<char, kCrcBytes> crc_text(std::string_view bytes);

bool is_base62(std::string_view text);  // the time does not depend on the text, only on its length

// True for 12 characters of base62.
bool is_kid(std::string_view text);

// The kids of the published test vectors: no installation issues or accepts them.
bool is_public_kid(std::string_view kid);

// A new key from the operating system's randomness. `draw` returns that many base62 characters.
using Draw = std::function<std::string(std::size_t length)>;
Secret mint_key(const Draw& draw = random_base62);

// "sk-sp1-<kid>-***": the only form that may be shown or logged. The crc stays out, since with the
// kid known it gives away 32 bits of the secret.
std::string redacted_key(std::string_view kid);

}  // namespace sallyport::keys
