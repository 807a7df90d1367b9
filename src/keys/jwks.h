// SPDX-License-Identifier: Apache-2.0
// The public keys of one issuer by their names: a JWK Set (RFC 7517), or the list that GitHub
// publishes for its signed reports. Bounded; what cannot be used safely is left out, and a set in
// which one name stands for two keys is refused as a whole.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "keys/jwk.h"

namespace sallyport::keys {

inline constexpr std::size_t kKeySetBytesMax = 256 * 1024;
inline constexpr std::size_t kKeySetKeysMax = 128;

class KeySet {
 public:
  // Keys without kid, of other types or curves, for encryption, or too small are left out; kInvalid
  // if none is left.
  static Result<std::shared_ptr<const KeySet>> parse_jwks(std::string_view json);
  // {"public_keys":[{"key_identifier":"..","key":"-----BEGIN PUBLIC KEY-----..","is_current":..}]}
  static Result<std::shared_ptr<const KeySet>> parse_github(std::string_view json);

  // The key of that name, if it may verify that algorithm (its own `alg`, when it has one, and its
  // type agree). Valid as long as the set.
  const PublicKey* find(std::string_view kid, SignatureAlgorithm algorithm) const;
  bool knows(std::string_view kid) const { return keys_.contains(kid); }

  std::size_t size() const { return keys_.size(); }
  std::size_t left_out() const { return left_out_; }

 private:
  struct Entry {
    PublicKey key;
    std::optional<SignatureAlgorithm> only;  // the JWK's own `alg`
  };
  Result<void> add(std::string_view kid, Result<PublicKey> key,
                   std::optional<SignatureAlgorithm> only);
  static Result<std::shared_ptr<const KeySet>> whole(std::shared_ptr<KeySet> set);

  std::map<std::string, Entry, std::less<>> keys_;
  std::size_t left_out_ = 0;
};

}  // namespace sallyport::keys
