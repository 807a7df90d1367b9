// SPDX-License-Identifier: Apache-2.0
#include "keys/key_ring.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {
namespace {

constexpr std::chrono::milliseconds kClockSlack{2'000};

Principal make_principal(const KeyInfo& key) {
  return {.api_key_id = key.name,
          .kid = key.kid,
          .expires_at = key.expires_at,
          .endpoints = key.scope.endpoints,
          .models = key.scope.models,
          .upstream = key.scope.upstream,
          .may_name_organization = key.scope.may_name_organization,
          .modules = key.scope.modules,
          .purposes = key.scope.purposes,
          .module = key.scope.module,
          .purpose = key.scope.purpose};
}

}  // namespace

// --- Opening

KeyRing::KeyRing(KeyStore& store, const Clock& clock, KeyMac mac, bool has_pepper)
    : store_(store),
      clock_(clock),
      mac_(std::move(mac)),
      has_pepper_(has_pepper),
      published_(std::make_shared<const Snapshot>()) {}

KeyRing::~KeyRing() = default;

Result<std::unique_ptr<KeyRing>> KeyRing::open(const Config& config, KeyStore& store,
                                               const Clock& clock) {
  // An open gate checks nothing: any pepper will do, as long as nobody can make keys under it.
  const bool has_pepper = config.required || !config.pepper.empty();
  const Secret pepper = has_pepper ? config.pepper.clone() : Secret(random_base62(kPepperBytesMin));
  Result<KeyMac> mac = KeyMac::make(pepper);
  if (!mac) return std::unexpected(mac.error());
  const Result<Mac> dummy = mac->compute("no key");
  if (!dummy) return std::unexpected(dummy.error());

  std::unique_ptr<KeyRing> ring(new KeyRing(store, clock, std::move(*mac), has_pepper));
  ring->dummy_mac_ = *dummy;
  const Result<void> taken = ring->take(config);
  if (!taken) return std::unexpected(taken.error());
  const Result<bool> loaded = ring->refresh_if_changed();
  if (!loaded) return std::unexpected(loaded.error());

  std::size_t count = 0, foreign = 0;
  ring->published_.snapshot()->each([&](const Entry& entry) {
    ++count;
    if (entry.other_pepper) ++foreign;
  });
  log::info("keys.loaded", {{"keys", static_cast<std::uint64_t>(count)}});
  if (foreign > 0) {
    log::warn("keys.other_pepper", {{"keys", static_cast<std::uint64_t>(foreign)}});
  }
  return ring;
}

Result<void> KeyRing::take(const Config& config) {
  if (config.life.count() <= 0 || config.life > config.life_max) {
    return fail(Code::kInvalid, "the life of a key must be above zero and at most life_max");
  }
  if (config.required && !has_pepper_) return fail(Code::kInvalid, "keys.pepper is not set");
  life_ = config.life;
  life_max_ = config.life_max;
  required_ = config.required;
  return {};
}

// --- Reading

std::uint64_t KeyRing::version() const { return published_.version(); }

std::vector<KeyInfo> KeyRing::list() const {
  std::vector<KeyInfo> keys;
  published_.snapshot()->each([&](const Entry& entry) { keys.push_back(entry.info); });
  std::ranges::sort(keys, [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(a.name, b.created_at, a.kid) < std::tie(b.name, a.created_at, b.kid);
  });
  return keys;
}

// All keys that the word may mean: the one with this kid, else those with this name, newest first.
std::vector<KeyInfo> KeyRing::find(std::string_view kid_or_name) const {
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  if (const auto* entry = snapshot->find(kid_or_name)) return {(*entry)->info};
  std::vector<KeyInfo> keys;
  snapshot->each([&](const Entry& entry) {
    if (entry.info.name == kid_or_name) keys.push_back(entry.info);
  });
  std::ranges::sort(keys, [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(b.created_at, b.kid) < std::tie(a.created_at, a.kid);
  });
  return keys;
}

Result<KeyInfo> KeyRing::show(std::string_view kid_or_name) const {
  const std::vector<KeyInfo> keys = find(kid_or_name);
  if (keys.empty()) return fail(Code::kNotFound, "there is no key with this name or kid");
  const auto living = std::ranges::find_if(
      keys, [](const KeyInfo& key) { return key.state != KeyState::kRevoked; });
  return living == keys.end() ? keys.front() : *living;
}

// --- Changing

Result<void> KeyRing::validate(const KeySpec& spec, std::string_view actor) const {
  if (!has_pepper_) return fail(Code::kInvalid, "keys.pepper is not set");
  const Result<void> readable = check_spec(spec);
  if (!readable) return readable;
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  if (snapshot->find(spec.name) != nullptr || is_public_kid(spec.name) || spec.name == kOpenKid) {
    return fail(Code::kInvalid, "this name could be mistaken for a kid");
  }
  const std::chrono::milliseconds life = spec.life.value_or(life_.load());
  const std::chrono::milliseconds life_max = life_max_;
  if (life > life_max) {
    return fail(Code::kInvalid,
                "the life of a key is at most " + format_duration(life_max) + " (keys.life_max)");
  }
  if (spec.not_before && *spec.not_before >= clock_.now() + life) {
    return fail(Code::kInvalid, "the key would expire before it becomes valid");
  }
  return {};
}

Result<CreatedKey> KeyRing::create(const KeySpec& spec, std::string_view actor) {
  const Result<void> valid = validate(spec, actor);
  if (!valid) return std::unexpected(valid.error());

  Secret text = mint_key();
  Result<KeyMac> hmac = mac_.copy();
  if (!hmac) return std::unexpected(hmac.error());
  const Result<Mac> mac = hmac->compute(text.reveal());
  if (!mac) return std::unexpected(mac.error());

  const UtcTime now = clock_.now();
  KeyRow row{.info = {.kid = std::string(parse_key(text.reveal()).kid),
                      .name = spec.name,
                      .owner = spec.owner,
                      .state = KeyState::kActive,
                      .version = 0,
                      .created_at = now,
                      .created_by = std::string(actor),
                      .not_before = spec.not_before,
                      .expires_at = now + spec.life.value_or(life_.load()),
                      .revoked_at = {},
                      .revoked_by = {},
                      .revoked_why = {},
                      .replaced_by = {},
                      .scope = spec.scope},
             .mac = *mac,
             .pepper_id = mac_.pepper_id()};
  const std::lock_guard lock(store_mutex_);
  const Result<std::uint64_t> version = store_.insert(row, now);
  if (!version) return std::unexpected(version.error());
  row.info.version = *version;
  KeyInfo info = row.info;
  std::vector<KeyRow> rows;
  rows.push_back(std::move(row));
  apply(std::move(rows), false);
  return CreatedKey{std::move(text), std::move(info)};
}

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

  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  auto next = std::make_shared<Snapshot>(*old);
  for (const KeyInfo& key : keys) {
    auto entry = std::make_shared<Entry>(**old->find(key.kid));
    entry->info.state = KeyState::kRevoked;
    entry->info.revoked_at = clock_.now();
    entry->info.revoked_by = actor;
    entry->info.revoked_why = why;
    undurable_[key.kid] = {key.kid, *entry->info.revoked_at, std::string(actor), std::string(why)};
    std::shared_ptr<const Snapshot::Shard>& shard = next->shards[Snapshot::place(key.kid)];
    auto copy = std::make_shared<Snapshot::Shard>(*shard);
    (*copy)[key.kid] = std::move(entry);
    shard = std::move(copy);
  }
  published_.publish(std::move(next));
}

