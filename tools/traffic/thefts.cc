// SPDX-License-Identifier: Apache-2.0
// A key in strange hands, seen from a network that is not its own.
#include <algorithm>

#include "attack.h"
#include "honest.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

bool anybody(const Key&) { return true; }
bool has_travelled(const Key& key) { return key.travels > 0; }
bool is_machine(const Key& key) {
  return key.kind == KeyKind::kCi || key.kind == KeyKind::kCron || key.kind == KeyKind::kNightly ||
         key.kind == KeyKind::kWeekly;
}
bool in_cloud(const Key& key) {
  return is_data_center(networks()[key.sites[0].network].kind) &&
         key.sites[0].habit == AddressHabit::kFixed;
}
bool is_steady(const Key& key) {
  return (key.kind == KeyKind::kService || key.kind == KeyKind::kTeam) && key.per_hour >= 10;
}

// First the thief looks which models there are.
void probe(Attack& attack, Run& run) {
  if (!attack.dice.chance(0.4)) return;
  dimension(attack, "probe", "models_listed");
  const std::int64_t count = attack.dice.whole(1, 3);
  for (std::int64_t i = 0; i < count; ++i) {
    Line line;
    line.time = run.from;
    line.key = run.key;
    line.endpoint = Endpoint::kModels;
    line.network = run.sites[0].network;
    line.address = run.sites[0].addresses[0];
    line.derived = run.derived;
    line.latency_ms = static_cast<std::int32_t>(attack.dice.whole(30, 200));
    attack.world.lines.push_back(line);
    run.from += attack.dice.whole(500, 15'000);
  }
}

void theft(Attack& attack, std::string_view shape, KindTest test, std::vector<Origin> origins) {
  const auto victim = pick_victim(attack, test);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const double rate = dice.log_between(1, 200);
  const Ms lasts = static_cast<Ms>(dice.log_between(8, 360)) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = thief_profile(attack, key, from, draw_copy(attack, 0.45)),
          .sites = {draw_site(attack, key, dice.pick(origins))}};
  if (dice.chance(0.2)) run.sites.push_back(draw_site(attack, key, dice.pick(origins)));
  probe(attack, run);
  emit_run(attack, run);
  conclude(attack, shape, visitor_names(), *victim);
}

}  // namespace

void stolen_abroad(Attack& attack) {
  theft(attack, "stolen_abroad", anybody, {Origin::kAbroadEyeball, Origin::kAbroadDataCenter});
}

void stolen_data_center(Attack& attack) {
  theft(attack, "stolen_data_center", anybody, {Origin::kHomeCountryDataCenter});
}

void stolen_home_country(Attack& attack) {
  theft(attack, "stolen_home_country", anybody, {Origin::kHomeCountryEyeball});
}

void stolen_from_traveller(Attack& attack) {
  theft(attack, "stolen_from_traveller", has_travelled,
        {Origin::kAbroadEyeball, Origin::kAbroadDataCenter});
}

void stolen_machine_key(Attack& attack) {
  theft(attack, "stolen_machine_key", is_machine,
        {Origin::kAbroadEyeball, Origin::kAbroadDataCenter, Origin::kHomeCountryEyeball});
}

void hopping_proxies(Attack& attack) {
  const auto victim = pick_victim(attack, anybody);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const auto proxies = static_cast<std::int64_t>(dice.log_between(12, 200));
  const double rate = dice.log_between(4, 120);
  const Ms lasts = static_cast<Ms>(dice.log_between(15, 240)) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  const bool world_wide = dice.chance(0.75);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = thief_profile(attack, key, from, draw_copy(attack, 0.45)),
          .sites = {}};
  for (std::int64_t i = 0; i < proxies; ++i) {
    const Origin origin =
        world_wide ? (dice.chance(0.8) ? Origin::kAbroadEyeball : Origin::kAbroadDataCenter)
                   : Origin::kHomeCountryEyeball;
    run.sites.push_back(draw_site(attack, key, origin));
  }
  dimension(attack, "proxies", static_cast<double>(proxies));
  dimension(attack, "spread", world_wide ? "world" : "home_country");
  emit_run(attack, run);
  conclude(attack, "hopping_proxies", visitor_names(), *victim);
}

