// SPDX-License-Identifier: Apache-2.0
// Pausing keys and changing what they may do. A pause acts first and is made durable then, like a
// revocation; its end and every change are durable first, like a creation.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "keys/identity_config.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

constexpr int kUpdateTries = 3;  // others may change the same keys between reading and writing

std::unexpected<Error> dead(const std::vector<KeyInfo>& keys) {
  if (keys.empty()) return fail(Code::kNotFound, "there is no key with this name or kid");
  const bool revoked =
      std::ranges::all_of(keys, [](const KeyInfo& key) { return key.state == KeyState::kRevoked; });
  return fail(Code::kDenied, revoked ? "the key is revoked, for good; create a new one"
                                     : "the key has expired; create a new one");
}

}  // namespace

// Those that are neither revoked nor expired.
std::vector<KeyInfo> KeyRing::living(std::string_view kid_or_name) const {
  std::vector<KeyInfo> keys = find(kid_or_name);
  const UtcTime now = latest(clock_.now());
  std::erase_if(keys, [&](const KeyInfo& key) {
    return key.state == KeyState::kRevoked || now >= key.expires_at;
  });
  return keys;
}

// --- Blocking

Result<std::vector<KeyInfo>> KeyRing::block(std::string_view kid_or_name, std::string_view actor,
                                            std::string_view why) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!why.empty() && !valid_label(why)) return fail(Code::kInvalid, "not a valid reason");
  // As revoke(): dead before the store is asked anything, then once more for what others made.
  block_in_memory(kid_or_name, actor, why);
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  block_in_memory(kid_or_name, actor, why);

  const Result<void> durable = make_durable();
  std::vector<KeyInfo> keys = living(kid_or_name);
  if (keys.empty()) {
    if (!fresh) return std::unexpected(fresh.error());
    return dead(find(kid_or_name));
  }
  if (!durable) {
    return fail(Code::kUnavailable,
                "blocked in this process, not yet durable: " + durable.error().what);
  }
  return keys;
}

void KeyRing::block_in_memory(std::string_view kid_or_name, std::string_view actor,
                              std::string_view why) {
  const std::lock_guard lock(mutex_);
  std::vector<KeyInfo> keys = living(kid_or_name);
  std::erase_if(keys, [](const KeyInfo& key) { return key.blocked_at.has_value(); });
  if (keys.empty()) return;

  Draft draft(*published_.snapshot(), false);
  for (KeyInfo& key : keys) {
    key.blocked_at = clock_.now();
    key.blocked_by = actor;
    key.blocked_why = why;
    undurable_blocks_[key.kid] = {key.kid, true, *key.blocked_at, std::string(actor),
                                  std::string(why)};
    bool fresh = false;
    Entry& entry = draft.entry(key.kid, key.name, fresh);
    entry.blocked = true;
    entry.ending = draft.next->pool->ending(entry.ending, key);
  }
  published_.publish(draft.finish());
}

Result<void> KeyRing::make_blocks_durable() {
  std::vector<Blocking> todo;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [kid, blocking] : undurable_blocks_) todo.push_back(blocking);
  }
  if (todo.empty()) return {};
  Result<std::vector<KeyRow>> rows = store_.block(todo);
  if (!rows) {
    complain("blocked_kid", todo.front().kid, rows.error());
    return std::unexpected(rows.error());
  }
  {
    const std::lock_guard lock(mutex_);
    for (const Blocking& done : todo) undurable_blocks_.erase(done.kid);
  }
  apply(std::move(*rows), false);
  return {};
}

