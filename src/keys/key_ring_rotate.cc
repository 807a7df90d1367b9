// SPDX-License-Identifier: Apache-2.0
// One key in the place of another: durable first, then in force, since nothing gets worse while it
// waits. The end of the old one is in force first, as a revocation is.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/random.h"
#include "keys/derived_token.h"
#include "keys/identity_config.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kRotationIdBytes = 16;

Result<void> check_options(const RotateOptions& options) {
  if (options.overlap.count() < 0 || options.overlap > kOverlapMax) {
    return fail(Code::kInvalid, "overlap must be between 0s and 24h");
  }
  if (!options.rotation_id.empty() && !valid_key_name(options.rotation_id)) {
    return fail(Code::kInvalid, "a rotation id is 1 to 64 characters of A-Z a-z 0-9 _ . -");
  }
  if (options.life && options.life->count() <= 0) {
    return fail(Code::kInvalid, "the life of a key must be above zero");
  }
  return {};
}

}  // namespace

// The text of a new key into its row: MAC, kid, and, if it may have derived tokens, their root.
Result<void> KeyRing::imprint(const Secret& text, bool derive, KeyRow& row) const {
  Result<KeyMac> hmac = mac_.copy();
  if (!hmac) return std::unexpected(hmac.error());
  const Result<Mac> mac = hmac->compute(text.reveal());
  if (!mac) return std::unexpected(mac.error());
  row.mac = *mac;
  row.pepper_id = mac_.pepper_id();
  row.info.kid = parse_key(text.reveal()).kid;
  row.info.derive = derive;
  row.derive_root.clear();
  if (!derive) return {};
  if (!wrap_) {
    return fail(Code::kInvalid, "keys.derive_key is not set: no key can have derived tokens");
  }
  const Result<Secret> root = keys::derive_root(text);
  if (!root) return std::unexpected(root.error());
  Result<std::string> wrapped = wrap_->wrap(*root, row.info.kid);
  if (!wrapped) return std::unexpected(wrapped.error());
  row.derive_root = std::move(*wrapped);
  return {};
}

// The key that is to be exchanged: the newest of the name that is still alive and not being
// replaced; else whatever the word means, and the store says why it will not do.
Result<KeyInfo> KeyRing::exchangeable(std::string_view kid_or_name) const {
  const std::vector<KeyInfo> keys = find(kid_or_name);
  if (keys.empty()) return fail(Code::kNotFound, "there is no key with this name or kid");
  const UtcTime now = latest(clock_.now());
  for (const KeyInfo& key : keys) {
    if (key.state == KeyState::kActive && now < key.expires_at) return key;
  }
  // Its successor may have been revoked, since nobody got it.
  for (const KeyInfo& key : keys) {
    if (key.state == KeyState::kRetiring && now < key.expires_at) return key;
  }
  return keys.front();
}

