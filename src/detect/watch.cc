// SPDX-License-Identifier: Apache-2.0
#include "detect/watch.h"

#include <algorithm>
#include <utility>

#include "detect/budget_exceeded.h"
#include "detect/gateway_bypass.h"
#include "detect/hash.h"
#include "detect/key_admin_anomaly.h"
#include "detect/parts.h"

namespace sallyport::detect {
namespace {

constexpr Second kLateAfter = 600;
constexpr Second kJump = 2 * kDay;
constexpr std::uint32_t kAgree = 8;  // lines that confirm a jump
constexpr std::size_t kNameBytesMax = 256;
constexpr float kOldCredential = 0.25F;
constexpr std::uint32_t kProvenRequests = 50;

std::uint64_t line_hash(const Event& event) {
  std::uint64_t state =
      mix(static_cast<std::uint64_t>(event.timestamp_utc.time_since_epoch().count()),
          static_cast<std::uint64_t>(event.kind));
  if (!event.request_id.empty()) return mix(state, hash(event.request_id));
  state = mix(state, hash(event.api_key_id ? *event.api_key_id : std::string_view("-")));
  state = mix(state, hash(event.ip));
  state = mix(state, hash(event.endpoint));
  state = mix(state, static_cast<std::uint64_t>(event.tokens_input.value_or(-1)));
  state = mix(state, static_cast<std::uint64_t>(event.tokens_output.value_or(-1)));
  return mix(state, static_cast<std::uint64_t>(event.latency_ms.value_or(-1)));
}

}  // namespace

std::uint64_t key_hash(std::string_view name) { return hash(name, 0x4B45) | 1; }

Watch::Parts::Parts(Config given, const Geography* where)
    : config(given),
      geography(where),
      decoder(where),
      keys(config.keys_max),
      stuffing(config.sources_max),
      incidents(config.incidents_max),
      intents(kIntentsMax),
      credentials(kCredentialsMax) {}

// Steps back are held at the newest time, what is older than ten minutes is not judged: it would
// make a crowd of "now". A jump of more than two days counts only when eight lines agree on it.
bool Watch::Parts::tell_time(const Event& record, Second& now) {
  const std::int64_t ms = record.timestamp_utc.time_since_epoch().count();
  const std::int64_t second = ms / 1'000;
  if (second <= kDay || second >= 0xF0000000) {
    ++counts.jumped;
    return false;
  }
  const auto at = static_cast<Second>(second);
  if (time.now == 0) time.now = at;
  if (at + kLateAfter < time.now) {
    ++counts.late;
    return false;
  }
  if (at > time.now && at - time.now > kJump) {
    const bool agrees = at >= time.ahead ? at - time.ahead <= kHour : time.ahead - at <= kHour;
    time.agree = agrees ? time.agree + 1 : 1;
    time.ahead = at;
    if (time.agree < kAgree) {
      ++counts.jumped;
      return false;
    }
  }
  time.agree = 0;
  time.now = std::max(time.now, at);
  now = time.now;
  return true;
}

// A line of ours has its request's id; of others only a measured line (with its latency) can be
// told from a second event that looks the same.
bool Watch::Parts::is_duplicate(const Event& record) {
  if (record.request_id.empty() && !record.latency_ms) return false;
  const std::uint64_t line = line_hash(record);
  std::uint64_t& slot = seen[line % kSeenSlots];
  if (slot == line) return true;
  slot = line;
  return false;
}

KeyEntry& Watch::Parts::entry(std::string_view name, Second now) {
  name = name.substr(0, kNameBytesMax);
  const std::uint64_t id = key_hash(name);
  KeyEntry& found = keys.touch(id, [this](KeyEntry& gone) {
    ++counts.keys_forgotten;
    forget(gone.state);
  });
  if (found.state.id != 0 && found.name == name) return found;
  if (found.state.id != 0) forget(found.state);  // two names, one hash: the later one begins anew
  found.name = std::string(name);
  found.state = KeyState{};
  found.state.id = id;
  found.state.since = now;
  return found;
}

KeyEntry* Watch::Parts::find(std::string_view name) {
  name = name.substr(0, kNameBytesMax);
  KeyEntry* found = keys.find(key_hash(name));
  return found != nullptr && found->name == name ? found : nullptr;
}

void Watch::Parts::forget(KeyState& key) {
  for (std::size_t span = 0; span < kSpans; ++span) {
    peers.record_changed(span, key.records.tokens(span), 0, false);
    peers.record_changed(span, key.records.requests(span), 0, true);
  }
  for (const KnownNetworks::Entry& network : key.networks.entries()) {
    if (network.id != 0 && network.adopted) peers.forgotten(network.id, network.country);
  }
}

void Watch::Parts::observe(const Event& record) {
  if (record.kind == Kind::kFinding || record.kind == Kind::kIncident) return;
  Second now = 0;
  if (!tell_time(record, now)) return;
  if (is_duplicate(record)) {
    ++counts.duplicates;
    return;
  }
  ++counts.observed;
  event = &record;
  if (record.api_key_id) keys.prefetch(key_hash(*record.api_key_id));
  end_incidents(now);
  if (record.kind == Kind::kProgress || record.kind == Kind::kBreaker) return;
  Sighting sighting = decoder.decode(record, now);
  sighting.network_is_ours = peers.keys_at(sighting.network) > 0;
  switch (record.kind) {
    case Kind::kAdmin:
      return admin(sighting);
    case Kind::kAction:
      return action(sighting);
    case Kind::kProvider:
      return provider(sighting);
    default:
      break;
  }
  // An admitted request is counted when it is admitted; its outcome brings what was not known then.
  const std::uint64_t id = record.request_id.empty() ? 0 : hash(record.request_id);
  if (record.kind == Kind::kIntent) {
    sighting.tokens_input =
        std::clamp(static_cast<float>(record.estimated_input_tokens.value_or(0)), 0.0F, 1e8F);
    sighting.tokens_output = 0;
    sighting.status = 0;
    if (id != 0) intents.touch(id) = {.tokens_input = sighting.tokens_input, .at = now};
  } else if (const OpenIntent* intent = id == 0 ? nullptr : intents.find(id)) {
    sighting.requests = 0;
    sighting.counted_input = intent->tokens_input;
    intents.erase(id);
  }
  request(sighting);
}

void Watch::Parts::request(const Sighting& sighting) {
  source(sighting);
  if (!event->api_key_id) return;
  // A name that never worked is no key: it gets no state.
  const bool refused = sighting.status == 401 || sighting.status == 403;
  KeyEntry* known = refused ? find(*event->api_key_id) : nullptr;
  if (refused && known == nullptr) return;
  key(sighting, refused ? *known : entry(*event->api_key_id, sighting.now));
}

void Watch::Parts::source(const Sighting& s) {
  const float times = std::max(1.0F, s.requests);
  if (s.works()) {
    if (!event->api_key_id) return;
    stuffing.success(s);
    if (event->kid) credentials.touch(hash(*event->kid)) = s.now;
    return;
  }
  if (s.status == 401 || (s.status == 403 && !event->api_key_id)) {
    if (event->api_key_id && find(*event->api_key_id) != nullptr) return;
    const std::uint64_t claimed = event->claimed_kid  ? hash(*event->claimed_kid)
                                  : event->api_key_id ? hash(*event->api_key_id)
                                                      : 0;
    const bool worked = claimed != 0 && credentials.find(claimed) != nullptr;
    const auto found =
        stuffing.failure(s, claimed, worked ? times * kOldCredential : times, s.network_is_ours);
    tell(found.one, s, nullptr);
    if (!worked) tell(found.many, s, nullptr, true);
  } else if (s.limited && !event->api_key_id) {
    tell(stuffing.limited(s, times), s, nullptr);
  }
}

void Watch::Parts::close_day(KeyState& key) {
  std::array<float, kSpans> tokens, requests;
  for (std::size_t span = 0; span < kSpans; ++span) {
    tokens[span] = key.records.tokens(span);
    requests[span] = key.records.requests(span);
  }
  if (!key.records.pass(time.now)) return;
  ++injections.key_days;
  for (std::size_t span = 0; span < kSpans; ++span) {
    peers.record_changed(span, tokens[span], key.records.tokens(span), false);
    peers.record_changed(span, requests[span], key.records.requests(span), true);
  }
}

void Watch::Parts::learn(const Sighting& s, KeyState& key, KnownNetworks::Standing standing) {
  if (standing == KnownNetworks::Standing::kVisitor || s.strange) {
    if (!s.strange) peers.moved(s.network, key.id, s.now);
    // Who travels goes on working: without this the hours away would look silent, and home a surge.
    if (key.incident.grave(s.now)) return;
    key.season.add(s.now, s.new_tokens(), s.requests);
    for (std::size_t span = 0; span < kSpans; ++span) {
      key.records.add(span, key.windows.sums(span, s.now));
    }
    return;
  }
  if (standing == KnownNetworks::Standing::kJustAdopted) peers.adopted(s.network, s.country);
  const bool visited = key.visitors.open(s.now);
  const bool theft = visited && key.incident.grave(s.now);
  if (visited) key.visitors.home(s);
  key.last_home = s.now;
  key.season.add(s.now, s.new_tokens(), s.requests);
  for (std::size_t span = 0; span < kSpans; ++span) {
    Sums sums = key.windows.sums(span, s.now);
    if (theft) {
      const Sums theirs = key.visitors.sums(span, s.now);
      sums.tokens = std::max(0.0F, sums.tokens - theirs.tokens);
      sums.requests = std::max(0.0F, sums.requests - theirs.requests);
    }
    key.records.add(span, sums);
  }
  if (s.works()) key.profile.learn(s);
  if (s.status == 403 && key.profile.denied < 0xFFFF) ++key.profile.denied;
}

void Watch::Parts::key(const Sighting& given, KeyEntry& entry) {
  KeyState& key = entry.state;
  key.season.pass(given.now);
  close_day(key);
  const auto standing = key.networks.meet(given, key.since, key.incident.grave(given.now));
  Sighting s = given;
  s.strange = standing == KnownNetworks::Standing::kHome && key.strange_address(s);
  const bool visitor = standing == KnownNetworks::Standing::kVisitor || s.strange;
  key.windows.add(s.now, s.new_tokens(), s.requests);

  if (visitor) tell(key.visitors.visit(s, key, peers, config), s, &key);
  tell(key.token_spike.observe(s, key, peers), s, &key);
  tell(key.slow_ramp.observe(s, key, peers), s, &key);
  tell(key.off_hours.observe(s, key, peers), s, &key);
  tell(key.output.observe(s, key), s, &key);
  tell(key.limits.observe(s, key, visitor), s, &key);
  if (!visitor) tell(key.subnets.observe(s, key), s, &key);
  tell(key.errors.observe(s), s, &key);
  tell(key.latency.observe(s), s, &key);
  if (event->injection && s.status != 0) {
    tell(key.injection.observe(s, *event->injection, injections), s, &key);
  }
  if (event->error) tell(budget_refused(*event), s, &key);
  learn(s, key, standing);
  if (key.profile.requests == kProvenRequests) keys.promote(key.id);
  if (key.incident.open(s.now)) {
    if (Incident* incident = incidents.find(key.incident.id)) {
      incident->requests += static_cast<std::uint32_t>(s.requests);
      incident->tokens += s.new_tokens();
      if (event->cost_usd) incident->nano_usd += event->cost_usd->nano;
    }
  }
}

void Watch::Parts::admin(const Sighting& given) {
  if (!event->actor) return;
  Sighting s = given;
  s.status = s.status == 0 ? 200 : s.status;
  s.tokens_input = 1;  // an act is what a request is elsewhere
  s.tokens_output = 0;
  s.endpoint = event->action ? static_cast<std::uint32_t>(hash(*event->action)) | 1 : 0;
  KeyState& actor = entry("admin " + *event->actor, s.now).state;
  actor.season.pass(s.now);
  close_day(actor);
  const auto standing = actor.networks.meet(s, actor.since, actor.incident.grave(s.now));
  actor.windows.add(s.now, s.new_tokens(), 1);
  const std::string_view act = event->action ? std::string_view(*event->action) : "";
  if (standing == KnownNetworks::Standing::kVisitor) {
    tell(key_admin_anomaly(s, act, actor, peers, config), s, &actor);
  }
  learn(s, actor, standing);
}

void Watch::Parts::action(const Sighting& s) {
  if (event->action != "budget_alert" || !event->api_key_id) return;
  KeyEntry* known = find(*event->api_key_id);
  KeyState* key = known == nullptr ? nullptr : &known->state;
  tell(budget_forecast(*event, key, s.now), s, key);
}

void Watch::Parts::provider(const Sighting& s) {
  tell(gateway_bypass(*event), s, nullptr);
  if (event->action && event->error) {
    tell(provider_admin_key(*event->action, *event->error), s, nullptr);
  }
}

Watch::Watch(Config config, const Geography* geography)
    : parts_(std::make_unique<Parts>(config, geography)) {}
Watch::~Watch() = default;
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;

void Watch::observe(const Event& event, std::vector<Event>& out) {
  parts_->out = &out;
  parts_->observe(event);
}

WatchCounts Watch::counts() const {
  WatchCounts counts = parts_->counts;
  counts.keys = parts_->keys.size();
  counts.sources = parts_->stuffing.sources().size();
  counts.incidents_open = parts_->incidents.size();
  return counts;
}

Result<void> Watch::adopt(std::string_view api_key_id) {
  KeyEntry* known = parts_->find(api_key_id);
  if (known == nullptr) return fail(Code::kNotFound, "no such key was seen");
  for (const auto& [id, country] : known->state.networks.adopt_visitors()) {
    parts_->peers.adopted(id, country);
  }
  known->state.visitors.close();
  parts_->incidents.end(known->state.incident.id);
  known->state.incident = IncidentRef{};
  return {};
}

}  // namespace sallyport::detect