Result<std::vector<KeyInfo>> KeyRing::unblock(std::string_view kid_or_name,
                                              std::string_view actor) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  if (!fresh) return std::unexpected(fresh.error());
  const std::vector<KeyInfo> keys = living(kid_or_name);
  if (keys.empty()) return dead(find(kid_or_name));
  std::vector<Blocking> todo;
  for (const KeyInfo& key : keys) {
    if (!key.blocked_at) continue;
    todo.push_back(
        {.kid = key.kid, .on = false, .at = clock_.now(), .by = std::string(actor), .why = {}});
  }
  if (todo.empty()) return keys;
  Result<std::vector<KeyRow>> rows = store_.block(todo);
  if (!rows) return std::unexpected(rows.error());
  {
    // A pause that never reached the store ends with this.
    const std::lock_guard lock(mutex_);
    for (const Blocking& ended : todo) undurable_blocks_.erase(ended.kid);
    Draft draft(*published_.snapshot(), false);
    for (const KeyInfo& held : keys) {
      bool there = false;
      KeyInfo key = held;
      key.blocked_at.reset();
      key.blocked_by.reset();
      key.blocked_why.reset();
      Entry& entry = draft.entry(key.kid, key.name, there);
      entry.blocked = false;
      entry.ending = draft.next->pool->ending(entry.ending, key);
    }
    published_.publish(draft.finish());
  }
  apply(std::move(*rows), false);
  return living(kid_or_name);
}

// --- Changing

Result<UpdatedKey> KeyRing::plan_change(const KeyInfo& key, const KeyChange& change) const {
  Result<KeyInfo> after = changed(key, change);
  if (!after) return std::unexpected(after.error());
  const Result<void> known = change.upstream ? known_upstream(after->scope) : Result<void>();
  if (!known) return std::unexpected(known.error());
  const UtcTime now = latest(clock_.now());
  if (change.expires_at) {
    if (*change.expires_at <= now) {
      return fail(Code::kInvalid, "expires_at lies in the past; revoke the key instead");
    }
    const std::chrono::milliseconds life_max = life_max_;
    if (after->expires_at > key.expires_at && after->expires_at - key.created_at > life_max) {
      return fail(Code::kInvalid, "expires_at: a key lives at most " + format_duration(life_max) +
                                      " in all (keys.life_max); rotate it");
    }
  }
  if (change.expires_at && !key.mapping.empty() && after->expires_at > key.expires_at &&
      after->expires_at - key.created_at > kExchangedLifeMax) {
    return fail(Code::kInvalid, "expires_at: an exchanged key lives at most " +
                                    format_duration(kExchangedLifeMax) + "; exchange again");
  }
  UpdatedKey out{.before = key, .after = std::move(*after), .warnings = {}};
  if (key.layer.empty()) return out;
  const KeyFault fault = layer_fault(key.layer, now);
  if (fault != KeyFault::kNone) {
    return fail(Code::kDenied, "layer: " + key.layer + " lets nothing in: " + name(fault));
  }
  out.warnings = wider_than_layers(out.after.restrictions, out.after.expires_at, key.layer);
  return out;
}

Result<std::vector<UpdatedKey>> KeyRing::update(std::string_view kid_or_name,
                                                const KeyChange& change, std::string_view actor) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (change.empty()) return fail(Code::kInvalid, "nothing is to be changed");
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();  // what others did counts
  if (!fresh) return std::unexpected(fresh.error());
  for (int tries = 1;; ++tries) {
    const std::vector<KeyInfo> keys = living(kid_or_name);
    if (keys.empty()) return dead(find(kid_or_name));
    std::vector<UpdatedKey> out;
    std::vector<KeyInfo> wanted;
    for (const KeyInfo& key : keys) {
      Result<UpdatedKey> planned = plan_change(key, change);
      if (!planned) return std::unexpected(planned.error());
      wanted.push_back(planned->after);
      out.push_back(std::move(*planned));
    }
    Result<std::vector<KeyRow>> rows = store_.update(wanted);
    if (!rows && rows.error().code == Code::kExhausted) {
      if (tries == kUpdateTries) {
        return fail(Code::kUnavailable, "others change this key at the same time; ask again");
      }
      const Result<bool> news = load_news(false);  // also of what we wrote without reading it back
      if (!news) return std::unexpected(news.error());
      continue;
    }
    if (!rows) return std::unexpected(rows.error());
    apply(std::move(*rows), false);
    const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
    for (UpdatedKey& one : out) {
      std::size_t at = 0;
      const Shard* shard = snapshot->find(one.after.kid, at);
      if (shard != nullptr) one.after = shard->info(at);
    }
    return out;
  }
}

}  // namespace sallyport::keys
