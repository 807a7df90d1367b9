// SPDX-License-Identifier: Apache-2.0
// Authenticated encryption of small things at rest: AES-256-GCM (NIST SP 800-38D) with a random
// nonce of 96 bits, so one key serves up to 2^32 of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace sallyport {

inline constexpr std::size_t kAeadKeyBytes = 32, kAeadNonceBytes = 12, kAeadTagBytes = 16;
inline constexpr std::size_t kAeadExtraBytes = kAeadNonceBytes + kAeadTagBytes;

// nonce | ciphertext | tag. `about` is bound to it and must be the same when it is opened. `key`
// has 32 bytes. kUnavailable: OpenSSL failed.
Result<std::string> aead_seal(const Secret& key, std::string_view plain, std::string_view about);
// kCorrupt: another key, other words about it, or damaged.
Result<Secret> aead_open(const Secret& key, std::string_view sealed, std::string_view about);

}  // namespace sallyport
