// SPDX-License-Identifier: Apache-2.0
#include "attack.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "honest.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

constexpr std::array kShapes = {
    Shape{"stolen_abroad", false, stolen_abroad},
    Shape{"stolen_data_center", false, stolen_data_center},
    Shape{"stolen_home_country", false, stolen_home_country},
    Shape{"stolen_from_traveller", false, stolen_from_traveller},
    Shape{"stolen_machine_key", false, stolen_machine_key},
    Shape{"hopping_proxies", false, hopping_proxies},
    Shape{"neighbour_in_cloud", false, neighbour_in_cloud},
    Shape{"leaked_token", false, leaked_token},
    Shape{"resold_key", false, resold_key},
    Shape{"slow_ramp", false, slow_ramp},
    Shape{"midnight_scraping", false, midnight_scraping},
    Shape{"token_spike_home", false, token_spike_home},
    Shape{"abnormal_outputs", false, abnormal_outputs},
    Shape{"budget_runaway", false, budget_runaway},
    Shape{"rate_limit_storm", false, rate_limit_storm},
    Shape{"stuffing_single", false, stuffing_single},
    Shape{"stuffing_distributed", false, stuffing_distributed},
    Shape{"stuffing_then_theft", false, stuffing_then_theft},
    Shape{"injection_flood", true, injection_flood},
    Shape{"injection_passed", true, injection_passed},
    Shape{"admin_mint", true, admin_mint},
};

void note_first_seen(World& world) {
  for (const Line& line : world.lines) {
    if (line.key == kNoKey || line.kind != LineKind::kRequest) continue;
    Ms& first = world.keys[line.key].first_seen;
    if (first == 0 || line.time < first) first = line.time;
  }
}

bool listed(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string_view describe(const Attack& attack, const Network& network, std::string_view home) {
  const bool abroad = network.country != home;
  (void)attack;
  if (is_data_center(network.kind))
    return abroad ? "abroad_data_center" : "same_country_data_center";
  return abroad ? "abroad_eyeball" : "same_country_eyeball";
}

}  // namespace

std::span<const Shape> shapes() { return kShapes; }

std::optional<std::uint16_t> pick_victim(Attack& attack, KindTest test) {
  std::vector<std::uint16_t> fresh;
  std::vector<std::uint16_t> used;
  for (std::size_t i = 0; i < attack.world.keys.size(); ++i) {
    const Key& key = attack.world.keys[i];
    // Who never came has no habits to break.
    if (key.first_seen == 0 || key.first_seen > attack.world.end - 2 * kDay) continue;
    if (!test(key)) continue;
    const auto index = static_cast<std::uint16_t>(i);
    (std::ranges::find(attack.victims, index) == attack.victims.end() ? fresh : used)
        .push_back(index);
  }
  if (fresh.empty() && used.empty()) return std::nullopt;
  const std::uint16_t index = attack.dice.pick(fresh.empty() ? used : fresh);
  attack.victims.push_back(index);
  return index;
}

Ms pick_time(Attack& attack, const Key& key, Ms lasts) {
  return pick_time(attack, key, lasts, 0, 24);
}

Ms pick_time(Attack& attack, const Key& key, Ms lasts, double hour_from, double hour_until) {
  const Ms latest = attack.world.end - lasts - kMinute;
  const Ms young = attack.dice.chance(0.2) ? kDay : 4 * kDay;
  const Ms earliest = std::min(key.first_seen + young, latest);
  const double span = hour_until - hour_from + (hour_until < hour_from ? 24 : 0);
  Ms time = attack.dice.whole(earliest, std::max(earliest, latest));
  for (int tries = 0; tries < 200; ++tries) {
    const double hour = hour_of_day(time + key.utc_offset_h * kHour);
    const double into = hour - hour_from + (hour < hour_from ? 24 : 0);
    if (into < span) break;
    time = attack.dice.whole(earliest, std::max(earliest, latest));
  }
  return time;
}

Copy draw_copy(Attack& attack, double copied) {
  if (attack.dice.chance(copied)) return Copy::kCopied;
  return attack.dice.chance(0.3) ? Copy::kSizes : Copy::kOwn;
}

