// SPDX-License-Identifier: Apache-2.0
// Hearing of other processes, and writing what waits.
#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "keys/key_ring.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kOtherStore = "known before the store was replaced";

}  // namespace

Result<bool> KeyRing::refresh_if_changed() {
  watched_ = true;
  return take_news();
}

Result<bool> KeyRing::take_news() {
  const std::lock_guard lock(store_mutex_);
  const Result<bool> changed = refresh();
  // What is dead here must be dead after a restart, too; the failure was logged.
  if (const Result<void> durable = make_durable(); !durable && changed) {
    return std::unexpected(durable.error());
  }
  if (changed) {
    write_remacs();
    write_uses();
    forget();
  }
  return changed;
}

Result<bool> KeyRing::refresh() {
  time_.look();
  const bool behind = time_.behind();
  if (behind && !clock_complained_) log::warn("keys.clock_jumped_back");
  clock_complained_ = behind;

  const Result<KeyStore::Mark> mark = store_.mark();
  if (!mark) {
    heard(&mark.error());
    return std::unexpected(mark.error());
  }
  if (mark_ && *mark == *mark_) {
    heard(nullptr);
    return false;
  }
  // The mark was read first: what changes from here on moves it again.
  const bool whole = !mark_ || mark->generation != mark_->generation;
  const Result<bool> changed = load_news(whole);
  if (!changed) {
    heard(&changed.error());
    return changed;
  }
  mark_ = *mark;
  heard(nullptr);
  return changed;
}

// Keys are read before layers: the layers that a key names are then never older than the key. Each
// has its own watermark, since one may change between the two.
Result<bool> KeyRing::load_news(bool whole) {
  Result<std::vector<KeyRow>> rows = store_.load(whole ? 0 : loaded_version_);
  if (!rows) return std::unexpected(rows.error());
  Result<std::vector<LayerRow>> layers = store_.load_layers(whole ? 0 : loaded_layers_);
  if (!layers) return std::unexpected(layers.error());
  const Result<std::vector<TokenRevocation>> tokens =
      store_.load_tokens(whole ? 0 : loaded_tokens_);
  if (!tokens) return std::unexpected(tokens.error());
  if (whole) loaded_version_ = loaded_layers_ = loaded_tokens_ = 0;
  for (const auto& token : *tokens) loaded_tokens_ = std::max(loaded_tokens_, token.version);
  for (const KeyRow& row : *rows) loaded_version_ = std::max(loaded_version_, row.info.version);
  for (const LayerRow& row : *layers) loaded_layers_ = std::max(loaded_layers_, row.info.version);
  const bool changed = whole || !rows->empty() || !layers->empty() || !tokens->empty();
  if (whole) keep_tokens(*tokens);
  apply_tokens(*tokens);
  if (whole || !layers->empty()) apply_layers(std::move(*layers), whole);
  if (whole || !rows->empty()) apply(std::move(*rows), whole);
  return changed;
}

void KeyRing::heard(const Error* silence) {
  const std::int64_t now_us = clock_.steady_us();
  if (silence == nullptr) {
    heard_us_ = now_us;
    if (std::exchange(silence_told_, false)) log::info("keys.store_answers_again");
    return;
  }
  if (now_us - heard_us_ <= kStalenessMaxUs) return;
  const bool keep = keep_when_silent_;
  if (std::exchange(silence_told_, true)) return;
  log::error("keys.store_silent",
             {{"silent_s", (now_us - heard_us_) / 1'000'000},
              {"reason", silence->what},
              {"effect", keep ? "keys that are known go on (keys.on_store_failure: keep); "
                                "revocations of other processes are not heard"
                              : "every key is refused with 503"}});
}

// Holds mutex_. What is in force here and not yet in the store, a row from there does not know.
void KeyRing::keep_undurable(KeyInfo& key) const {
  const auto paused = undurable_blocks_.find(key.kid);
  if (paused != undurable_blocks_.end() && !key.blocked_at) {
    key.blocked_at = paused->second.at;
    key.blocked_by = paused->second.by;
    key.blocked_why = paused->second.why;
  }
  const auto ends = undurable_ends_.find(key.kid);
  if (ends != undurable_ends_.end() && key.state != KeyState::kRevoked) {
    key.state = KeyState::kRetiring;
    key.expires_at = std::min(key.expires_at, ends->second);
  }
}

// Holds mutex_. Another store (a copy that was put back) may not know how a key ended, that it was
// paused, or that it is being replaced: it is told.
void KeyRing::keep_ends(const Shard& shard, std::size_t at, KeyInfo& key) {
  const KeyInfo was = shard.info(at);
  if (was.state == KeyState::kRevoked && key.state != KeyState::kRevoked) {
    undurable_.try_emplace(key.kid, Revocation{key.kid, was.revoked_at.value_or(clock_.now()),
                                               was.revoked_by.value_or(std::string(kOtherStore)),
                                               was.revoked_why.value_or("")});
  }
  if (was.blocked_at && !key.blocked_at) {
    undurable_blocks_.try_emplace(
        key.kid, Blocking{key.kid, true, *was.blocked_at, was.blocked_by.value_or(""),
                          was.blocked_why.value_or("")});
  }
  if (was.state == KeyState::kRetiring && key.state != KeyState::kRevoked &&
      was.expires_at < key.expires_at) {
    undurable_ends_.try_emplace(key.kid, was.expires_at);
  }
}

