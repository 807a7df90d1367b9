// SPDX-License-Identifier: Apache-2.0
// All keys of the installation and the layers above them in memory, checked against an immutable
// snapshot, made durable in the store. Creating is durable first and works then; revoking works
// first and is made durable then, so that a broken disk never keeps a stolen key alive. Knows
// nothing of requests.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/published.h"
#include "base/result.h"
#include "base/secret.h"
#include "event/ports/revocations.h"
#include "event/principal.h"
#include "keys/checked_time.h"
#include "keys/config.h"
#include "keys/derive_root.h"
#include "keys/derived_token.h"
#include "keys/key_change.h"
#include "keys/key_fault.h"
#include "keys/key_format.h"
#include "keys/key_mac.h"
#include "keys/key_store.h"
#include "keys/layers.h"
#include "keys/rotation.h"

namespace sallyport::keys {

class Bindings;

// The kid and the name under which everybody passes an open gate (keys.required: false).
inline constexpr std::string_view kOpenKid = "open";

struct KeyCheck {
  KeyFault fault = KeyFault::kBadFormat;
  std::shared_ptr<const Principal> principal;  // only without a fault
  std::string_view claimed_kid;  // part of the credential, once format and checksum were good
};

struct CreatedKey {
  Secret text;  // shown once
  KeyInfo info;
  std::vector<std::string> warnings = {};  // what it states beyond its layer, and will not get
};

class KeyRing final : public Revocations {
 public:
  // A store that has been silent for this long may have been told of a revocation that we did not
  // hear: every key is then refused with kUnavailable, until it speaks again (unless the
  // configuration says to keep what is known).
  static constexpr std::int64_t kStalenessMaxUs = 5'000'000;
  static constexpr std::int64_t kUsesEveryUs = 60'000'000;  // how often last_used_at is written
  static constexpr std::int64_t kForgetEveryUs = 3'600'000'000;

  // kInvalid: pepper or configuration; kUnavailable, kCorrupt: the store. `store` and `clock`
  // outlive the ring; `config` is copied but for the peppers, of which only keyed contexts are
  // kept.
  static Result<std::unique_ptr<KeyRing>> open(const Config& config, KeyStore& store,
                                               const Clock& clock);
  ~KeyRing() override;

  // --- Reading; any thread.

  std::vector<KeyInfo> list() const;  // by name, newest first
  // By kid or name; of several keys with the name an active one before a retiring one before a
  // revoked one, and of these the newest.
  Result<KeyInfo> show(std::string_view kid_or_name) const;

  // All keys that the word may mean: the one with this kid, else those with this name, newest
  // first.
  std::vector<KeyInfo> find(std::string_view kid_or_name) const;
  // All that were made through an identity mapping, dead or alive; by name, newest first.
  std::vector<KeyInfo> of_mapping(std::string_view mapping) const;
  // The layer that keeps a key from working, whatever the key itself says; none if its layers let
  // it work.
  std::optional<DeadLayer> dead_layer(const KeyInfo& key, UtcTime now) const;

  std::vector<LayerInfo> layers() const;  // by path: parents before children
  Result<LayerInfo> layer(std::string_view path) const;
  // kNone if what hangs on the layer now may work; else what stands in its way.
  KeyFault layer_fault(std::string_view path, UtcTime now) const;

  // What the operator is told of in readiness. No answer of the store for so long that keys are
  // refused; the wall clock is ahead of what the steady one bears out, or behind the latest time.
  bool silent() const;
  const CheckedTime& time() const { return time_; }
  // Something has ended here that the store does not know yet.
  bool owes() const;

  std::uint64_t version() const override;
  // False once the key or a layer above it was revoked, has expired, or accepts only what was
  // issued later. Bindings are not asked again: hours may end while a stream is under way.
  bool alive(std::string_view kid, UtcTime now) const override;
  // Of a derived token, the token too: not revoked, not expired, dated late enough.
  bool alive(const Principal& who, UtcTime now) const override;

  // Which key or token of ours is this secret? For reports of leaks: also of those that are dead.
  // kUnavailable: OpenSSL failed, which never looks like "not ours".
  Result<Whose> whose(std::string_view secret) const;

  // Checks credentials; one per thread, the ring outlives it. At most about a microsecond.
  class Reader;

  // --- Changing; any thread, one at a time. These block on the disk, at most a few seconds: never
  // call them on a loop that serves requests.

