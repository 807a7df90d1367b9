// SPDX-License-Identifier: Apache-2.0
// What may be configured of identities that bring no key of ours: tokens of other issuers, proofs
// of possession, and reports of leaked keys.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"

namespace sallyport::keys {

// No key made by an exchange lives longer, whatever a mapping says.
inline constexpr std::chrono::milliseconds kExchangedLifeMax = std::chrono::minutes(15);

// Whose tokens are exchanged for which keys. Several may name one issuer; the first whose audience
// and claims fit decides.
struct IdentityMapping {
  std::string name;      // in records; revoking it revokes what was made through it
  std::string issuer;    // exactly the token's `iss`
  std::string audience;  // must be among the token's `aud`; names this gate and nobody else
  // At most one. Neither: the issuer's own discovery document tells, on the issuer's host only.
  std::optional<std::string> jwks_url, jwks_file;
  std::optional<std::string> ca_file;  // PEM; instead of the system's authorities
  std::vector<std::string> algorithms{"RS256"};
  // Claim -> text it must have, or a prefix that ends in '*'. All must hold. A name that begins
  // with '/' is a path into nested objects.
  std::map<std::string, std::string> claims;
  std::string principal;  // name of the key; {claim} is replaced by that claim
  std::string owner = "identity exchange";
  std::string layer;  // where the keys hang in the key tree; empty: nowhere
  std::chrono::milliseconds life = kExchangedLifeMax;
  std::vector<std::string> endpoints, models;  // empty: all
  std::string module = "unlisted", purpose = "unlisted";
  std::optional<std::string> upstream;
  bool single_use = false;  // the same token is never exchanged twice
  // Keys of this mapping that live at one time, and that are made in 60 seconds; 429 beyond. Who
  // has one good token cannot fill the store.
  std::size_t live_max = 1'000, per_minute_max = 300;
  // The same for one principal, where its name has a claim in it, so that one workload cannot use
  // up what is there for all. 0: a quarter of the mapping's, 10 at least.
  std::size_t principal_live_max = 0, principal_per_minute_max = 0;
  friend bool operator==(const IdentityMapping&, const IdentityMapping&) = default;
};

struct LeakReportConfig {
  // GitHub's public keys, from its address or a copy. Neither: its reports are refused.
  std::optional<std::string> github_keys_url, github_keys_file;
  std::shared_ptr<const Secret> secret;  // HMAC of in-house scanners, 32 bytes or more; null: none
};

}  // namespace sallyport::keys
