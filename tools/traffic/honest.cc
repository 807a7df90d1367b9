// SPDX-License-Identifier: Apache-2.0
#include "honest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sallyport::traffic {
namespace {

constexpr Ms kSlot = 5 * kMinute;
constexpr Ms kSession = 2 * kHour;

// Share of its busiest hour that a public service sees, by local hour.
constexpr std::array kPublicDay = {0.25, 0.15, 0.08, 0.03, 0.0,  0.05, 0.2,  0.45,
                                   0.7,  0.88, 0.97, 1.0,  0.92, 0.9,  0.96, 0.98,
                                   0.95, 0.9,  0.88, 0.9,  0.85, 0.75, 0.6,  0.4};

double public_day(double hour) {
  const auto h = static_cast<std::size_t>(hour);
  const double part = hour - static_cast<double>(h);
  return kPublicDay[h % 24] * (1 - part) + kPublicDay[(h + 1) % 24] * part;
}

double working_day(const Key& key, double hour) {
  const double into = hour - key.starts_h;
  if (into < -0.7 || into > key.lasts_h + 0.7) return 0;
  double share = 1;
  if (into < 0.5) share = 0.5 + 0.7 * into;  // people arrive one after another
  if (into > key.lasts_h - 0.5) share = std::max(0.1, 0.7 * (key.lasts_h - into));
  if (hour > 12 && hour < 13) share *= 0.55;
  return std::clamp(share, 0.02, 1.0);
}

double office_hours(const Key& key, Ms local) {
  const double hour = hour_of_day(local);
  const bool weekend = weekday(local) >= 5;
  double share = working_day(key, hour) * (weekend ? key.weekend : 1);
  const bool person = is_person(key.kind);
  if (person && (hour >= 20.5 && hour < 23.5)) share += 0.12;
  if (key.kind == KeyKind::kCi) share += hour >= 2 && hour < 2.4 ? 0.6 : 0.02;
  return share + (person ? 0.0008 : 0.003);
}

Ms local_time(const Key& key, Ms time) {
  for (const Move& move : key.moves) {
    if (move.utc_offset_h != Move::kOwnClock && time >= move.from && time < move.until) {
      return time + move.utc_offset_h * kHour;
    }
  }
  return time + key.utc_offset_h * kHour;
}

// From one value to the other: evenly in between.
double between(Ms from, Ms until, double first, double last, Ms time) {
  const double done = static_cast<double>(time - from) / static_cast<double>(until - from);
  return first + (last - first) * done;
}

double surge_at(const Key& key, Ms time) {
  double factor = 1;
  for (const Surge& surge : key.surges) {
    if (time < surge.from || time >= surge.until) continue;
    factor *= surge.factor_from == surge.factor_until
                  ? surge.factor_from
                  : exact_exp(between(surge.from, surge.until, exact_log(surge.factor_from),
                                      exact_log(surge.factor_until), time));
  }
  return factor;
}

double extra_at(const Key& key, Ms time) {
  double more = 0;
  for (const Extra& extra : key.extras) {
    if (time >= extra.from && time < extra.until) more += extra.per_hour;
  }
  return more;
}

bool is_job(KeyKind kind) {
  return kind == KeyKind::kNightly || kind == KeyKind::kWeekly || kind == KeyKind::kCron;
}

// Noise of the hour, the day and the person's free days.
double mood(const World& world, const Key& key, Ms time, const Dice& habits) {
  const auto day = static_cast<std::uint64_t>(time / kDay);
  const auto hour = static_cast<std::uint64_t>(time / kHour);
  if (is_job(key.kind)) return habits.fork("job", day).log_normal(1, 0.2);
  Dice of_day = habits.fork("day", day);
  if (is_person(key.kind) && of_day.chance(0.1)) return 0.03;
  return of_day.noise(harsh(world) ? 15 : 40) * habits.fork("hour", hour).noise(key.noise_shape);
}

void fail_sometimes(const Key& key, Line& line, Dice& dice) {
  if (!dice.chance(key.fault_share)) return;
  constexpr std::array kFaults = {Fault::kRateLimit, Fault::kUpstream, Fault::kServer,
                                  Fault::kInvalidValue};
  constexpr std::array kWeights = {0.3, 0.3, 0.2, 0.2};
  line.fault = kFaults[dice.weighted(kWeights)];
  line.tokens_input = -1;
  line.tokens_output = -1;
  line.tokens_cached = 0;
  line.latency_ms = static_cast<std::int32_t>(dice.whole(3, 40));
}

void emit_key(World& world, std::uint16_t index, const Dice& root) {
  const Key& key = world.keys[index];
  const Dice habits = habits_of(root, index);
  Dice dice = root.fork("requests", index);
  const double slots_per_hour = static_cast<double>(kHour) / kSlot;
  for (Ms slot = key.begins; slot < world.end; slot += kSlot) {
    const Ms middle = slot + kSlot / 2;
    const double expected = rate_at(key, middle) / slots_per_hour;
    if (expected <= 0) continue;
    const double noisy = expected * mood(world, key, middle, habits);
    const std::int64_t pieces = dice.poisson(noisy / key.burst);
    for (std::int64_t i = 0; i < pieces; ++i) {
      Ms time = slot + dice.whole(0, kSlot - 1);
      const std::int64_t size = dice.geometric(key.burst);
      for (std::int64_t n = 0; n < size && time < world.end; ++n) {
        Line line = request(profile_at(key, time), time, dice);
        line.key = index;
        place(key, line, habits, dice);
        fail_sometimes(key, line, dice);
        world.lines.push_back(line);
        if (size > 1)
          time += 200 + static_cast<Ms>(dice.exponential(static_cast<double>(key.burst_gap)));
      }
    }
  }
}

const Site& home_site(const Key& key, Ms time, const Dice& habits, Dice& dice) {
  if (key.sites.size() < 2) return key.sites[0];
  if (!is_person(key.kind)) return key.sites[dice.chance(key.second_share) ? 1 : 0];
  const Ms local = local_time(key, time);
  const double hour = hour_of_day(local);
  const bool away = weekday(local) >= 5 || hour < 7 || hour > 19.5;
  const bool office_first = key.sites[0].habit == AddressHabit::kFixed;
  if (away) return key.sites[office_first ? 1 : 0];
  Dice of_day = habits.fork("desk", static_cast<std::uint64_t>(local / kDay));
  return key.sites[of_day.chance(key.second_share) ? 1 : 0];
}

}  // namespace

