// SPDX-License-Identifier: Apache-2.0
// Opening, reading and creating. key_ring_ends.cc revokes, key_ring_layers.cc changes the tree,
// key_ring_refresh.cc hears of other processes, key_check.cc is the path of requests.
#include "keys/key_ring.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "keys/key_snapshot.h"

namespace sallyport::keys {

// --- Opening

KeyRing::KeyRing(KeyStore& store, const Clock& clock, KeyMac mac, bool has_pepper)
    : store_(store),
      clock_(clock),
      mac_(std::move(mac)),
      has_pepper_(has_pepper),
      published_(std::make_shared<const Snapshot>()),
      time_(clock) {}

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
  if (!config.pepper_previous.empty()) {
    Result<KeyMac> previous = KeyMac::make(config.pepper_previous);
    if (!previous)
      return fail(previous.error().code, "keys.pepper_previous: " + previous.error().what);
    ring->previous_.push_back(std::move(*previous));
  }
  ring->dummy_root_ = Secret({reinterpret_cast<const char*>(dummy->data()), dummy->size()});
  if (!config.derive_key.empty()) {
    Result<RootWrap> wrap = RootWrap::make(config.derive_key);
    if (!wrap) return std::unexpected(wrap.error());
    ring->wrap_ = std::move(*wrap);
  }
  ring->uses_written_us_ = ring->heard_us_ = clock.steady_us();
  ring->forgot_us_ = clock.steady_us() - kForgetEveryUs;  // at the first look
  ring->uses_written_at_ = clock.now();
  const Result<void> taken = ring->take(config);
  if (!taken) return std::unexpected(taken.error());
  const Result<bool> loaded = ring->take_news();
  if (!loaded) return std::unexpected(loaded.error());

  std::uint64_t count = 0, foreign = 0, old = 0;
  ring->published_.snapshot()->each([&](const Shard& shard, std::size_t at) {
    const Entry& entry = shard.entries[at];
    ++count;
    if (entry.revoked()) return;
    if (entry.pepper == kForeignPepper) ++foreign;
    if (entry.pepper != kForeignPepper && entry.pepper > 0) ++old;
  });
  log::info("keys.loaded", {{"keys", count}});
  if (old > 0) log::info("keys.previous_pepper", {{"keys", old}});
  if (foreign > 0) log::warn("keys.other_pepper", {{"keys", foreign}});
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
  keep_when_silent_ = config.keep_on_store_failure;
  return {};
}

void KeyRing::know_upstreams(std::vector<std::string> names) {
  const std::lock_guard lock(mutex_);
  upstreams_ = std::move(names);
}

Result<void> KeyRing::known_upstream(const KeyScope& scope) const {
  const std::lock_guard lock(mutex_);
  if (!scope.upstream || !upstreams_ ||
      std::ranges::find(*upstreams_, *scope.upstream) != upstreams_->end()) {
    return {};
  }
  std::string known;
  for (const std::string& name : *upstreams_) known += (known.empty() ? "" : ", ") + name;
  return fail(Code::kInvalid,
              "upstream: there is no upstream " + *scope.upstream + "; there are: " + known);
}

int KeyRing::pepper_of(std::string_view pepper_id) const {
  if (pepper_id == mac_.pepper_id()) return 0;
  for (std::size_t i = 0; i < previous_.size(); ++i) {
    if (pepper_id == previous_[i].pepper_id()) return static_cast<int>(i) + 1;
  }
  return kForeignPepper;
}

// --- Reading

std::uint64_t KeyRing::version() const { return published_.version(); }

std::vector<KeyInfo> KeyRing::list() const {
  std::vector<KeyInfo> keys;
  published_.snapshot()->each(
      [&](const Shard& shard, std::size_t at) { keys.push_back(shard.info(at)); });
  std::ranges::sort(keys, [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(a.name, b.created_at, a.kid) < std::tie(b.name, a.created_at, b.kid);
  });
  return keys;
}

// All keys that the word may mean: the one with this kid, else those with this name, newest first.
std::vector<KeyInfo> KeyRing::find(std::string_view kid_or_name) const {
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  std::size_t place = 0;
  if (const Shard* shard = snapshot->find(kid_or_name, place)) return {shard->info(place)};
  std::vector<KeyInfo> keys;
  snapshot->each([&](const Shard& shard, std::size_t at) {
    if (shard.name(shard.entries[at]) == kid_or_name) keys.push_back(shard.info(at));
  });
  std::ranges::sort(keys, [](const KeyInfo& a, const KeyInfo& b) {
    return std::tie(b.created_at, b.kid) < std::tie(a.created_at, a.kid);
  });
  return keys;
}

Result<KeyInfo> KeyRing::show(std::string_view kid_or_name) const {
  const std::vector<KeyInfo> keys = find(kid_or_name);
  if (keys.empty()) return fail(Code::kNotFound, "there is no key with this name or kid");
  // States are ordered by how alive they are; a successor made in the same moment comes first.
  return *std::ranges::min_element(keys, {}, &KeyInfo::state);
}

// --- Creating

Result<void> check_life(std::chrono::milliseconds life, std::chrono::milliseconds life_max) {
  if (life <= life_max) return {};
  return fail(Code::kInvalid,
              "the life of a key is at most " + format_duration(life_max) + " (keys.life_max)");
}