// The thief rents in the same cloud: same network, same country, another address.
void neighbour_in_cloud(Attack& attack) {
  const auto victim = pick_victim(attack, in_cloud);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = static_cast<Ms>(dice.log_between(10, 120)) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  const double usual = std::max(rate_at(key, from), key.per_hour * 0.2) / 60;
  const double rate = std::min(std::max(8.0, usual * dice.log_between(5, 20)), 400.0);
  Site site{.network = key.sites[0].network, .habit = AddressHabit::kFixed, .addresses = {}};
  site.addresses.push_back(draw_address(networks()[site.network], dice));
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = thief_profile(attack, key, from, draw_copy(attack, 0.3)),
          .sites = {site}};
  probe(attack, run);
  emit_run(attack, run);
  conclude(attack, "neighbour_in_cloud", visitor_names(), *victim);
}

// Somebody else's derived token: narrow, so the thief stays with what it may do.
void leaked_token(Attack& attack) {
  const auto victim = pick_victim(attack, anybody);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const std::vector<Origin> origins = {Origin::kAbroadEyeball, Origin::kAbroadDataCenter,
                                       Origin::kHomeCountryDataCenter};
  const double rate = dice.log_between(1, 30);
  const Ms lasts = static_cast<Ms>(dice.log_between(10, 240)) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  Run run{
      .key = *victim,
      .from = from,
      .lasts = lasts,
      .per_minute_first = rate,
      .per_minute_last = rate,
      .profile = thief_profile(attack, key, from, dice.chance(0.6) ? Copy::kCopied : Copy::kSizes),
      .sites = {draw_site(attack, key, dice.pick(origins))},
      .fault = Fault::kModelNotAllowed,
      .fault_share = dice.chance(0.5) ? 0.2 : 0,
      .derived = true};
  emit_run(attack, run);
  conclude(attack, "leaked_token", visitor_names(), *victim);
}

// Sold on through a proxy: more and more people, with all kinds of wishes, from one address.
void resold_key(Attack& attack) {
  const auto victim = pick_victim(attack, anybody);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = dice.whole(40, 240) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  Profile profile = thief_profile(attack, key, from, Copy::kOwn);
  profile.models = {1, 5, 8, 9, 11, 12};
  profile.model_weights = {1, 1, 0.7, 0.5, 0.3, 0.2};
  profile.input_sd = 1.8;
  profile.output_sd = 1.2;
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = dice.between(1, 3),
          .per_minute_last = dice.log_between(20, 120),
          .profile = profile,
          .sites = {draw_site(
              attack, key,
              dice.chance(0.5) ? Origin::kAbroadDataCenter : Origin::kHomeCountryDataCenter)}};
  probe(attack, run);
  emit_run(attack, run);
  conclude(attack, "resold_key", visitor_names(), *victim);
}

// To twelve times the usual over six hours. The abuse is slow: the deadline is its end.
void slow_ramp(Attack& attack) {
  const auto victim = pick_victim(attack, is_steady);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = 6 * kHour;
  const Ms from = pick_time(attack, key, lasts, 7, 14);
  const double usual = std::max(rate_at(key, from), key.per_hour * 0.5) / 60;
  const std::vector<Origin> origins = {Origin::kAbroadEyeball, Origin::kAbroadDataCenter,
                                       Origin::kHomeCountryDataCenter, Origin::kHomeCountryEyeball};
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = std::max(0.05, usual * 0.1),
          .per_minute_last = usual * 12,
          .profile = thief_profile(attack, key, from, draw_copy(attack, 0.7)),
          .sites = {draw_site(attack, key, dice.pick(origins))},
          .lines_max = 60'000};
  emit_run(attack, run);
  std::vector<std::string> names = visitor_names();
  names.emplace_back("slow_ramp");
  conclude(attack, "slow_ramp", std::move(names), *victim);
  attack.truth.deadline = attack.truth.from + lasts;
}

void midnight_scraping(Attack& attack) {
  const auto victim = pick_victim(attack, [](const Key& key) {
    return key.kind == KeyKind::kTeam || key.kind == KeyKind::kDeveloper ||
           key.kind == KeyKind::kCi;
  });
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = dice.whole(20, 180) * kMinute;
  const Ms from = pick_time(attack, key, lasts, 23, 4);
  const double rate = dice.log_between(4, 80);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = thief_profile(attack, key, from, draw_copy(attack, 0.5)),
          .sites = {}};
  if (dice.chance(0.5)) run.sites = {draw_site(attack, key, Origin::kHomeCountryEyeball)};
  emit_run(attack, run);
  conclude(attack, "midnight_scraping", visitor_names(), *victim);
}

}  // namespace sallyport::traffic