double season(const Key& key, Ms time) {
  const Ms local = local_time(key, time);
  const double hour = hour_of_day(local);
  const double week_share = weekday(local) >= 5 ? key.weekend : 1;
  const bool in_job = hour >= key.starts_h && hour < key.starts_h + key.lasts_h;
  switch (key.kind) {
    case KeyKind::kService:
      return key.per_hour * week_share * (key.night + (1 - key.night) * public_day(hour));
    case KeyKind::kTeam:
    case KeyKind::kDeveloper:
    case KeyKind::kCi:
      return key.per_hour * office_hours(key, local);
    case KeyKind::kShared: {
      const int other = utc_offset_h(networks()[key.sites[1].network].country);
      return key.per_hour *
             std::max(office_hours(key, local), office_hours(key, time + other * kHour));
    }
    case KeyKind::kCron: {
      const double into = hour - static_cast<double>(static_cast<int>(hour)) - key.starts_h;
      return into >= 0 && into < static_cast<double>(kSlot) / kHour ? key.per_hour * 12 : 0;
    }
    case KeyKind::kNightly:
      return in_job ? key.per_hour * week_share : 0;
    case KeyKind::kWeekly:
      return in_job && weekday(local) == 0 ? key.per_hour : 0;
  }
  return 0;
}

double rate_at(const Key& key, Ms time) {
  return season(key, time) * surge_at(key, time) + extra_at(key, time);
}

Dice habits_of(const Dice& root, std::uint16_t key) { return root.fork("habits", key); }

