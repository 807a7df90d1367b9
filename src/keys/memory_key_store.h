// SPDX-License-Identifier: Apache-2.0
// A KeyStore in memory, for tests: same laws as the durable one, fails on request, and `other()`
// acts as another process that writes the same store.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "keys/key_store.h"

namespace sallyport::keys {

class MemoryKeyStore final : public KeyStore {
 public:
  bool retire_fails = false;
  bool failing = false;    // answers kUnavailable to everything
  bool read_only = false;  // only to changes, like a full disk
  int revocations_asked = 0, uses_asked = 0, forgets_asked = 0;
  std::function<void()> meanwhile;  // done once, when update() is asked: another was quicker

  Result<Mark> mark() override {
    if (failing) return down();
    return mark_;
  }
  Result<std::vector<KeyRow>> load(std::uint64_t version) override {
    if (failing) return down();
    std::vector<KeyRow> rows;
    for (const auto& [kid, row] : rows_) {
      if (row.info.version > version) rows.push_back(row);
    }
    return rows;
  }
  Result<std::uint64_t> insert(const KeyRow& row, UtcTime now) override {
    if (failing || read_only) return down();
    for (const auto& [kid, held] : rows_) {
      if (held.info.name == row.info.name && held.info.state != KeyState::kRevoked &&
          held.info.expires_at > now &&
          (held.info.blocked_at ||
           !(row.beside_own && held.info.created_by == row.info.created_by))) {
        return fail(Code::kDenied, "a live key has this name");
      }
    }
    if (rows_.contains(row.info.kid)) return fail(Code::kInvalid, "the kid exists");
    KeyRow& stored = rows_[row.info.kid] = row;
    return stored.info.version = ++version_;
  }
  Result<KeyRow> revoke(const Revocation& revocation) override {
    ++revocations_asked;
    if (failing || read_only) return down();
    const auto at = rows_.find(revocation.kid);
    if (at == rows_.end()) return fail(Code::kNotFound, "no such kid");
    KeyInfo& key = at->second.info;
    if (key.state == KeyState::kRevoked) return at->second;
    key.state = KeyState::kRevoked;
    key.revoked_at = revocation.at;
    key.revoked_by = revocation.by;
    key.revoked_why = revocation.why;
    key.version = ++version_;
    return at->second;
  }
  Result<std::vector<KeyRow>> revoke_all(std::span<const Revocation> revocations) override {
    std::vector<KeyRow> rows;
    if (failing || read_only) ++revocations_asked;
    if (failing || read_only) return down();
    for (const Revocation& revocation : revocations) {
      Result<KeyRow> row = revoke(revocation);
      if (row) rows.push_back(std::move(*row));
    }
    return rows;
  }
  Result<std::vector<KeyRow>> block(std::span<const Blocking> blockings) override {
    if (failing || read_only) return down();
    std::vector<KeyRow> rows;
    for (const Blocking& blocking : blockings) {
      const auto at = rows_.find(blocking.kid);
      if (at == rows_.end()) continue;
      KeyInfo& key = at->second.info;
      if (key.state != KeyState::kRevoked && blocking.on != key.blocked_at.has_value()) {
        key.blocked_at = blocking.on ? std::optional(blocking.at) : std::nullopt;
        key.blocked_by = blocking.on ? std::optional(blocking.by) : std::nullopt;
        key.blocked_why = blocking.on ? std::optional(blocking.why) : std::nullopt;
        key.version = ++version_;
      }
      rows.push_back(at->second);
    }
    return rows;
  }
  Result<std::vector<KeyRow>> update(std::span<const KeyInfo> keys) override {
    if (failing || read_only) return down();
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    for (const KeyInfo& key : keys) {
      const auto at = rows_.find(key.kid);
      if (at == rows_.end()) return fail(Code::kNotFound, "no such kid");
      if (at->second.info.state == KeyState::kRevoked) return fail(Code::kDenied, "revoked");
      if (at->second.info.version != key.version) return fail(Code::kExhausted, "changed");
    }
    std::vector<KeyRow> rows;
    for (const KeyInfo& key : keys) {
      KeyInfo& held = rows_.at(key.kid).info;
      held.owner = key.owner;
      held.not_before = key.not_before;
      held.expires_at = key.expires_at;
      held.scope = key.scope;
      held.restrictions = key.restrictions;
      held.version = ++version_;
      rows.push_back(rows_.at(key.kid));
    }
    return rows;
  }