  // kUnavailable with this: the clock is ahead of what is believed (checked_time.h), and what would
  // be made by it might live for years. Ends are always taken.
  static constexpr const char* kClockAhead =
      "the clock jumped ahead and is not believed yet; set it right, or wait 5 minutes";

  // kExhausted with this: one principal of a mapping has as many keys as it may have.
  static constexpr const char* kPrincipalFull = "this principal of the mapping has all its keys";

  // kInvalid: the spec, with a sentence that says what; kDenied: a live key has that name;
  // kExhausted: the mapping has as many keys as it may have (KeySpec::mapping_limits).
  Result<CreatedKey> create(const KeySpec& spec, std::string_view actor);

  // By kid or name; all keys of that name that are not revoked yet. Revoking twice is no error and
  // answers with the first revocation. kNotFound: no such key. kUnavailable: dead in this process,
  // but not yet durable; refresh_if_changed() tries again until it is.
  Result<std::vector<KeyInfo>> revoke(std::string_view kid_or_name, std::string_view actor,
                                      std::string_view why = {});

  // All live keys that were made through an identity mapping, in one act; as revoke(), but it may
  // be that none lives. kNotFound: no key was ever made through it.
  Result<std::vector<KeyInfo>> revoke_mapping(std::string_view mapping, std::string_view actor,
                                              std::string_view why = {});

  // --- The half of an end that never waits, for whoever may have to: in force here when it
  // returns. The act of the same name must follow, which makes it durable and has the errors; until
  // then refresh_if_changed() tries. What is not there, or not valid, changes nothing. Any thread.
  void revoke_now(std::string_view kid_or_name, std::string_view actor, std::string_view why = {});
  void revoke_mapping_now(std::string_view mapping, std::string_view actor,
                          std::string_view why = {});
  void block_now(std::string_view kid_or_name, std::string_view actor, std::string_view why = {});
  void revoke_token_now(std::string_view kid_or_name, std::string_view tid, std::string_view actor,
                        std::string_view why = {});
  void revoke_layer_now(std::string_view path, std::string_view actor, std::string_view why = {});
  void issued_before_now(std::string_view path, UtcTime when, std::string_view actor);

  // Pauses keys: by kid or name, all of that name that live. While it lasts they are as dead as
  // revoked ones, with all that hangs on them, and their name takes no new key. Dead first, then
  // durable, as revoke(); blocking twice answers with the first time. kDenied: they are revoked, or
  // have expired.
  Result<std::vector<KeyInfo>> block(std::string_view kid_or_name, std::string_view actor,
                                     std::string_view why = {});
  // Ends the pause: durable first, then in force. What was not blocked is answered as it is.
  Result<std::vector<KeyInfo>> unblock(std::string_view kid_or_name, std::string_view actor);

  // Changes keys: by kid or name, all of that name that live, all or nothing. Durable first, then
  // in force; later requests of the key are judged by it. kInvalid: the change, or a life above
  // keys.life_max in all; kNotFound; kDenied: revoked, expired, or its layer lets nothing in.
  Result<std::vector<UpdatedKey>> update(std::string_view kid_or_name, const KeyChange& change,
                                         std::string_view actor);

  // Another secret and kid in the place of a key: same name, layer, scope, limits; budgets are not
  // refilled. Durable first, then in force. kInvalid: the options; kNotFound; kDenied: the key is
  // revoked, has expired, or is being replaced already.
  Result<RotatedKey> rotate(std::string_view kid_or_name, const RotateOptions& options,
                            std::string_view actor);
  // The end of a key that is being replaced, if that is earlier than the one it has. In force here
  // first, then durable, as revoke(). kNotFound; kUnavailable: in force here and not yet durable,
  // refresh_if_changed() tries again until it is.
  Result<KeyInfo> retire(std::string_view kid, UtcTime ends_at);

  // Kills one derived token and all that was narrowed from it. Dead first, then durable. By name it
  // is dead on every living key of the name, since it hangs on one of them and nobody knows which;
  // the answer has one of each.
  Result<std::vector<TokenRevocation>> revoke_token(std::string_view kid_or_name,
                                                    std::string_view tid, std::string_view actor,
                                                    std::string_view why = {});

  // Creates or changes a layer. kInvalid: the spec; kNotFound: no such parent; kDenied: the layer
  // is revoked, or its parent is revoked or expired; each with a sentence that says what.
  Result<PutLayer> put_layer(const LayerSpec& spec, std::string_view actor);
  // The same for many, all or nothing; parents may be among them.
  Result<std::vector<PutLayer>> put_layers(std::span<const LayerSpec> specs,
                                           std::string_view actor);