const Profile& profile_at(const Key& key, Ms time) {
  const Profile* profile = &key.profile;
  for (const Change& change : key.changes) {
    if (time >= change.from) profile = &change.profile;
  }
  return *profile;
}

Address address_at(const Site& site, Ms time, const Dice& habits, Dice& dice) {
  const auto day = static_cast<std::uint64_t>(time / kDay) * 1'000 + site.network;
  switch (site.habit) {
    case AddressHabit::kFixed: {
      const Address& address = site.addresses[dice.index(site.addresses.size())];
      // Servers keep their address; the lower half of a household's changes.
      if (address.high == 0 || is_data_center(networks()[site.network].kind)) return address;
      Dice of_day = habits.fork("privacy", day);
      return privacy_address(address, of_day);
    }
    case AddressHabit::kDaily: {
      Dice of_day = habits.fork("lease", day);
      return draw_address(networks()[site.network], of_day);
    }
    case AddressHabit::kAny: {
      Dice of_job = habits.fork("runner", static_cast<std::uint64_t>(time / (3 * kMinute)));
      return draw_address(networks()[site.network], of_job);
    }
  }
  return {};
}

void place(const Key& key, Line& line, const Dice& habits, Dice& dice) {
  const Site* site = &home_site(key, line.time, habits, dice);
  const auto session = static_cast<std::uint64_t>(line.time / kSession);
  for (std::size_t i = 0; i < key.moves.size(); ++i) {
    const Move& move = key.moves[i];
    if (line.time < move.from || line.time >= move.until) continue;
    const double share =
        between(move.from, move.until, move.share_from, move.share_until, line.time);
    Dice of_session = habits.fork("move", session * 64 + i);
    const bool goes = move.by_session ? of_session.chance(share) : dice.chance(share);
    if (!goes) continue;
    const std::size_t which =
        move.by_session ? of_session.index(move.sites.size()) : dice.index(move.sites.size());
    site = &move.sites[which];
  }
  line.network = site->network;
  line.address = address_at(*site, line.time, habits, dice);
}

Line request(const Profile& profile, Ms time, Dice& dice) {
  Line line;
  line.time = time;
  line.endpoint = profile.endpoint;
  line.model =
      profile.models[profile.models.size() == 1 ? 0 : dice.weighted(profile.model_weights)];
  const auto& [module, purpose] = profile.uses[dice.index(profile.uses.size())];
  line.module = module;
  line.purpose = purpose;
  const bool long_input = profile.long_share > 0 && dice.chance(profile.long_share);
  const bool long_output = profile.long_share > 0 && dice.chance(profile.long_share / 2);
  double input = dice.log_normal(profile.input_median, profile.input_sd);
  if (long_input) input *= dice.log_between(5, 30);
  line.tokens_input = std::max(1, static_cast<std::int32_t>(std::min(input, 250'000.0)));
  double output = 0;
  if (profile.endpoint != Endpoint::kEmbeddings) {
    output = dice.log_normal(profile.output_median, profile.output_sd);
    if (long_output) output *= dice.log_between(4, 15);
    output = std::clamp(output, 1.0, 32'000.0);
  }
  line.tokens_output = static_cast<std::int32_t>(output);
  if (profile.cached_share > 0 && line.tokens_input > 1'024) {
    const double cached = profile.cached_share * dice.between(0.7, 1.2) * line.tokens_input;
    line.tokens_cached = std::min(line.tokens_input, static_cast<std::int32_t>(cached) / 128 * 128);
  }
  line.stream = profile.stream_share > 0 && dice.chance(profile.stream_share);
  line.latency_ms =
      static_cast<std::int32_t>(180 + (output * 9 + input * 0.02) * dice.between(0.7, 1.6));
  return line;
}

void emit_honest(World& world, const Dice& root) {
  for (std::size_t i = 0; i < world.keys.size(); ++i) {
    emit_key(world, static_cast<std::uint16_t>(i), root);
  }
}

}  // namespace sallyport::traffic