  Result<Rotated> rotate(const Rotation& rotation, UtcTime now) override {
    if (failing || read_only) return down();
    const auto done = rotations_.find(rotation.rotation_id);
    if (done != rotations_.end()) {
      return Rotated{rows_.at(done->second.first), rows_.at(done->second.second), {}, true};
    }
    const auto at = rows_.find(rotation.old_kid);
    if (at == rows_.end()) return fail(Code::kNotFound, "no such kid");
    KeyInfo& old = at->second.info;
    const auto next = old.replaced_by ? rows_.find(*old.replaced_by) : rows_.end();
    const bool replaced = next != rows_.end() && next->second.info.state != KeyState::kRevoked &&
                          now < next->second.info.expires_at;
    if (old.state == KeyState::kRevoked || old.blocked_at || now >= old.expires_at || replaced) {
      return fail(Code::kDenied, "cannot be replaced");
    }
    old.state = KeyState::kRetiring;
    old.expires_at = std::min(old.expires_at, rotation.old_ends_at);
    old.replaced_by = rotation.successor.info.kid;
    old.version = ++version_;
    KeyRow& successor = rows_[rotation.successor.info.kid] = rotation.successor;
    successor.info.version = ++version_;
    rotations_[rotation.rotation_id] = {rotation.old_kid, successor.info.kid};
    Rotated made{rows_.at(rotation.old_kid), successor, {}, false};
    for (auto& [kid, row] : rows_) {
      if (!rotation.ends_all || row.info.name != successor.info.name) continue;
      if (kid == rotation.old_kid || kid == successor.info.kid) continue;
      if (row.info.state == KeyState::kRevoked || row.info.expires_at <= rotation.old_ends_at) {
        continue;
      }
      row.info.state = KeyState::kRetiring;
      row.info.expires_at = rotation.old_ends_at;
      row.info.version = ++version_;
      made.also_ended.push_back(row);
    }
    return made;
  }
  Result<KeyRow> retire(std::string_view kid, UtcTime ends_at) override {
    if (failing || read_only || retire_fails) return down();
    const auto at = rows_.find(std::string(kid));
    if (at == rows_.end()) return fail(Code::kNotFound, "no such kid");
    KeyInfo& key = at->second.info;
    if (key.state == KeyState::kRevoked) return at->second;
    key.state = KeyState::kRetiring;
    key.expires_at = std::min(key.expires_at, ends_at);
    key.version = ++version_;
    return at->second;
  }
  Result<std::vector<TokenRevocation>> load_tokens(std::uint64_t version) override {
    if (failing) return down();
    std::vector<TokenRevocation> tokens;
    for (const auto& [place, token] : tokens_) {
      if (token.version > version) tokens.push_back(token);
    }
    return tokens;
  }
  Result<TokenRevocation> revoke_token(const TokenRevocation& revocation) override {
    ++revocations_asked;
    if (failing || read_only) return down();
    if (!rows_.contains(revocation.kid)) return fail(Code::kNotFound, "no such kid");
    const auto [at, fresh] = tokens_.emplace(revocation.kid + "." + revocation.tid, revocation);
    if (fresh) at->second.version = ++version_;
    return at->second;
  }

