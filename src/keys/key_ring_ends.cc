// SPDX-License-Identifier: Apache-2.0
// The end of keys: dead first, in this process; then durable.
#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

bool valid_act(std::string_view actor, std::string_view why) {
  return valid_label(actor) && (why.empty() || valid_label(why));
}

}  // namespace

Result<std::vector<KeyInfo>> KeyRing::revoke(std::string_view kid_or_name, std::string_view actor,
                                             std::string_view why) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!why.empty() && !valid_label(why)) return fail(Code::kInvalid, "not a valid reason");

  // Dead first: before the store is asked anything. Then once more, for keys of this name that
  // another process has made and we have not heard of.
  revoke_in_memory(kid_or_name, actor, why);
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  revoke_in_memory(kid_or_name, actor, why);

  const Result<void> durable = make_durable();
  std::vector<KeyInfo> keys = find(kid_or_name);
  if (keys.empty()) {
    if (!fresh) return std::unexpected(fresh.error());
    return fail(Code::kNotFound, "there is no key with this name or kid");
  }
  if (!durable) {
    return fail(Code::kUnavailable,
                "revoked in this process, not yet durable: " + durable.error().what);
  }
  return keys;
}

void KeyRing::revoke_in_memory(std::string_view kid_or_name, std::string_view actor,
                               std::string_view why) {
  const std::lock_guard lock(mutex_);
  end_keys(find(kid_or_name), actor, why);
}

// Holds mutex_.
void KeyRing::end_keys(std::vector<KeyInfo> keys, std::string_view actor, std::string_view why) {
  std::erase_if(keys, [](const KeyInfo& key) { return key.state == KeyState::kRevoked; });
  if (keys.empty()) return;

  Draft draft(*published_.snapshot(), false);
  for (KeyInfo& key : keys) {
    key.revoked_at = clock_.now();
    key.revoked_by = actor;
    key.revoked_why = why;
    undurable_[key.kid] = {key.kid, *key.revoked_at, std::string(actor), std::string(why)};
    bool fresh = false;
    Entry& entry = draft.entry(key.kid, key.name, fresh);
    entry.state = static_cast<std::uint8_t>(KeyState::kRevoked);
    entry.ending = draft.next->pool->ending(entry.ending, key);
  }
  published_.publish(draft.finish());
}

// --- All of one mapping

std::vector<KeyInfo> KeyRing::of_mapping(std::string_view mapping) const {
  std::vector<KeyInfo> keys;
  if (mapping.empty()) return keys;
  published_.snapshot()->each([&](const Shard& shard, std::size_t at) {
    if (shard.entries[at].grant->mapping == mapping) keys.push_back(shard.info(at));
  });
  std::ranges::sort(keys, [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(a.name, b.created_at, a.kid) < std::tie(b.name, a.created_at, b.kid);
  });
  return keys;
}

Result<std::vector<KeyInfo>> KeyRing::revoke_mapping(std::string_view mapping,
                                                     std::string_view actor, std::string_view why) {
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  if (!why.empty() && !valid_label(why)) return fail(Code::kInvalid, "not a valid reason");
  std::set<std::string> kids;
  for (auto& kid : revoke_mapping_in_memory(mapping, actor, why)) kids.insert(std::move(kid));
  const std::lock_guard lock(store_mutex_);
  const Result<bool> fresh = refresh();
  for (auto& kid : revoke_mapping_in_memory(mapping, actor, why)) kids.insert(std::move(kid));

  const Result<void> durable = make_durable();
  std::vector<KeyInfo> keys = of_mapping(mapping);
  if (keys.empty()) {
    if (!fresh) return std::unexpected(fresh.error());
    return fail(Code::kNotFound, "no key was made through this mapping");
  }
  if (!durable || !fresh) {
    return fail(Code::kUnavailable, "revoked in this process, not yet durable: " +
                                        (durable ? fresh.error() : durable.error()).what);
  }
  std::erase_if(keys, [&](const KeyInfo& key) { return !kids.contains(key.kid); });
  return keys;
}

std::vector<std::string> KeyRing::revoke_mapping_in_memory(std::string_view mapping,
                                                           std::string_view actor,
                                                           std::string_view why) {
  const std::lock_guard lock(mutex_);
  const UtcTime now = latest(clock_.now());
  std::vector<KeyInfo> keys = of_mapping(mapping);
  std::erase_if(keys, [&](const KeyInfo& key) {
    return key.state == KeyState::kRevoked || now >= key.expires_at;
  });
  std::vector<std::string> kids;
  for (const KeyInfo& key : keys) kids.push_back(key.kid);
  end_keys(std::move(keys), actor, why);
  return kids;
}

// --- At once, and nothing else

void KeyRing::revoke_now(std::string_view kid_or_name, std::string_view actor,
                         std::string_view why) {
  if (valid_act(actor, why)) revoke_in_memory(kid_or_name, actor, why);
}

void KeyRing::revoke_mapping_now(std::string_view mapping, std::string_view actor,
                                 std::string_view why) {
  if (valid_act(actor, why)) revoke_mapping_in_memory(mapping, actor, why);
}

