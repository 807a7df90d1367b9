// SPDX-License-Identifier: Apache-2.0
// Exchanged keys come by the thousand and live for minutes: a day after their end they leave the
// store and the ring. The journal keeps their history.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {

// Holds store_mutex_. By a time that was checked: what is forgotten does not come back. The store
// first: a process that starts between the two sees what this one does.
void KeyRing::forget() {
  const std::int64_t now_us = clock_.steady_us();
  if (!watched_ || now_us - forgot_us_ < kForgetEveryUs) return;
  const UtcTime now = time_.confirmed();
  const std::int64_t before_ms = ms(now - kForgetKeyAfter);
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  std::uint64_t keys = 0;
  snapshot->each([&](const Shard& shard, std::size_t at) {
    if (shard.entries[at].forgettable(before_ms)) ++keys;
  });
  const bool tokens = std::ranges::any_of(snapshot->tokens->forget_ms,
                                          [&](const auto& held) { return held.second <= ms(now); });
  if (keys > 0 || tokens) {
    const Result<void> dropped = store_.forget(now);
    if (!dropped) {  // tried again with the next look
      log::warn("keys.not_forgotten", {{"keys", keys}, {"reason", dropped.error().what}});
      return;
    }
  }
  forgot_us_ = now_us;
  if (keys == 0) return;
  forget_in_memory(before_ms);
  log::info("keys.forgotten", {{"keys", keys}});
}

// Everything but them, in a pool of its own: nothing of them stays. Takes some 100 ms for 100,000
// keys.
void KeyRing::forget_in_memory(std::int64_t before_ms) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  Draft draft(*old, true);
  Pool& pool = *draft.next->pool;
  std::unordered_map<const Pool::Grant*, const Pool::Grant*> grants;
  std::unordered_map<const std::string*, const std::string*> texts;
  const auto text_of = [&](const std::string* held) {
    if (held == nullptr) return held;
    const std::string*& made = texts[held];
    if (made == nullptr) made = pool.text(*held);
    return made;
  };
  old->each([&](const Shard& shard, std::size_t at) {
    const Entry& held = shard.entries[at];
    if (held.forgettable(before_ms)) return;
    bool fresh = false;
    Entry& entry = draft.entry(text(shard.kids[at]), shard.name(held), fresh);
    const std::uint32_t name_at = entry.name_at;
    const std::uint8_t name_size = entry.name_size;
    entry = held;
    entry.name_at = name_at;
    entry.name_size = name_size;
    const Pool::Grant*& grant = grants[held.grant];
    if (grant == nullptr) {
      grant = pool.grant(held.grant->scope, held.grant->restrictions, held.grant->mapping);
    }
    entry.grant = grant;
    entry.owner = text_of(held.owner);
    entry.created_by = text_of(held.created_by);
    entry.layer = text_of(held.layer);
    if (held.ending != nullptr) entry.ending = &pool.endings.emplace_back(*held.ending);
    entry.used_ms = &pool.uses.emplace_back(held.used_ms->load(std::memory_order_relaxed));
    if (held.root != nullptr) entry.root = &pool.roots.emplace_back(held.root->clone());
  });
  published_.publish(draft.finish());
}

}  // namespace sallyport::keys