Result<RotatedKey> KeyRing::rotate(std::string_view kid_or_name, const RotateOptions& options,
                                   std::string_view actor) {
  const Result<void> readable = check_options(options);
  if (!readable) return std::unexpected(readable.error());
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!has_pepper_) return fail(Code::kInvalid, "keys.pepper is not set");

  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();  // what other processes made of this key
  if (!fresh) return std::unexpected(fresh.error());
  const Result<KeyInfo> old = exchangeable(kid_or_name);
  if (!old) return std::unexpected(old.error());
  // A pause that the store does not know yet counts, too: nothing gets round it.
  if (old->blocked_at) return fail(Code::kDenied, "the key is blocked; unblock it first");

  const Result<UtcTime> birth = this->birth();
  if (!birth) return std::unexpected(birth.error());
  const UtcTime now = *birth;
  if (options.life) {
    const Result<void> allowed = check_life(*options.life, life_max_.load());
    if (!allowed) return std::unexpected(allowed.error());
  }
  std::chrono::milliseconds life =
      std::min(options.life.value_or(old->expires_at - old->created_at), life_max_.load());
  if (!old->mapping.empty()) life = std::min(life, kExchangedLifeMax);
  if (old->not_before && *old->not_before >= now + life) {
    return fail(Code::kInvalid, "the new key would expire before it becomes valid");
  }
  Rotation rotation;
  rotation.rotation_id =
      options.rotation_id.empty() ? "rot-" + random_base62(kRotationIdBytes) : options.rotation_id;
  rotation.old_kid = old->kid;
  rotation.old_ends_at = options.keep_old_end ? old->expires_at : now + options.overlap;
  rotation.ends_all = !options.keep_old_end && options.overlap.count() == 0;
  KeyInfo& successor = rotation.successor.info;
  successor.name = old->name;
  successor.owner = old->owner;
  successor.state = KeyState::kActive;
  successor.created_at = now;
  successor.created_by = actor;
  successor.not_before = old->not_before;
  successor.expires_at = now + life;
  successor.scope = old->scope;
  successor.layer = old->layer;
  successor.restrictions = old->restrictions;
  successor.mapping = old->mapping;
  Secret text = mint_key();
  const Result<void> imprinted = imprint(text, old->derive, rotation.successor);
  if (!imprinted) return std::unexpected(imprinted.error());

  Result<Rotated> done = store_.rotate(rotation, now);
  if (!done) return std::unexpected(done.error());
  RotatedKey out{.rotation_id = rotation.rotation_id,
                 .old = done->old.info,
                 .successor = done->successor.info,
                 .text = {}};
  if (!done->repeated) out.text = std::move(text);
  std::vector<KeyRow> rows = std::move(done->also_ended);
  for (const KeyRow& row : rows) out.also_ended.push_back(row.info);
  rows.push_back(std::move(done->old));
  rows.push_back(std::move(done->successor));
  apply(std::move(rows), false);
  return out;
}

Result<KeyInfo> KeyRing::retire(std::string_view kid, UtcTime ends_at) {
  retire_in_memory(kid, ends_at);
  const std::lock_guard lock(store_mutex_);
  const Result<void> durable = make_ends_durable();
  Result<KeyInfo> now = show(kid);
  if (!now) return now;
  if (!durable) {
    return fail(Code::kUnavailable,
                "its end is in force here, not yet durable: " + durable.error().what);
  }
  return now;
}

void KeyRing::retire_in_memory(std::string_view kid, UtcTime ends_at) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  std::size_t at = 0;
  const Shard* const shard = old->find(kid, at);
  if (shard == nullptr || shard->entries[at].revoked()) return;
  const std::int64_t end_ms = std::min(ms(ends_at), shard->entries[at].expires_ms);
  const auto [held, fresh_end] = undurable_ends_.try_emplace(std::string(kid), utc(end_ms));
  held->second = std::min(held->second, utc(end_ms));
  Draft draft(*old, false);
  bool fresh = false;
  Entry& entry = draft.entry(kid, shard->name(shard->entries[at]), fresh);
  entry.state = static_cast<std::uint8_t>(KeyState::kRetiring);
  entry.expires_ms = end_ms;
  published_.publish(draft.finish());
}

Result<void> KeyRing::make_ends_durable() {
  std::map<std::string, UtcTime, std::less<>> todo;
  {
    const std::lock_guard lock(mutex_);
    todo = undurable_ends_;
  }
  for (const auto& [kid, ends_at] : todo) {
    Result<KeyRow> row = store_.retire(kid, ends_at);
    if (!row && row.error().code != Code::kNotFound) {
      complain("retiring_kid", kid, row.error());
      return std::unexpected(row.error());
    }
    {
      const std::lock_guard lock(mutex_);
      const auto held = undurable_ends_.find(kid);
      if (held != undurable_ends_.end() && held->second == ends_at) undurable_ends_.erase(held);
    }
    if (!row) continue;  // the store was replaced and does not know it any more
    std::vector<KeyRow> rows;
    rows.push_back(std::move(*row));
    apply(std::move(rows), false);
  }
  return {};
}

}  // namespace sallyport::keys