Result<void> KeyRing::validate(const KeySpec& spec, std::string_view actor) const {
  if (!has_pepper_) return fail(Code::kInvalid, "keys.pepper is not set");
  const Result<void> readable = check_spec(spec);
  if (!readable) return readable;
  if (!valid_label(actor)) return fail(Code::kInvalid, "not a valid actor");
  const Result<void> known = known_upstream(spec.scope);
  if (!known) return known;
  const std::shared_ptr<const Snapshot> snapshot = published_.snapshot();
  std::size_t at = 0;
  if (snapshot->find(spec.name, at) != nullptr || is_public_kid(spec.name) ||
      spec.name == kOpenKid) {
    return fail(Code::kInvalid, "this name could be mistaken for a kid");
  }
  const std::chrono::milliseconds life = spec.life.value_or(life_.load());
  const std::chrono::milliseconds life_max = life_max_;
  const Result<void> allowed = check_life(life, life_max);
  if (!allowed) return allowed;
  if (spec.not_before && *spec.not_before >= clock_.now() + life) {
    return fail(Code::kInvalid, "the key would expire before it becomes valid");
  }
  if (!spec.layer.empty()) {
    const KeyFault fault = layer_fault(spec.layer, latest(clock_.now()));
    if (fault == KeyFault::kUnknown) {
      return fail(Code::kInvalid, "layer: there is no layer " + spec.layer);
    }
    if (fault != KeyFault::kNone) {
      return fail(Code::kInvalid, "layer: " + spec.layer + " lets nothing in: " + name(fault));
    }
  }
  return {};
}

Result<UtcTime> KeyRing::birth() const {
  if (time_.ahead()) return fail(Code::kUnavailable, kClockAhead);
  return latest(clock_.now());
}

// What lives and what was made lately is counted from the rows: a restart forgets none of it.
// Holds store_mutex_.
Result<void> KeyRing::mapping_has_room(const KeySpec& spec, UtcTime now) const {
  const MappingLimits& limits = spec.mapping_limits;
  const bool limited = limits.live_max > 0 || limits.mints_per_minute_max > 0 ||
                       limits.principal_live_max > 0 || limits.principal_mints_per_minute_max > 0;
  if (spec.mapping.empty() || !limited) return {};
  std::uint64_t live = 0, made = 0, own_live = 0, own_made = 0;
  published_.snapshot()->each([&](const Shard& shard, std::size_t at) {
    const Entry& entry = shard.entries[at];
    if (entry.grant->mapping != spec.mapping) return;
    const bool own = shard.name(entry) == spec.name;
    if (!entry.revoked() && ms(now) < entry.expires_ms) {
      ++live;
      if (own) ++own_live;
    }
    if (ms(now) - entry.created_ms < 60'000) {
      ++made;
      if (own) ++own_made;
    }
  });
  const auto full = [](std::uint64_t has, std::uint64_t most) { return most > 0 && has >= most; };
  if (full(own_live, limits.principal_live_max)) return fail(Code::kExhausted, kPrincipalFull);
  if (full(own_made, limits.principal_mints_per_minute_max)) {
    return fail(Code::kExhausted, kPrincipalFull);
  }
  if (full(live, limits.live_max)) {
    return fail(Code::kExhausted, "the mapping has " + std::to_string(live) + " live keys");
  }
  if (full(made, limits.mints_per_minute_max)) {
    return fail(Code::kExhausted, "the mapping has " + std::to_string(made) + " keys of a minute");
  }
  return {};
}

Result<CreatedKey> KeyRing::create(const KeySpec& spec, std::string_view actor) {
  const Result<void> valid = validate(spec, actor);
  if (!valid) return std::unexpected(valid.error());

  Secret text = mint_key();
  const Result<UtcTime> birth = this->birth();
  if (!birth) return std::unexpected(birth.error());
  const UtcTime now = *birth;
  KeyRow row;
  const Result<void> imprinted = imprint(text, spec.derive, row);
  if (!imprinted) return std::unexpected(imprinted.error());
  row.info.name = spec.name;
  row.info.owner = spec.owner;
  row.info.created_at = now;
  row.info.created_by = std::string(actor);
  row.beside_own = spec.beside_own;
  row.info.not_before = spec.not_before;
  row.info.expires_at = now + spec.life.value_or(life_.load());
  row.info.scope = spec.scope;
  row.info.layer = spec.layer;
  row.info.restrictions = spec.restrictions;
  row.info.mapping = spec.mapping;

  std::vector<std::string> warnings =
      wider_than_layers(spec.restrictions, row.info.expires_at, spec.layer);
  const std::lock_guard lock(store_mutex_);
  // What others made counts; and whoever holds the mutex hears for all, since the write may wait
  // for seconds, one creation after the other.
  const Result<bool> fresh = refresh();
  if (!fresh) return std::unexpected(fresh.error());
  const Result<void> room = mapping_has_room(spec, now);
  if (!room) return std::unexpected(room.error());
  const Result<std::uint64_t> version = store_.insert(row, now);
  if (!version) return std::unexpected(version.error());
  row.info.version = *version;
  KeyInfo info = row.info;
  std::vector<KeyRow> rows;
  rows.push_back(std::move(row));
  apply(std::move(rows), false);
  return CreatedKey{std::move(text), std::move(info), std::move(warnings)};
}

}  // namespace sallyport::keys