// The same for revoked tokens; those of keys that the other store does not have go with them.
void KeyRing::keep_tokens(const std::vector<TokenRevocation>& loaded) {
  std::set<std::string> known;
  for (const TokenRevocation& token : loaded) known.insert(token.kid + "." + token.tid);
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const TokenSet> held = published_.snapshot()->tokens;
  for (const auto& [place, forget_ms] : held->forget_ms) {
    if (known.contains(place)) continue;
    const std::size_t dot = place.find('.');
    undurable_tokens_.try_emplace(place, TokenRevocation{.kid = place.substr(0, dot),
                                                         .tid = place.substr(dot + 1),
                                                         .at = clock_.now(),
                                                         .by = std::string(kOtherStore),
                                                         .why = {},
                                                         .forget_at = utc(forget_ms),
                                                         .version = 0});
  }
}

// Rows come from the store. Order and repetition do not matter: only a higher version counts, and
// what is revoked stays revoked whatever a row says.
void KeyRing::apply(std::vector<KeyRow> rows, bool whole) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  Draft draft(*old, whole);
  Pool& pool = *draft.next->pool;
  for (KeyRow& row : rows) {
    KeyInfo& key = row.info;
    if (!is_kid(key.kid)) {
      log::error("keys.damaged", {{"kid", key.kid}, {"effect", "the row is left out"}});
      continue;
    }
    std::size_t at = 0;
    const Shard* shard = old->find(key.kid, at);
    if (shard != nullptr) {
      const Entry& held = shard->entries[at];
      if (!whole && held.version >= key.version) continue;
      if (whole) keep_ends(*shard, at, key);
      if (held.revoked() && key.state != KeyState::kRevoked) {
        const KeyInfo was = shard->info(at);
        key.state = KeyState::kRevoked;
        key.revoked_at = was.revoked_at;
        key.revoked_by = was.revoked_by;
        key.revoked_why = was.revoked_why;
      }
    }
    keep_undurable(key);
    if (row.damaged) {
      log::error("keys.damaged", {{"kid", key.kid}, {"effect", "the key opens nothing"}});
    }
    bool fresh = false;
    Entry& entry = draft.entry(key.kid, key.name, fresh);
    entry.mac = row.mac;
    entry.version = key.version;
    entry.created_ms = ms(key.created_at);
    entry.not_before_ms = key.not_before ? ms(*key.not_before) : kNoTime;
    entry.expires_ms = ms(key.expires_at);
    entry.grant =
        pool.grant(std::move(key.scope), std::move(key.restrictions), std::move(key.mapping));
    entry.owner = pool.text(key.owner);
    entry.created_by = pool.text(key.created_by);
    entry.layer = key.layer.empty() ? nullptr : pool.text(key.layer);
    entry.ending = pool.ending(fresh ? nullptr : entry.ending, key);
    if (fresh) entry.used_ms = &pool.uses.emplace_back(kNoTime);
    if (key.last_used_at) {
      const std::int64_t used = entry.used_ms->load(std::memory_order_relaxed);
      entry.used_ms->store(std::max(used, ms(*key.last_used_at)), std::memory_order_relaxed);
    }
    entry.state = static_cast<std::uint8_t>(key.state);
    entry.pepper = static_cast<std::uint8_t>(pepper_of(row.pepper_id));
    entry.damaged = row.damaged;
    entry.blocked = key.blocked_at.has_value();
    take_root(entry, pool, row);
  }
  published_.publish(draft.finish());
}

// --- What waits

void KeyRing::offer_remac(std::string_view kid, int pepper, const Mac& mac) const {
  const std::unique_lock lock(remac_mutex_, std::try_to_lock);
  if (!lock || remacs_.size() >= kRemacsMax || remacs_.contains(kid)) return;
  remacs_.emplace(
      kid, Remac{.kid = std::string(kid),
                 .old_pepper_id = previous_[static_cast<std::size_t>(pepper) - 1].pepper_id(),
                 .mac = mac,
                 .pepper_id = mac_.pepper_id()});
}

void KeyRing::write_remacs() {
  std::vector<Remac> batch;
  {
    const std::lock_guard lock(remac_mutex_);
    for (auto& [kid, remac] : remacs_) batch.push_back(std::move(remac));
    remacs_.clear();  // what cannot be written now is offered again by the key's next request
  }
  if (batch.empty()) return;
  const Result<void> written = store_.remac(batch);
  if (!written) {
    log::warn("keys.pepper_not_renewed", {{"keys", static_cast<std::uint64_t>(batch.size())},
                                          {"reason", written.error().what}});
    return;
  }
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  Draft draft(*old, false);
  for (const Remac& remac : batch) {
    std::size_t at = 0;
    const Shard* shard = old->find(remac.kid, at);
    if (shard == nullptr) continue;
    const Entry& held = shard->entries[at];
    if (pepper_of(remac.old_pepper_id) != held.pepper) continue;
    bool fresh = false;
    Entry& entry = draft.entry(remac.kid, shard->name(held), fresh);
    entry.mac = remac.mac;
    entry.pepper = 0;
  }
  published_.publish(draft.finish());
  log::info("keys.pepper_renewed", {{"keys", static_cast<std::uint64_t>(batch.size())}});
}

void KeyRing::write_uses() {
  const std::int64_t now_us = clock_.steady_us();
  if (now_us - uses_written_us_ < kUsesEveryUs) return;
  uses_written_us_ = now_us;
  const std::int64_t since = ms(uses_written_at_);
  const UtcTime now = clock_.now();
  std::vector<KeyUse> uses;
  published_.snapshot()->each([&](const Shard& shard, std::size_t at) {
    const std::int64_t used = shard.entries[at].used_ms->load(std::memory_order_relaxed);
    if (used >= since) uses.push_back({std::string(text(shard.kids[at])), utc(used)});
  });
  if (!uses.empty()) {
    const Result<void> noted = store_.note_used(uses);
    if (!noted) {  // tried again in a minute, with all that came since
      log::warn("keys.uses_not_written", {{"reason", noted.error().what}});
      return;
    }
  }
  uses_written_at_ = now;
}

}  // namespace sallyport::keys