void KeyRing::block_now(std::string_view kid_or_name, std::string_view actor,
                        std::string_view why) {
  if (valid_act(actor, why)) block_in_memory(kid_or_name, actor, why);
}

void KeyRing::revoke_token_now(std::string_view kid_or_name, std::string_view tid,
                               std::string_view actor, std::string_view why) {
  const auto revocations = token_revocations(kid_or_name, tid, actor, why);
  if (revocations) end_tokens_in_memory(*revocations);
}

void KeyRing::revoke_layer_now(std::string_view path, std::string_view actor,
                               std::string_view why) {
  if (!valid_act(actor, why)) return;
  end_in_memory({.path = std::string(path),
                 .revocation = Revocation{"", clock_.now(), std::string(actor), std::string(why)},
                 .issued_before = {}});
}

void KeyRing::issued_before_now(std::string_view path, UtcTime when, std::string_view actor) {
  if (!valid_act(actor, {}) || when > latest(clock_.now())) return;
  end_in_memory({.path = std::string(path),
                 .revocation = {},
                 .issued_before = std::min(when, latest(time_.confirmed()))});
}

// --- Into the store

bool KeyRing::owes() const {
  const std::lock_guard lock(mutex_);
  return !undurable_.empty() || !undurable_blocks_.empty() || !undurable_ends_.empty() ||
         !undurable_layers_.empty() || !undurable_tokens_.empty();
}

Result<void> KeyRing::make_durable() {
  const Result<void> keys = make_keys_durable();
  if (!keys && keys.error().code == Code::kUnavailable) return keys;  // one wait is enough
  const Result<void> blocks = make_blocks_durable();
  if (!blocks && blocks.error().code == Code::kUnavailable) return blocks;
  const Result<void> ends = make_ends_durable();
  if (!ends && ends.error().code == Code::kUnavailable) return ends;
  const Result<void> layers = make_layers_durable();
  if (!layers && layers.error().code == Code::kUnavailable) return layers;
  const Result<void> tokens = make_tokens_durable();
  if (keys && blocks && ends && layers && tokens) durable_complained_ = false;
  if (!keys) return keys;
  if (!blocks) return blocks;
  if (!ends) return ends;
  return layers ? tokens : layers;
}

void KeyRing::complain(const char* what, std::string_view which, const Error& error) {
  if (!durable_complained_) {
    log::error("keys.revocation_not_durable", {{what, std::string(which)},
                                               {"reason", error.what},
                                               {"effect", "it is dead in this process"}});
  }
  durable_complained_ = true;
}

// Many in one transaction, since each costs a sync; one by one where a row among them makes no
// sense, so that it does not hold up the others.
Result<void> KeyRing::make_keys_durable() {
  std::vector<Revocation> todo;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [kid, revocation] : undurable_) todo.push_back(revocation);
  }
  if (todo.size() > 1) {
    Result<std::vector<KeyRow>> rows = store_.revoke_all(todo);
    if (rows) {
      {
        const std::lock_guard lock(mutex_);
        for (const Revocation& done : todo) undurable_.erase(done.kid);
      }
      apply(std::move(*rows), false);
      return {};
    }
    if (rows.error().code == Code::kUnavailable) {
      complain("kid", todo.front().kid, rows.error());
      return std::unexpected(rows.error());
    }
  }
  Result<void> result;
  for (const Revocation& revocation : todo) {
    const Result<void> done = make_key_durable(revocation);
    if (done) continue;
    result = done;
    if (done.error().code == Code::kUnavailable) return result;
  }
  return result;
}

Result<void> KeyRing::make_key_durable(const Revocation& revocation) {
  Result<KeyRow> row = store_.revoke(revocation);
  if (!row && row.error().code != Code::kNotFound) {
    complain("kid", revocation.kid, row.error());
    return std::unexpected(row.error());  // stays in undurable_ and is tried again
  }
  {
    const std::lock_guard lock(mutex_);
    undurable_.erase(revocation.kid);
  }
  if (!row) return {};  // the store was replaced and does not know it any more
  std::vector<KeyRow> rows;
  rows.push_back(std::move(*row));
  apply(std::move(rows), false);
  return {};
}

Result<void> KeyRing::make_layers_durable() {
  std::map<std::string, LayerEnding> todo;
  {
    const std::lock_guard lock(mutex_);
    todo = undurable_layers_;
  }
  Result<void> result;
  for (const auto& [path, ending] : todo) {
    Result<LayerRow> row = store_.end_layer(ending);
    if (!row && row.error().code != Code::kNotFound) {
      complain("layer", path, row.error());
      result = std::unexpected(row.error());
      if (row.error().code == Code::kUnavailable) return result;
      continue;
    }
    {
      // What was added while the store was asked (a later issued_before) stays on the list.
      const std::lock_guard lock(mutex_);
      const auto held = undurable_layers_.find(path);
      const bool same = held != undurable_layers_.end() &&
                        held->second.issued_before == ending.issued_before &&
                        held->second.revocation.has_value() == ending.revocation.has_value();
      if (same) undurable_layers_.erase(held);
    }
    if (!row) continue;
    std::vector<LayerRow> rows;
    rows.push_back(std::move(*row));
    apply_layers(std::move(rows), false);
  }
  return result;
}

}  // namespace sallyport::keys
