// SPDX-License-Identifier: Apache-2.0
// All keys of the installation in memory, checked against an immutable snapshot, made durable in
// the store. Creating is durable first and works then; revoking works first and is made durable
// then, so that a broken disk never keeps a stolen key alive. Knows nothing of requests.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/published.h"
#include "base/result.h"
#include "base/secret.h"
#include "event/ports/revocations.h"
#include "event/principal.h"
#include "keys/config.h"
#include "keys/key_format.h"
#include "keys/key_mac.h"
#include "keys/key_store.h"

namespace sallyport::keys {

// The kid and the name under which everybody passes an open gate (keys.required: false).
inline constexpr std::string_view kOpenKid = "open";

// Why a credential is not honoured: for the record, never for the caller.
enum class KeyFault {
  kNone,
  kBadFormat,
  kBadChecksum,
  kPublicKid,  // a key of the published test vectors
  kUnknown,
  kBadSecret,    // the kid is ours, the rest is not
  kOtherPepper,  // the row was written under another pepper and cannot be checked
  kRevoked,
  kExpired,
  kNotYetValid,
  kUnavailable,  // not the caller's fault: the store has been silent for too long
};
const char* name(KeyFault fault);  // "bad_format", "bad_checksum", ...

struct KeyCheck {
  KeyFault fault = KeyFault::kBadFormat;
  std::shared_ptr<const Principal> principal;  // only without a fault
  std::string_view claimed_kid;  // part of the credential, once format and checksum were good
};

struct CreatedKey {
  Secret text;  // shown once
  KeyInfo info;
};

class KeyRing final : public Revocations {
 public:
  // A store that has been silent for this long may have been told of a revocation that we did not
  // hear: every key is then refused with kUnavailable, until it speaks again.
  static constexpr std::int64_t kStalenessMaxUs = 5'000'000;

  // kInvalid: pepper or configuration; kUnavailable, kCorrupt: the store. `store` and `clock`
  // outlive the ring; `config` is copied but for the pepper, of which only a keyed context is kept.
  static Result<std::unique_ptr<KeyRing>> open(const Config& config, KeyStore& store,
                                               const Clock& clock);
  ~KeyRing() override;

  // --- Reading; any thread.

  std::vector<KeyInfo> list() const;  // by name, newest first
  // By kid or name; of several keys with the name the newest that is not revoked, else the newest.
  Result<KeyInfo> show(std::string_view kid_or_name) const;

  std::uint64_t version() const override;
  bool alive(std::string_view kid, UtcTime now) const override;

  // Checks credentials; one per thread, the ring outlives it. At most about a microsecond.
  class Reader;

  // --- Changing; any thread, one at a time. These block on the disk, at most a few seconds: never
  // call them on a loop that serves requests.

  // kInvalid: the spec, with a sentence that says what; kDenied: a live key has that name.
  Result<CreatedKey> create(const KeySpec& spec, std::string_view actor);

  // By kid or name; all keys of that name that are not revoked yet. Revoking twice is no error and
  // answers with the first revocation. kNotFound: no such key. kUnavailable: dead in this process,
  // but not yet durable; refresh_if_changed() tries again until it is.
  Result<std::vector<KeyInfo>> revoke(std::string_view kid_or_name, std::string_view actor,
                                      std::string_view why = {});

  // A new configuration: required, life and life_max; keys that exist keep their end. The pepper
  // stays.
  Result<void> take(const Config& config);

  // Takes over what other processes changed; true if anything was. Call it every 250 ms.
  Result<bool> refresh_if_changed();

 private:
  struct Entry;
  struct Snapshot;

  KeyRing(KeyStore& store, const Clock& clock, KeyMac mac, bool has_pepper);

  Result<void> validate(const KeySpec& spec, std::string_view actor) const;
  std::vector<KeyInfo> find(std::string_view kid_or_name) const;
  UtcTime latest(UtcTime now) const;

  // Take mutex_ shortly.
  void apply(std::vector<KeyRow> rows, bool whole);
  void revoke_in_memory(std::string_view kid_or_name, std::string_view actor, std::string_view why);
  // Hold store_mutex_.
  Result<bool> refresh();
  Result<void> make_durable();
  void heard(const Error* silence);  // null: the store answered

  std::atomic<bool> required_{true};
  std::atomic<std::chrono::milliseconds> life_{}, life_max_{};
  KeyStore& store_;
  const Clock& clock_;
  const KeyMac mac_;
  const bool has_pepper_;
  Mac dummy_mac_{};  // what an unknown kid is compared with

  Published<Snapshot> published_;
  std::atomic<bool> stale_{false};
  // The latest wall time that was seen, in ms: a clock that jumps back does not revive an expired
  // key.
  mutable std::atomic<std::int64_t> latest_ms_{0};

  // Whoever changes the snapshot; never held while the store is asked, so that a stuck disk does
  // not delay the death of a key. Locked after store_mutex_.
  std::mutex mutex_;
  std::map<std::string, Revocation> undurable_;  // by kid: dead here, not yet in the store

  std::mutex store_mutex_;
  std::optional<KeyStore::Mark> mark_;
  std::uint64_t loaded_version_ = 0;
  std::int64_t heard_us_ = 0;  // steady: when the store last answered
  bool clock_complained_ = false, durable_complained_ = false;
};

class KeyRing::Reader {
 public:
  static Result<Reader> make(const KeyRing& ring);

  // `now` is the wall clock. The principal stays valid for as long as it is held.
  KeyCheck check(std::string_view credential, UtcTime now);

 private:
  Reader(const KeyRing& ring, KeyMac mac);
  const KeyRing* ring_;
  KeyMac mac_;
  Published<Snapshot>::Reader snapshot_;
};

}  // namespace sallyport::keys