  // Kills everything below for good. As revoke(): dead first, then durable.
  Result<LayerInfo> revoke_layer(std::string_view path, std::string_view actor,
                                 std::string_view why = {});

  // From now on only keys created, and tokens dated, at `when` or later work below this layer.
  // Only moves forward: an earlier moment than the one in force changes nothing. kInvalid: `when`
  // lies in the future. Dead first, then durable, as revoke().
  Result<LayerInfo> issued_before(std::string_view path, UtcTime when, std::string_view actor);

  // Which upstreams a key may be bound to from now on: other names are kInvalid, since every call
  // of such a key would fail. Until it was said, any name will do. Keys that are there stay.
  void know_upstreams(std::vector<std::string> names);

  // A new configuration: required, life, life_max, what happens when the store is silent; keys
  // that exist keep their end. The peppers stay.
  Result<void> take(const Config& config);

  // Takes over what other processes changed; true if anything was. Writes what waits (revocations
  // that are not durable, MACs under a new pepper, last uses), and drops what nobody needs. Call it
  // every 250 ms: from the first call on, five seconds without an answer of the store close the
  // ring, also while a call hangs.
  Result<bool> refresh_if_changed();

 private:
  struct Entry;
  struct Shard;
  struct Pool;
  struct LayerNode;
  struct LayerTree;
  struct TokenSet;
  struct Snapshot;
  struct Draft;
  struct Found;

  KeyRing(KeyStore& store, const Clock& clock, KeyMac mac, bool has_pepper);

  Result<void> validate(const KeySpec& spec, std::string_view actor) const;
  Result<void> known_upstream(const KeyScope& scope) const;
  std::vector<std::string> wider_than_layers(const Restrictions& child, UtcTime child_end,
                                             std::string_view layer) const;
  std::vector<KeyInfo> living(std::string_view kid_or_name) const;
  Result<UpdatedKey> plan_change(const KeyInfo& key, const KeyChange& change) const;
  UtcTime latest(UtcTime now) const { return time_.latest(now); }
  Result<UtcTime> birth() const;  // when what is made now is made
  Result<void> mapping_has_room(const KeySpec& spec, UtcTime now) const;
  int pepper_of(std::string_view pepper_id) const;
  Result<std::vector<LayerInfo>> plan(std::span<const LayerSpec> specs, std::string_view actor,
                                      std::vector<PutLayer>& answers) const;
  static Found locate(const Snapshot& snapshot, std::string_view kid);
  static KeyFault chain_fault(const Found& found, UtcTime now);
  KeyFault token_fault(const Found& found, std::string_view tid, UtcTime issued_at,
                       UtcTime expires_at, UtcTime now) const;
  Result<void> imprint(const Secret& text, bool derive, KeyRow& row) const;
  Result<KeyInfo> exchangeable(std::string_view kid_or_name) const;

  Result<bool> take_news();  // takes store_mutex_
  // Take mutex_ shortly.
  void apply(std::vector<KeyRow> rows, bool whole);
  void apply_layers(std::vector<LayerRow> rows, bool whole);
  void revoke_in_memory(std::string_view kid_or_name, std::string_view actor, std::string_view why);
  // The kids of those that it ended.
  std::vector<std::string> revoke_mapping_in_memory(std::string_view mapping,
                                                    std::string_view actor, std::string_view why);
  void block_in_memory(std::string_view kid_or_name, std::string_view actor, std::string_view why);
  bool end_in_memory(const LayerEnding& ending);
  void forget_in_memory(std::int64_t before_ms);
  void retire_in_memory(std::string_view kid, UtcTime ends_at);
  void apply_tokens(const std::vector<TokenRevocation>& tokens);
  Result<std::vector<TokenRevocation>> token_revocations(std::string_view kid_or_name,
                                                         std::string_view tid,
                                                         std::string_view actor,
                                                         std::string_view why) const;
  void end_tokens_in_memory(std::span<const TokenRevocation> revocations);
  void keep_tokens(const std::vector<TokenRevocation>& loaded);
  // Hold mutex_.
  void end_keys(std::vector<KeyInfo> keys, std::string_view actor, std::string_view why);
  void keep_undurable(KeyInfo& key) const;
  void keep_layer_ends(const LayerInfo& was, const LayerInfo& row);
  void keep_ends(const Shard& shard, std::size_t at, KeyInfo& key);
  void publish_layers();
  void publish_tokens(std::span<const TokenRevocation> more);
  void take_root(Entry& entry, Pool& pool, const KeyRow& row) const;
  // Hold store_mutex_.
  Result<bool> refresh();
  Result<bool> load_news(bool whole);
  Result<void> make_durable();
  Result<void> make_keys_durable();
  Result<void> make_key_durable(const Revocation& revocation);
  Result<void> make_blocks_durable();
  Result<void> make_ends_durable();
  Result<void> make_layers_durable();
  Result<void> make_tokens_durable();
  Result<LayerInfo> end_layer(LayerEnding ending);
  void write_remacs();
  void write_uses();
  void forget();
  void heard(const Error* silence);  // null: the store answered
  void complain(const char* what, std::string_view which, const Error& error);