Profile thief_profile(Attack& attack, const Key& key, Ms time, Copy copy) {
  Dice& dice = attack.dice;
  Profile profile = profile_at(key, time);
  if (copy == Copy::kCopied) {
    dimension(attack, "profile", "copied");
    return profile;
  }
  profile.input_median = dice.log_between(60, 30'000);
  profile.output_median = dice.log_between(100, 4'000);
  profile.input_sd = dice.between(0.5, 1.4);
  profile.output_sd = dice.between(0.4, 1.1);
  if (profile.endpoint == Endpoint::kEmbeddings) profile.endpoint = Endpoint::kChat;
  if (copy == Copy::kSizes && profile.models[0] < 14) {
    dimension(attack, "profile", "other_sizes");
    return profile;
  }
  dimension(attack, "profile", "own");
  profile.models = {dice.pick(std::vector<std::uint16_t>{1, 5, 6, 8, 9, 11, 12, 13})};
  profile.model_weights = {1};
  // The key says what it is for unless its owner let the client say so.
  if (dice.chance(0.4)) profile.uses = {{0, 0}};
  return profile;
}

Site draw_site(Attack& attack, const Key& key, Origin origin) {
  Dice& dice = attack.dice;
  const bool home =
      origin == Origin::kHomeCountryEyeball || origin == Origin::kHomeCountryDataCenter;
  const bool people = origin == Origin::kHomeCountryEyeball || origin == Origin::kAbroadEyeball;
  const std::string_view home_country = networks()[key.sites[0].network].country;
  std::vector<NetworkIndex> fit;
  for (std::size_t i = 0; i < networks().size(); ++i) {
    const Network& network = networks()[i];
    const bool own = std::ranges::any_of(
        key.sites, [i](const Site& site) { return site.network == static_cast<NetworkIndex>(i); });
    const bool theirs = std::ranges::any_of(attack.world.offices, [&network](const Office& office) {
      return office.country == network.country;
    });
    if (own || is_data_center(network.kind) == people) continue;
    if (home ? network.country != home_country
             : network.country == home_country || (theirs && dice.chance(0.8))) {
      continue;
    }
    fit.push_back(static_cast<NetworkIndex>(i));
  }
  if (fit.empty()) fit = networks_of(people ? NetworkKind::kEyeball : NetworkKind::kHosting);
  Site site{.network = dice.pick(fit), .habit = AddressHabit::kFixed, .addresses = {}};
  site.addresses.push_back(draw_address(networks()[site.network], dice));
  return site;
}

void emit_run(Attack& attack, const Run& run) {
  World& world = attack.world;
  const Key& key = world.keys[run.key];
  const Dice habits = habits_of(attack.root, run.key);
  const double first = exact_log(run.per_minute_first);
  const double last = exact_log(run.per_minute_last);
  const Ms until = std::min(run.from + run.lasts, world.end);
  Ms time = run.from;
  for (std::int64_t count = 0; time < until && count < run.lines_max; ++count) {
    Line line = request(run.profile, time, attack.dice);
    line.key = run.key;
    line.derived = run.derived;
    if (run.sites.empty()) {
      place(key, line, habits, attack.dice);
    } else {
      const Site& site = run.sites[attack.dice.index(run.sites.size())];
      line.network = site.network;
      line.address = address_at(site, time, habits, attack.dice);
    }
    if (run.fault != Fault::kNone && attack.dice.chance(run.fault_share)) {
      line.fault = run.fault;
      line.tokens_input = -1;
      line.tokens_output = -1;
      line.tokens_cached = 0;
      line.latency_ms = static_cast<std::int32_t>(attack.dice.whole(1, 9));
    }
    world.lines.push_back(line);
    const double done = static_cast<double>(time - run.from) / static_cast<double>(run.lasts);
    const double per_minute = exact_exp(first + (last - first) * done);
    time += 1 + static_cast<Ms>(attack.dice.exponential(60'000 / per_minute));
  }
  dimension(attack, "per_minute", run.per_minute_last);
  dimension(attack, "victim", name(key.kind));
  dimension(attack, "travels", key.travels);
  const Ms age = key.first_seen == 0 ? 0 : run.from - key.first_seen;
  dimension(attack, "baseline_days", static_cast<double>(age / kDay));
  if (run.sites.empty()) {
    dimension(attack, "network", "home");
  } else if (run.sites.size() > 3) {
    dimension(attack, "network", "many");
  } else {
    const std::string_view home = networks()[key.sites[0].network].country;
    dimension(attack, "network", describe(attack, networks()[run.sites[0].network], home));
  }
}

void conclude(Attack& attack, std::string_view shape, std::vector<std::string> detectors,
              std::uint16_t key, std::size_t shown) {
  Happening& truth = attack.truth;
  std::vector<Ms> times;
  Ms first = attack.world.end;
  for (std::size_t i = attack.first_line; i < attack.world.lines.size(); ++i) {
    const Line& line = attack.world.lines[i];
    times.push_back(line.time);
    // With intents a request shows itself when it begins.
    const Ms begun = line.time - (attack.world.options.intents ? line.latency_ms : 0);
    first = std::min(first, begun);
    if (std::ranges::find(truth.addresses, line.address) == truth.addresses.end()) {
      truth.addresses.push_back(line.address);
    }
  }
  if (times.empty()) return;
  std::ranges::sort(times);
  truth.attack = true;
  truth.shape = shape;
  truth.detectors = std::move(detectors);
  truth.key = key;
  truth.from = first;
  truth.until = times.back();
  const Ms seen = times[std::min(shown, times.size()) - 1];
  truth.deadline = std::max(truth.from + kPromise, seen + (shown > 1 ? kMinute : 0));
  const Ms local = truth.from + (key == kNoKey ? 0 : attack.world.keys[key].utc_offset_h * kHour);
  dimension(attack, "local_hour", static_cast<double>(static_cast<int>(hour_of_day(local))));
  dimension(attack, "minutes", static_cast<double>((truth.until - truth.from) / kMinute));
  dimension(attack, "lines", static_cast<double>(times.size()));
}

void dimension(Attack& attack, std::string_view name, std::string_view value) {
  attack.truth.dimensions[std::string(name)] = value;
}

void dimension(Attack& attack, std::string_view name, double value) {
  // Hundredths are enough, and are printed the same everywhere.
  const auto hundredths = static_cast<std::int64_t>(value * 100 + 0.5);
  dimension(attack, name,
            hundredths % 100 == 0 ? fmt::format("{}", hundredths / 100)
                                  : fmt::format("{}.{:02}", hundredths / 100, hundredths % 100));
}

std::vector<std::string> visitor_names() {
  return {"new_country", "new_network", "ip_hopping", "token_spike", "off_hours_surge"};
}

void emit_attacks(World& world, const Dice& root) {
  const Options& options = world.options;
  std::vector<const Shape*> chosen;
  for (const Shape& shape : kShapes) {
    if (shape.needs_all_fields && options.fields == Fields::kMission) continue;
    if (!options.shapes.empty() && !listed(options.shapes, shape.name)) continue;
    if (!listed(options.excluded, shape.name)) chosen.push_back(&shape);
  }
  if (chosen.empty()) return;
  note_first_seen(world);
  Dice order = root.fork("order of attacks");
  std::vector<std::uint16_t> victims;
  int made = 0;
  // A shape that finds no victim (nobody has travelled) leaves its place to the next one.
  for (int i = 0; made < options.attacks && i < 2 * options.attacks; ++i) {
    const auto at = static_cast<std::size_t>(i) % chosen.size();
    if (at == 0) order.shuffle(chosen);
    Attack attack{.world = world,
                  .root = root,
                  .dice = root.fork("attack", static_cast<std::uint64_t>(i)),
                  .victims = victims};
    attack.first_line = world.lines.size();
    chosen[at]->emit(attack);
    if (!attack.truth.attack) continue;
    world.truth.push_back(std::move(attack.truth));
    ++made;
  }
}

}  // namespace sallyport::traffic
