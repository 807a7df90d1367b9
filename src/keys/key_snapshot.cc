// SPDX-License-Identifier: Apache-2.0
#include "keys/key_snapshot.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sallyport::keys {

// --- Pool

const KeyRing::Pool::Grant* KeyRing::Pool::grant(KeyScope scope, Restrictions restrictions,
                                                 std::string mapping) {
  std::string form;
  if (!(scope == KeyScope{})) {
    for (const auto* list : {&scope.modules, &scope.purposes}) {
      for (const std::string& word : *list) form.append(word).append("\n");
      form += '\f';  // in no label: they hold no control characters
    }
    form.append(scope.module).append("\f").append(scope.purpose).append("\f");
    form.append(scope.upstream ? "=" + *scope.upstream : std::string());
    form += scope.may_name_organization ? "\f1" : "\f0";
  }
  if (!restrictions.empty()) form += restrictions_json(restrictions);
  if (!mapping.empty()) form.append("\f@").append(mapping);
  const auto at = grants.find(form);
  if (at != grants.end()) return &at->second;
  Grant made{std::move(scope), std::move(restrictions), std::move(mapping)};
  return &grants.emplace(std::move(form), std::move(made)).first->second;
}

const std::string* KeyRing::Pool::text(std::string_view text) {
  const auto at = texts.find(text);
  return at == texts.end() ? &*texts.emplace(text).first : &*at;
}

const KeyRing::Pool::Ending* KeyRing::Pool::ending(const Ending* held, const KeyInfo& key) {
  Ending ending{.revoked_at = key.revoked_at,
                .blocked_at = key.blocked_at,
                .revoked_by = key.revoked_by,
                .revoked_why = key.revoked_why,
                .replaced_by = key.replaced_by,
                .blocked_by = key.blocked_by,
                .blocked_why = key.blocked_why};
  if (ending == Ending{}) return nullptr;
  if (held != nullptr && *held == ending) return held;
  return &endings.emplace_back(std::move(ending));
}

// --- Shard

std::size_t KeyRing::Shard::find(std::string_view kid) const {
  if (kid.size() != kKidBytes) return kids.size();
  const auto at = std::ranges::lower_bound(
      kids, kid, {}, [](const Kid& held) { return sallyport::keys::text(held); });
  const bool here = at != kids.end() && sallyport::keys::text(*at) == kid;
  return here ? static_cast<std::size_t>(at - kids.begin()) : kids.size();
}

KeyInfo KeyRing::Shard::info(std::size_t at) const {
  const Entry& entry = entries[at];
  KeyInfo key;
  key.kid = sallyport::keys::text(kids[at]);
  key.name = name(entry);
  key.owner = *entry.owner;
  key.state = static_cast<KeyState>(entry.state);
  key.version = entry.version;
  key.created_at = utc(entry.created_ms);
  key.created_by = *entry.created_by;
  if (entry.not_before_ms != kNoTime) key.not_before = utc(entry.not_before_ms);
  key.expires_at = utc(entry.expires_ms);
  if (entry.ending != nullptr) {
    key.revoked_at = entry.ending->revoked_at;
    key.revoked_by = entry.ending->revoked_by;
    key.revoked_why = entry.ending->revoked_why;
    key.replaced_by = entry.ending->replaced_by;
    key.blocked_at = entry.ending->blocked_at;
    key.blocked_by = entry.ending->blocked_by;
    key.blocked_why = entry.ending->blocked_why;
  }
  key.scope = entry.grant->scope;
  key.restrictions = entry.grant->restrictions;
  key.mapping = entry.grant->mapping;
  key.derive = entry.derive;
  if (entry.layer != nullptr) key.layer = *entry.layer;
  const std::int64_t used = entry.used_ms->load(std::memory_order_relaxed);
  if (used != kNoTime) key.last_used_at = utc(used);
  return key;
}

// --- Layers

bool KeyRing::LayerNode::brings(KeyFault fault, std::int64_t created_ms, UtcTime now) const {
  switch (fault) {
    case KeyFault::kLayerRevoked:
      return info.revoked;
    case KeyFault::kDamaged:
      return damaged;
    case KeyFault::kLayerExpired:
      return info.expires_at && now >= *info.expires_at;
    case KeyFault::kIssuedBefore:
      return info.issued_before && created_ms < ms(*info.issued_before);
    default:
      return false;
  }
}

KeyFault KeyRing::LayerNode::fault(std::int64_t created_ms, UtcTime now) const {
  // What is final comes first, so that the record names the act and not an accident of time.
  for (const LayerNode* node = this; node != nullptr; node = node->parent.get()) {
    if (node->info.revoked) return KeyFault::kLayerRevoked;
  }
  KeyFault found = KeyFault::kNone;
  for (const LayerNode* node = this; node != nullptr; node = node->parent.get()) {
    if (node->damaged) return KeyFault::kDamaged;
    if (node->info.expires_at && now >= *node->info.expires_at) found = KeyFault::kLayerExpired;
  }
  for (const LayerNode* node = this; node != nullptr; node = node->parent.get()) {
    if (node->info.issued_before && created_ms < ms(*node->info.issued_before)) {
      return KeyFault::kIssuedBefore;
    }
  }
  return found;
}

// --- Snapshot

const KeyRing::Shard* KeyRing::Snapshot::find(std::string_view kid, std::size_t& at) const {
  const Shard* shard = shards[place(kid)].get();
  if (shard == nullptr) return nullptr;
  at = shard->find(kid);
  return at == shard->kids.size() ? nullptr : shard;
}

// --- Draft

KeyRing::Draft::Draft(const Snapshot& old, bool whole)
    : next(whole ? std::make_shared<Snapshot>() : std::make_shared<Snapshot>(old)) {
  next->serial = old.serial + 1;
  next->tree = old.tree;
  next->tokens = old.tokens;  // what was revoked stays so, whatever store comes
}

KeyRing::Entry& KeyRing::Draft::entry(std::string_view kid, std::string_view name, bool& fresh) {
  const std::size_t place = Snapshot::place(kid);
  std::shared_ptr<Shard>& shard = fresh_[place];
  if (!shard) {
    const auto& held = next->shards[place];
    shard = held ? std::make_shared<Shard>(*held) : std::make_shared<Shard>();
  }
  std::size_t at = shard->find(kid);
  fresh = at == shard->kids.size();
  if (fresh) {
    Kid made;
    std::memcpy(made.data(), kid.data(), made.size());
    const auto where = std::ranges::lower_bound(shard->kids, made);
    at = static_cast<std::size_t>(where - shard->kids.begin());
    shard->kids.insert(where, made);
    shard->entries.insert(shard->entries.begin() + static_cast<std::ptrdiff_t>(at), Entry{});
  }
  Entry& entry = shard->entries[at];
  if (fresh || shard->name(entry) != name) {
    entry.name_at = static_cast<std::uint32_t>(shard->names.size());
    entry.name_size = static_cast<std::uint8_t>(std::min<std::size_t>(name.size(), 255));
    shard->names.append(name.substr(0, entry.name_size));
  }
  return entry;
}

std::shared_ptr<const KeyRing::Snapshot> KeyRing::Draft::finish() {
  for (std::size_t place = 0; place < kShards; ++place) {
    if (!fresh_[place]) continue;
    fresh_[place]->kids.shrink_to_fit();
    fresh_[place]->entries.shrink_to_fit();
    fresh_[place]->names.shrink_to_fit();
    next->shards[place] = std::move(fresh_[place]);
  }
  return std::move(next);
}

}  // namespace sallyport::keys