  // Request path: a key was checked under an old pepper; its MAC under the present one. Never
  // waits; what does not fit is offered again by the next request.
  void offer_remac(std::string_view kid, int pepper, const Mac& mac) const;

  std::atomic<bool> required_{true}, keep_when_silent_{false};
  std::atomic<std::chrono::milliseconds> life_{}, life_max_{};
  KeyStore& store_;
  const Clock& clock_;
  const KeyMac mac_;
  std::vector<KeyMac> previous_;  // old peppers; never changes after open()
  const bool has_pepper_;
  std::optional<RootWrap> wrap_;  // none: no derived tokens; never changes after open()
  Mac dummy_mac_{};               // what an unknown kid is compared with
  Secret dummy_root_;             // the same for derived tokens

  Published<Snapshot> published_;
  CheckedTime time_;
  std::atomic<std::int64_t> heard_us_{0};  // steady: when the store last answered
  std::atomic<bool> watched_{false};       // refresh_if_changed() is called again and again

  // Whoever changes the snapshot; never held while the store is asked, so that a stuck disk does
  // not delay the death of a key. Locked after store_mutex_.
  mutable std::mutex mutex_;
  std::optional<std::vector<std::string>> upstreams_;  // none: nobody said
  std::map<std::string, Revocation> undurable_;        // by kid: dead here, not yet in the store
  std::map<std::string, Blocking> undurable_blocks_;   // by kid: paused here, not in the store
  std::map<std::string, UtcTime, std::less<>> undurable_ends_;  // by kid: ends of replaced keys
  std::map<std::string, LayerEnding> undurable_layers_;         // by path
  std::map<std::string, TokenRevocation> undurable_tokens_;     // by "kid.tid"
  std::map<std::string, LayerRow, std::less<>> layers_;         // what the tree is made of

  mutable std::mutex remac_mutex_;
  mutable std::map<std::string, Remac, std::less<>> remacs_;  // by kid, at most kRemacsMax

  std::mutex store_mutex_;
  std::optional<KeyStore::Mark> mark_;
  std::uint64_t loaded_version_ = 0, loaded_layers_ = 0, loaded_tokens_ = 0;
  std::int64_t uses_written_us_ = 0, forgot_us_ = 0;  // steady
  UtcTime uses_written_at_{};
  bool clock_complained_ = false, durable_complained_ = false, silence_told_ = false;
};

class KeyRing::Reader {
 public:
  static Result<Reader> make(const KeyRing& ring);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  // The principal stays valid for as long as it is held.
  KeyCheck check(std::string_view credential, const Presented& shown);

 private:
  struct Slot;
  struct TokenSlot;
  Reader(const KeyRing& ring, KeyMac mac, std::vector<KeyMac> previous, DerivedMac chain);

  // The steps of check(), for derived tokens, too: whose key is this; may it work now, here; what
  // its requests are told.
  KeyFault authenticate(std::string_view credential, std::string_view kid, const Found& found);
  KeyFault admit(const Found& found, Bindings& bindings, const Presented& shown);
  std::shared_ptr<const Principal> principal(const Found& found);

  // Derived tokens (key_check_derived.cc).
  KeyCheck check_derived(std::string_view credential, const Presented& shown);
  KeyFault verify(const ParsedDerived& token, std::string_view credential, const Found& found,
                  std::shared_ptr<const Principal>& principal);
  Result<std::shared_ptr<const Principal>> principal_of(const ParsedDerived& token,
                                                        const Found& found);

  const KeyRing* ring_;
  KeyMac mac_;
  std::vector<KeyMac> previous_;
  Published<Snapshot>::Reader snapshot_;
  DerivedMac chain_;
  std::vector<Slot> slots_;        // principals that were made lately, by kid
  std::vector<TokenSlot> tokens_;  // derived tokens that were verified lately
};

}  // namespace sallyport::keys
