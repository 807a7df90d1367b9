// SPDX-License-Identifier: Apache-2.0
// How the gate keeps the root of a key's derived tokens: AES-256-GCM under a key that lies outside
// the store, bound to the kid, so that a copy of the store makes no tokens and a wrapped root
// cannot be moved to another row. (Store and wrapping key together can make them: that is the price
// of `derive`, and why it is asked for key by key.)
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace sallyport::keys {

inline constexpr std::size_t kWrappingKeyBytesMin = 32;

class RootWrap {
 public:
  // kInvalid: fewer than 32 bytes. Keeps 32 bytes that come from the key.
  static Result<RootWrap> make(const Secret& wrapping_key);

  // version 1 byte | nonce 12 | sealed root 32 | tag 16. Never the same bytes twice.
  Result<std::string> wrap(const Secret& root, std::string_view kid) const;
  // kCorrupt: another wrapping key, another kid, or damaged.
  Result<Secret> unwrap(std::string_view wrapped, std::string_view kid) const;

 private:
  explicit RootWrap(Secret key) : key_(std::move(key)) {}
  Secret key_;
};

}  // namespace sallyport::keys
