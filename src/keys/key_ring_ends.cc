// SPDX-License-Identifier: Apache-2.0
// The end of keys: dead first, in this process; then durable.
#include <algorithm>
#include <utility>

#include "base/log.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {

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
  std::vector<KeyInfo> keys = find(kid_or_name);
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

Result<void> KeyRing::make_durable() {
  const Result<void> keys = make_keys_durable();
  if (!keys && keys.error().code == Code::kUnavailable) return keys;  // one wait is enough
  const Result<void> layers = make_layers_durable();
  if (!layers && layers.error().code == Code::kUnavailable) return layers;
  const Result<void> tokens = make_tokens_durable();
  if (keys && layers && tokens) durable_complained_ = false;
  if (!keys) return keys;
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

Result<void> KeyRing::make_keys_durable() {
  std::map<std::string, Revocation> todo;
  {
    const std::lock_guard lock(mutex_);
    todo = undurable_;
  }
  Result<void> result;
  for (const auto& [kid, revocation] : todo) {
    Result<KeyRow> row = store_.revoke(revocation);
    if (!row && row.error().code != Code::kNotFound) {
      complain("kid", kid, row.error());
      result = std::unexpected(row.error());
      if (row.error().code == Code::kUnavailable) return result;
      continue;  // stays in undurable_ and is tried again
    }
    {
      const std::lock_guard lock(mutex_);
      undurable_.erase(kid);
    }
    if (!row) continue;  // the store was replaced and does not know it any more
    std::vector<KeyRow> rows;
    rows.push_back(std::move(*row));
    apply(std::move(rows), false);
  }
  return result;
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