Result<void> KeyRing::make_durable() {
  std::map<std::string, Revocation> todo;
  {
    const std::lock_guard lock(mutex_);
    todo = undurable_;
  }
  Result<void> result;
  for (const auto& [kid, revocation] : todo) {
    Result<KeyRow> row = store_.revoke(revocation);
    if (!row && row.error().code != Code::kNotFound) {
      if (!durable_complained_) {
        log::error("keys.revocation_not_durable", {{"kid", kid},
                                                   {"reason", row.error().what},
                                                   {"effect", "the key is dead in this process"}});
      }
      durable_complained_ = true;
      result = std::unexpected(row.error());
      if (row.error().code == Code::kUnavailable) return result;  // one wait is enough
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
  if (result) durable_complained_ = false;
  return result;
}

// --- Hearing of other processes

Result<bool> KeyRing::refresh_if_changed() {
  const std::lock_guard lock(store_mutex_);
  const Result<bool> changed = refresh();
  // What is dead here must be dead after a restart, too; the failure was logged.
  if (const Result<void> durable = make_durable(); !durable && changed) {
    return std::unexpected(durable.error());
  }
  return changed;
}

Result<bool> KeyRing::refresh() {
  const bool behind = clock_.now() + kClockSlack < latest(clock_.now());
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
  Result<std::vector<KeyRow>> rows = store_.load(whole ? 0 : loaded_version_);
  if (!rows) {
    heard(&rows.error());
    return std::unexpected(rows.error());
  }
  if (whole) loaded_version_ = 0;
  for (const KeyRow& row : *rows) loaded_version_ = std::max(loaded_version_, row.info.version);
  const bool changed = whole || !rows->empty();
  if (changed) apply(std::move(*rows), whole);
  mark_ = *mark;
  heard(nullptr);
  return changed;
}

void KeyRing::heard(const Error* silence) {
  const std::int64_t now_us = clock_.steady_us();
  if (silence == nullptr) {
    heard_us_ = now_us;
    if (stale_.exchange(false)) log::info("keys.store_answers_again");
  } else if (now_us - heard_us_ > kStalenessMaxUs && !stale_.exchange(true)) {
    log::error("keys.store_silent", {{"silent_s", (now_us - heard_us_) / 1'000'000},
                                     {"reason", silence->what},
                                     {"effect", "every key is refused with 503"}});
  }
}

// Rows come from the store. Order and repetition do not matter: only a higher version counts, and
// what is revoked stays revoked whatever a row says.
void KeyRing::apply(std::vector<KeyRow> rows, bool whole) {
  const std::lock_guard lock(mutex_);
  const std::shared_ptr<const Snapshot> old = published_.snapshot();
  auto next = whole ? std::make_shared<Snapshot>() : std::make_shared<Snapshot>(*old);
  std::array<std::shared_ptr<Snapshot::Shard>, kShards> fresh;
  for (KeyRow& row : rows) {
    const std::string kid = row.info.kid;
    const std::shared_ptr<const Entry>* held = old->find(kid);
    if (!whole && held && (*held)->info.version >= row.info.version) continue;

    auto entry = std::make_shared<Entry>();
    entry->info = std::move(row.info);
    if (held && (*held)->info.state == KeyState::kRevoked &&
        entry->info.state != KeyState::kRevoked) {
      entry->info.state = KeyState::kRevoked;
      entry->info.revoked_at = (*held)->info.revoked_at;
      entry->info.revoked_by = (*held)->info.revoked_by;
      entry->info.revoked_why = (*held)->info.revoked_why;
    }
    entry->mac = row.mac;
    entry->other_pepper = row.pepper_id != mac_.pepper_id();
    entry->pepper_id = std::move(row.pepper_id);
    entry->principal = make_principal(entry->info);

    const std::size_t place = Snapshot::place(kid);
    if (!fresh[place]) {
      const auto& shard = next->shards[place];
      fresh[place] =
          shard ? std::make_shared<Snapshot::Shard>(*shard) : std::make_shared<Snapshot::Shard>();
    }
    (*fresh[place])[kid] = std::move(entry);
  }
  for (std::size_t place = 0; place < kShards; ++place) {
    if (fresh[place]) next->shards[place] = std::move(fresh[place]);
  }
  published_.publish(std::move(next));
}

}  // namespace sallyport::keys
