// SPDX-License-Identifier: Apache-2.0
#include "keys/derive_root.h"

#include <string.h>

#include <utility>

#include "base/aead.h"
#include "keys/key_mac.h"

namespace sallyport::keys {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kRootBytes = 32;
constexpr std::size_t kWrappedBytes = 1 + kRootBytes + kAeadExtraBytes;

std::string associated(std::string_view kid) { return std::string(kid) + "spd1"; }

}  // namespace

Result<RootWrap> RootWrap::make(const Secret& wrapping_key) {
  if (wrapping_key.reveal().size() < kWrappingKeyBytesMin) {
    return fail(Code::kInvalid, "keys.derive_key has fewer than 32 bytes");
  }
  // The reference may give text of any length: what AES takes is 32 bytes made from all of it.
  Result<KeyMac> hmac = KeyMac::make(wrapping_key);
  if (!hmac) return std::unexpected(hmac.error());
  Result<Mac> key = hmac->compute("sallyport/spd1/wrap");
  if (!key) return std::unexpected(key.error());
  RootWrap made(Secret({reinterpret_cast<const char*>(key->data()), key->size()}));
  explicit_bzero(key->data(), key->size());
  return made;
}

Result<std::string> RootWrap::wrap(const Secret& root, std::string_view kid) const {
  if (root.reveal().size() != kRootBytes) return fail(Code::kInvalid, "a root has 32 bytes");
  Result<std::string> sealed = aead_seal(key_, root.reveal(), associated(kid));
  if (!sealed) return sealed;
  return kVersion + *sealed;
}

Result<Secret> RootWrap::unwrap(std::string_view wrapped, std::string_view kid) const {
  if (wrapped.size() != kWrappedBytes || wrapped[0] != kVersion) {
    return fail(Code::kCorrupt, "the derive root has a form that is not known");
  }
  Result<Secret> root = aead_open(key_, wrapped.substr(1), associated(kid));
  if (!root && root.error().code == Code::kCorrupt) {
    return fail(Code::kCorrupt,
                "the derive root was wrapped under another keys.derive_key, or is damaged");
  }
  return root;
}

}  // namespace sallyport::keys