  Result<std::vector<LayerRow>> load_layers(std::uint64_t version) override {
    if (failing) return down();
    std::vector<LayerRow> rows;
    for (const auto& [path, row] : layers_) {
      if (row.info.version > version) rows.push_back(row);
    }
    return rows;
  }
  Result<std::vector<LayerRow>> put_layers(std::span<const LayerInfo> layers) override {
    if (failing || read_only) return down();
    std::map<std::string, LayerRow> next = layers_;
    std::uint64_t version = version_;
    std::vector<LayerRow> rows;
    for (const LayerInfo& layer : layers) {
      const auto held = next.find(layer.path);
      const std::string above(layer_parent(layer.path));
      if (held != next.end() && held->second.info.revoked) return revoked();
      if (!above.empty() && !next.contains(above)) return fail(Code::kNotFound, "no parent");
      if (!above.empty() && next.at(above).info.revoked) return revoked();
      LayerInfo row = layer;
      if (held != next.end()) {
        row = held->second.info;
        row.owner = layer.owner;
        row.expires_at = layer.expires_at;
        row.restrictions = layer.restrictions;
      }
      row.version = ++version;
      next[layer.path] = {row};
      rows.push_back({row});
    }
    layers_ = std::move(next);
    version_ = version;
    return rows;
  }
  Result<LayerRow> end_layer(const LayerEnding& ending) override {
    ++revocations_asked;
    if (failing || read_only) return down();
    const auto at = layers_.find(ending.path);
    if (at == layers_.end()) return fail(Code::kNotFound, "no such layer");
    LayerInfo& layer = at->second.info;
    if (ending.revocation && !layer.revoked) {
      layer.revoked = true;
      layer.revoked_at = ending.revocation->at;
      layer.revoked_by = ending.revocation->by;
      layer.revoked_why = ending.revocation->why;
    }
    if (ending.issued_before &&
        (!layer.issued_before || *layer.issued_before < *ending.issued_before)) {
      layer.issued_before = ending.issued_before;
    }
    layer.version = ++version_;
    return at->second;
  }
  Result<void> remac(std::span<const Remac> keys) override {
    if (failing || read_only) return down();
    for (const Remac& remac : keys) {
      const auto at = rows_.find(remac.kid);
      if (at == rows_.end() || at->second.pepper_id != remac.old_pepper_id) continue;
      at->second.mac = remac.mac;
      at->second.pepper_id = remac.pepper_id;
      at->second.info.version = ++version_;
    }
    return {};
  }
  Result<void> note_used(std::span<const KeyUse> uses) override {
    ++uses_asked;
    if (failing || read_only) return down();
    for (const KeyUse& use : uses) {
      const auto at = rows_.find(use.kid);
      if (at == rows_.end()) continue;
      std::optional<UtcTime>& held = at->second.info.last_used_at;
      held = std::max(held.value_or(use.at), use.at);
    }
    return {};
  }

  Result<void> forget(UtcTime now) override {
    ++forgets_asked;
    if (failing || read_only) return down();
    std::erase_if(tokens_, [&](const auto& held) { return held.second.forget_at <= now; });
    std::erase_if(rows_, [&](const auto& held) {
      const KeyInfo& key = held.second.info;
      return !key.mapping.empty() && key.expires_at + kForgetKeyAfter <= now;
    });
    return {};
  }

  // What the calls in `act` change is heard of by mark(), as if another process had made them.
  void other(const auto& act) {
    act();
    ++mark_.changes;
  }
  void replace() {  // an empty store takes this one's place
    rows_.clear();
    layers_.clear();
    tokens_.clear();
    rotations_.clear();
    version_ = 0;
    ++mark_.generation;
  }
  void put_back(const MemoryKeyStore& copy) {  // what it held when the copy was taken
    const std::uint64_t generation = mark_.generation + 1;
    *this = copy;
    mark_.generation = generation;
  }
  KeyRow& row(const std::string& kid) { return rows_.at(kid); }
  LayerRow& layer_row(const std::string& path) { return layers_[path]; }
  void touch_layer(const std::string& path) { layers_.at(path).info.version = ++version_; }
  void touch(const std::string& kid) { rows_.at(kid).info.version = ++version_; }

 private:
  static std::unexpected<Error> down() { return fail(Code::kUnavailable, "the store is down"); }
  static std::unexpected<Error> revoked() { return fail(Code::kDenied, "the layer is revoked"); }
  Mark mark_;
  std::uint64_t version_ = 0;
  std::map<std::string, KeyRow> rows_;
  std::map<std::string, LayerRow> layers_;
  std::map<std::string, TokenRevocation> tokens_;                         // by "kid.tid"
  std::map<std::string, std::pair<std::string, std::string>> rotations_;  // old, new kid
};

}  // namespace sallyport::keys
