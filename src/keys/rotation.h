// SPDX-License-Identifier: Apache-2.0
// One key in the place of another: same name, layer, scope and limits, another secret and kid. What
// was spent is booked under the name, so a rotation refills no budget. The old key stays in its own
// row, on the one path of checking, with an end that is never later than it was.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"
#include "keys/key_fault.h"
#include "keys/key_info.h"

namespace sallyport::keys {

inline constexpr std::chrono::milliseconds kOverlapDefault = std::chrono::minutes(10);
inline constexpr std::chrono::milliseconds kOverlapMax = std::chrono::hours(24);

// kInvalid: a new key may not live so long.
Result<void> check_life(std::chrono::milliseconds life, std::chrono::milliseconds life_max);

struct RotateOptions {
  // How long the old key works on; zero when it is in wrong hands: then every other key of the name
  // ends with it, since it may be an earlier one that was stolen.
  std::chrono::milliseconds overlap = kOverlapDefault;
  // The old key keeps its end until retire() is called: for when the new one must arrive first.
  bool keep_old_end = false;
  // [A-Za-z0-9_.-]{1,64}; the same again makes nothing new. Empty: a random one.
  std::string rotation_id;
  std::optional<std::chrono::milliseconds> life;  // of the new key; none: as long as the old one's
};

struct RotatedKey {
  std::string rotation_id;
  KeyInfo old, successor;
  std::vector<KeyInfo> also_ended = {};  // with an overlap of zero: the others of the name
  // Shown once: absent when this rotation_id was used before. A secret that got lost is not shown
  // again; rotate under another id.
  std::optional<Secret> text;
  // False: the old key's end is in force here, and not yet in the store; the ring goes on trying.
  bool durable = true;
  bool repeated() const { return !text.has_value(); }
};

// A derived token that was revoked before its end.
struct TokenRevocation {
  std::string kid, tid;
  UtcTime at{};
  std::string by, why;
  UtcTime forget_at{};        // no token of this tid can be alive any more
  std::uint64_t version = 0;  // one count for keys, layers and tokens; set by the store
};

// Which key does a secret belong to? For a leak that somebody reports.
struct Whose {
  std::string kid;                 // empty: no key or token of ours by its form
  std::optional<std::string> tid;  // of a derived token
  // Of a genuine derived token: its end, and what ends it already, whatever its key says:
  // kTokenRevoked, kTokenExpired, kNotYetValid, kIssuedBefore and kin, kBadCaveat; kNone: nothing.
  std::optional<UtcTime> token_expires_at = {};
  KeyFault token_fault = KeyFault::kNone;
  // The kid is ours and the secret is the right one. Without it the kid proves nothing: it is
  // public.
  bool genuine = false;
};

}  // namespace sallyport::keys
