// SPDX-License-Identifier: Apache-2.0
// Attacks at the door: keys are guessed from one place or from hundreds, limits are hammered.
#include <algorithm>

#include "attack.h"
#include "honest.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

Line guess(Attack& attack, Ms time, const Site& site, std::uint16_t claimed) {
  Line line;
  line.time = time;
  line.claimed = claimed;
  line.fault = Fault::kInvalidKey;
  line.endpoint = attack.dice.chance(0.5) ? Endpoint::kModels : Endpoint::kChat;
  line.network = site.network;
  line.address = site.addresses[0];
  line.latency_ms = static_cast<std::int32_t>(attack.dice.whole(0, 3));
  return line;
}

Site stranger(Attack& attack) {
  const auto network = static_cast<NetworkIndex>(attack.dice.index(networks().size()));
  return {.network = network,
          .habit = AddressHabit::kFixed,
          .addresses = {draw_address(networks()[network], attack.dice)}};
}

Ms any_time(Attack& attack, Ms lasts) {
  return attack.dice.whole(attack.world.start + kDay, attack.world.end - lasts - kMinute);
}

bool anybody(const Key&) { return true; }

}  // namespace

void stuffing_single(Attack& attack) {
  Dice& dice = attack.dice;
  const double rate = dice.log_between(3, 600);
  const auto tries = static_cast<std::int64_t>(dice.log_between(30, 2'000));
  const auto lasts = static_cast<Ms>(static_cast<double>(tries) / rate * kMinute * 1.5);
  Ms time = any_time(attack, lasts);
  const Site site = stranger(attack);
  const bool known = dice.chance(0.3);  // the name of a real key, its secret guessed
  const auto claimed = static_cast<std::uint16_t>(dice.index(attack.world.keys.size()));
  for (std::int64_t i = 0; i < tries && time < attack.world.end; ++i) {
    attack.world.lines.push_back(guess(attack, time, site, known ? claimed : kNoKey));
    time += 1 + static_cast<Ms>(dice.exponential(60'000 / rate));
  }
  dimension(attack, "per_minute", rate);
  dimension(attack, "claims", known ? "one_known_key" : "unknown_keys");
  conclude(attack, "stuffing_single", {"credential_stuffing", "error_surge"}, kNoKey, 20);
}

void stuffing_distributed(Attack& attack) {
  Dice& dice = attack.dice;
  const bool usual = dice.chance(0.5);
  const std::int64_t addresses = usual ? 240 : static_cast<std::int64_t>(dice.log_between(80, 500));
  const std::int64_t tries = usual ? 3 : dice.whole(1, 4);
  const Ms lasts = static_cast<Ms>(dice.log_between(10, 120)) * kMinute;
  const Ms from = any_time(attack, lasts);
  for (std::int64_t i = 0; i < addresses; ++i) {
    const Site site = stranger(attack);
    for (std::int64_t n = 0; n < tries; ++n) {
      const Ms time = from + dice.whole(0, lasts - 1);
      attack.world.lines.push_back(guess(attack, time, site, kNoKey));
    }
  }
  dimension(attack, "addresses", static_cast<double>(addresses));
  dimension(attack, "tries_each", static_cast<double>(tries));
  conclude(attack, "stuffing_distributed", {"credential_stuffing", "error_surge"}, kNoKey, 40);
}

// One of the guesses was right.
void stuffing_then_theft(Attack& attack) {
  const auto victim = pick_victim(attack, anybody);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = dice.whole(10, 90) * kMinute;
  Ms time = pick_time(attack, key, lasts + kHour);
  const Site site =
      draw_site(attack, key, dice.chance(0.6) ? Origin::kAbroadDataCenter : Origin::kAbroadEyeball);
  const std::int64_t tries = dice.whole(15, 120);
  const double rate = dice.log_between(5, 120);
  for (std::int64_t i = 0; i < tries; ++i) {
    attack.world.lines.push_back(guess(attack, time, site, kNoKey));
    time += 1 + static_cast<Ms>(dice.exponential(60'000 / rate));
  }
  const double use = dice.log_between(1, 60);
  emit_run(attack, {.key = *victim,
                    .from = time,
                    .lasts = lasts,
                    .per_minute_first = use,
                    .per_minute_last = use,
                    .profile = thief_profile(attack, key, time, draw_copy(attack, 0.2)),
                    .sites = {site}});
  std::vector<std::string> names = visitor_names();
  names.emplace_back("credential_stuffing");
  conclude(attack, "stuffing_then_theft", std::move(names), *victim, 20);
}

void rate_limit_storm(Attack& attack) {
  const auto victim = pick_victim(attack, anybody);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = dice.whole(6, 45) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  const bool visitor = dice.chance(0.65);
  const double usual = std::max(rate_at(key, from), key.per_hour * 0.3) / 60;
  const double rate = visitor ? dice.log_between(30, 400)
                              : std::min(std::max(80.0, usual * dice.log_between(15, 40)), 900.0);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = thief_profile(attack, key, from, visitor ? Copy::kOwn : Copy::kCopied),
          .sites = {},
          .fault = Fault::kRateLimit,
          .fault_share = dice.between(0.75, 0.97)};
  if (visitor) {
    run.sites = {
        draw_site(attack, key,
                  dice.chance(0.5) ? Origin::kAbroadDataCenter : Origin::kHomeCountryDataCenter)};
  }
  emit_run(attack, run);
  std::vector<std::string> names = visitor_names();
  names.insert(names.end(), {"rate_limit_storm", "error_surge"});
  conclude(attack, "rate_limit_storm", std::move(names), *victim);
}

}  // namespace sallyport::traffic
