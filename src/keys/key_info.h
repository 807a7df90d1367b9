// SPDX-License-Identifier: Apache-2.0
// What is known about an issued key. Nothing in here is secret: no part of the key's text but its
// kid.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/restrictions.h"

namespace sallyport::keys {

inline constexpr std::size_t kNameBytesMax = 64;
inline constexpr std::size_t kTextBytesMax = 256;   // owner, module, purpose, actor, reason
inline constexpr std::size_t kScopeWordsMax = 256;  // entries of one list

enum class KeyState { kActive, kRetiring, kRevoked };
std::string_view name(KeyState state);
std::optional<KeyState> parse_key_state(std::string_view text);

// How a key's requests are labelled and sent; what it may do stands in Restrictions.
struct KeyScope {
  std::vector<std::string> modules;   // what X-Sallyport-Module may say
  std::vector<std::string> purposes;  // what X-Sallyport-Purpose may say
  std::string module = "unlisted";    // when the client names none
  std::string purpose = "unlisted";
  std::optional<std::string> upstream;  // the upstream this key must use
  bool may_name_organization = false;   // OpenAI-Organization and -Project of the client pass
  friend bool operator==(const KeyScope&, const KeyScope&) = default;
};

// How many keys one identity mapping may have, and each name among them; 0: no limit.
struct MappingLimits {
  std::uint64_t live_max = 0, mints_per_minute_max = 0;
  std::uint64_t principal_live_max = 0, principal_mints_per_minute_max = 0;
};

// What is asked for when a key is created.
struct KeySpec {
  std::string name;   // the stable api_key_id: [A-Za-z0-9_.-], 1 to 64
  std::string owner;  // a person or a team, for whoever is called at night
  std::optional<std::chrono::milliseconds> life;  // none: the configured default
  std::optional<UtcTime> not_before;
  KeyScope scope;
  std::string layer;  // path of the layer it hangs on (keys/layers.h); empty: none
  Restrictions restrictions;
  bool derive = false;  // its holder may make derived tokens (docs/derived-tokens.md)
  // Live keys of this name that the same actor made may stay: each workload gets its own.
  bool beside_own = false;
  std::string mapping = {};  // of the identity exchange that asks for it; empty: none
  MappingLimits mapping_limits = {};
};

struct KeyInfo {
  std::string kid;
  std::string name;
  std::string owner;
  KeyState state = KeyState::kActive;
  std::uint64_t version = 0;  // set by the store in the transaction of each change; only grows
  UtcTime created_at{};
  std::string created_by;
  std::optional<UtcTime> not_before;
  UtcTime expires_at{};
  std::optional<UtcTime> revoked_at;
  std::optional<std::string> revoked_by, revoked_why;
  std::optional<std::string> replaced_by;  // kid
  std::optional<UtcTime> blocked_at;       // it is paused; none once it is not any more
  std::optional<std::string> blocked_by, blocked_why;
  KeyScope scope;
  std::string layer;
  Restrictions restrictions;
  std::optional<UtcTime> last_used_at;  // coarse: to the minute
  bool derive = false;
  std::string mapping;  // the identity mapping it was exchanged through; empty: none
};

// "active", "retiring", "revoked", "expired", "blocked" or "not_yet_valid": what a list shows of
// the key alone (KeyRing::dead_layer knows of the layers above it).
std::string_view status(const KeyInfo& key, UtcTime now);

// [A-Za-z0-9_.-], 1 to 64 characters.
bool valid_key_name(std::string_view name);

// A text of a person (owner, actor, reason, module): 1 to 256 bytes without control characters.
bool valid_label(std::string_view text);

// What the parser of the written form would say: kInvalid names the member that is wrong.
Result<void> check_restrictions(const Restrictions& restrictions);

// What can be said about a spec without knowing the ring: kInvalid with a sentence that says what.
Result<void> check_spec(const KeySpec& spec);

}  // namespace sallyport::keys
