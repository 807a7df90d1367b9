// SPDX-License-Identifier: Apache-2.0
#include "keys/key_format.h"

#include <string.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport::keys {
namespace {

constexpr std::size_t kSecretAt = kKeyPrefix.size() + kKidBytes + 1;
constexpr std::size_t kCrcAt = kSecretAt + kSecretBytes;
static_assert(kKeyBytes == 58);

// OpenAI's own keys carry this in the middle; a scanner must not mistake ours for theirs.
constexpr std::string_view kProviderMarker = "T3BlbkFJ";

constexpr std::array<std::string_view, 5> kPublicKids = {
    "000000000000", "zzzzzzzzzzzz", "AbCdEfGhIjKl", "OA3gbEkUmALh", "SsUriwaoHgt9"};

constexpr std::array<bool, 256> base62_table() {
  std::array<bool, 256> table{};
  for (const char* c = kBase62; *c != 0; ++c) table[static_cast<unsigned char>(*c)] = true;
  return table;
}
constexpr std::array<bool, 256> kIsBase62 = base62_table();

}  // namespace

bool is_base62(std::string_view text) {
  bool all = true;  // no early way out: the time does not tell where a key stops being one
  for (const char c : text) all &= kIsBase62[static_cast<unsigned char>(c)];
  return all;
}

std::array<char, kCrcBytes> crc_text(std::string_view bytes) {
  std::uint32_t crc = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
  std::array<char, kCrcBytes> out;
  for (std::size_t i = kCrcBytes; i-- > 0; crc /= 62) out[i] = kBase62[crc % 62];
  return out;
}

bool is_kid(std::string_view text) { return text.size() == kKidBytes && is_base62(text); }

bool is_public_kid(std::string_view kid) {
  return std::ranges::find(kPublicKids, kid) != kPublicKids.end();
}

ParsedKey parse_key(std::string_view text) {
  if (text.size() != kKeyBytes || !text.starts_with(kKeyPrefix) || text[kSecretAt - 1] != '-')
    return {};
  const std::string_view kid = text.substr(kKeyPrefix.size(), kKidBytes);
  if (!is_base62(kid) || !is_base62(text.substr(kSecretAt))) return {};

  // Texts are compared, not numbers: a crc above 2^32 - 1 has no number to be.
  const std::array<char, kCrcBytes> crc = crc_text(text.substr(0, kCrcAt));
  if (text.substr(kCrcAt) != std::string_view(crc.data(), crc.size())) {
    return {FormatFault::kBadChecksum, {}};
  }
  return {FormatFault::kNone, kid};
}

Secret mint_key(const Draw& draw) {
  for (;;) {
    std::string text;
    text.reserve(kKeyBytes);  // one buffer, so that one wipe is enough
    text.append(kKeyPrefix).append(draw(kKidBytes)).append("-");
    std::string secret = draw(kSecretBytes);
    text.append(secret);
    const std::array<char, kCrcBytes> crc = crc_text(text);
    text.append(crc.data(), crc.size());
    Secret key(text);
    const bool usable = text.find(kProviderMarker) == std::string::npos &&
                        !is_public_kid(std::string_view(text).substr(kKeyPrefix.size(), kKidBytes));
    explicit_bzero(secret.data(), secret.size());
    explicit_bzero(text.data(), text.size());
    if (usable) return key;
  }
}

std::string redacted_key(std::string_view kid) {
  return std::string(kKeyPrefix) + std::string(kid) + "-***";
}

}  // namespace sallyport::keys
