// SPDX-License-Identifier: Apache-2.0
// The key with which the gate signs its own identity (RS256): this gate is an OIDC issuer with one
// subject, itself. The private key stays in its file and in this object; what leaves is the public
// part, as a JWKS that is uploaded at the provider.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sallyport::provider {

struct IdentityClaims {
  std::string issuer, audience, subject;
  UtcTime issued_at{};
  std::chrono::seconds life{300};
};

class IdentityKey {
 public:
  virtual ~IdentityKey() = default;
  // Reads the PEM file, or makes a key of 2,048 bits and the file (mode 0600) when there is none.
  // kInvalid: not such a key, too short, or a file that others may read.
  static Result<std::shared_ptr<const IdentityKey>> open(const std::string& path);

  virtual std::string kid() const = 0;  // RFC 7638 thumbprint
  virtual std::string jwk() const = 0;  // the public part alone
  std::string jwks() const;             // {"keys":[...]} with that one
  // A signed JWT, alive for `life` from issued_at on, with an id of its own.
  virtual Result<std::string> sign(const IdentityClaims& claims) const = 0;
};

// A key set of several public keys, each once.
std::string jwks_of(const std::set<std::string>& keys);

}  // namespace sallyport::provider
