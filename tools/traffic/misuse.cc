// SPDX-License-Identifier: Apache-2.0
// Abuse from the key's own place: a program that ran away, a client that loops, texts that attack
// the model; and an administrator who is none.
#include <algorithm>

#include "attack.h"
#include "honest.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

bool is_awake(const Key& key) {
  return key.kind == KeyKind::kService || key.kind == KeyKind::kTeam ||
         key.kind == KeyKind::kDeveloper || key.kind == KeyKind::kShared;
}
bool writes_answers(const Key& key) {
  return is_awake(key) && key.profile.endpoint != Endpoint::kEmbeddings;
}

// What the key does in a full hour, or does now if that is more: a busy afternoon is no abuse.
double usual_per_minute(const Key& key, Ms time) {
  return std::max(rate_at(key, time), key.per_hour * 0.6) / 60;
}

// A text that the guard scored; refused unless it was let through.
Line scored(const Key& key, std::uint16_t index, Ms time, bool passed, const Dice& habits,
            Dice& dice) {
  Line line = request(profile_at(key, time), time, dice);
  line.key = index;
  place(key, line, habits, dice);
  line.verdict = passed ? Verdict::kAlert : Verdict::kBlock;
  line.score_percent = static_cast<std::uint8_t>(dice.whole(88, 99));
  if (passed) return line;
  line.fault = Fault::kInjection;
  line.tokens_input = -1;
  line.tokens_output = -1;
  line.tokens_cached = 0;
  line.latency_ms = static_cast<std::int32_t>(dice.whole(2, 20));
  return line;
}

}  // namespace

// More requests, larger ones, or both: at least tenfold in tokens.
void token_spike_home(Attack& attack) {
  const auto victim = pick_victim(attack, is_awake);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = static_cast<Ms>(dice.log_between(15, 120)) * kMinute;
  const Ms from = pick_time(attack, key, lasts, 9, 17);
  const double factor = dice.log_between(11, 45);
  const double larger = dice.chance(0.35) ? dice.log_between(2, 6) : 1;
  const double rate = std::clamp(usual_per_minute(key, from) * factor / larger, 3.0, 400.0);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = profile_at(key, from),
          .sites = {}};
  run.profile.input_median *= larger;
  run.profile.output_median *= larger;
  dimension(attack, "factor", factor);
  dimension(attack, "larger", larger);
  emit_run(attack, run);
  conclude(attack, "token_spike_home", {"token_spike", "off_hours_surge", "slow_ramp"}, *victim,
           10);
}

void abnormal_outputs(Attack& attack) {
  const auto victim = pick_victim(attack, writes_answers);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = static_cast<Ms>(dice.log_between(20, 120)) * kMinute;
  const Ms from = pick_time(attack, key, lasts, 9, 18);
  const double factor = dice.log_between(8, 35);
  const double rate =
      std::min(std::max(1.5, usual_per_minute(key, from) * dice.between(0.7, 2)), 40.0);
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = rate,
          .profile = profile_at(key, from),
          .sites = {}};
  run.profile.output_median = std::min(run.profile.output_median * factor, 26'000.0);
  run.profile.output_sd = dice.between(0.2, 0.5);
  dimension(attack, "factor", factor);
  const std::size_t first = attack.world.lines.size();
  emit_run(attack, run);
  const bool meaningless = dice.chance(0.5);
  if (meaningless) {
    dimension(attack, "answers", "repetition");
    for (std::size_t i = first; i < attack.world.lines.size(); ++i) {
      attack.world.lines[i].repetition = dice.chance(0.8);
    }
  }
  conclude(attack, "abnormal_outputs", {"output_anomaly", "token_spike"}, *victim, 12);
}

// An agent whose context grows with each step, on the dearest model it may use.
void budget_runaway(Attack& attack) {
  const auto victim = pick_victim(attack, writes_answers);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const Ms lasts = static_cast<Ms>(dice.log_between(20, 180)) * kMinute;
  const Ms from = pick_time(attack, key, lasts);
  const double rate = std::max(2.0, usual_per_minute(key, from) * dice.between(1, 3));
  Run run{.key = *victim,
          .from = from,
          .lasts = lasts,
          .per_minute_first = rate,
          .per_minute_last = std::min(rate * 1.5, 60.0),
          .profile = profile_at(key, from),
          .sites = {}};
  run.profile.models = {dice.pick(std::vector<std::uint16_t>{8, 11, 12, 13})};
  run.profile.model_weights = {1};
  run.profile.input_median =
      std::max(run.profile.input_median * 15, dice.log_between(30'000, 120'000));
  run.profile.input_sd = 0.4;
  run.profile.output_median = std::max(run.profile.output_median * 2, 1'500.0);
  emit_run(attack, run);
  conclude(attack, "budget_runaway", {"budget_exceeded", "token_spike", "output_anomaly"}, *victim,
           10);
}

void injection_flood(Attack& attack) {
  const auto victim = pick_victim(attack, writes_answers);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const double rate = dice.log_between(1, 30);
  const auto count = static_cast<std::int64_t>(dice.log_between(12, 200));
  const Ms from =
      pick_time(attack, key, static_cast<Ms>(static_cast<double>(count) / rate) * kMinute);
  const Dice habits = habits_of(attack.root, *victim);
  Ms time = from;
  for (std::int64_t i = 0; i < count && time < attack.world.end; ++i) {
    attack.world.lines.push_back(scored(key, *victim, time, false, habits, dice));
    time += 1 + static_cast<Ms>(dice.exponential(60'000 / rate));
  }
  dimension(attack, "per_minute", rate);
  dimension(attack, "victim", name(key.kind));
  conclude(attack, "injection_flood", {"prompt_injection", "error_surge"}, *victim, 10);
}

// Some are blocked, then one comes through and is answered.
void injection_passed(Attack& attack) {
  const auto victim = pick_victim(attack, writes_answers);
  if (!victim) return;
  const Key& key = attack.world.keys[*victim];
  Dice& dice = attack.dice;
  const std::int64_t blocked = dice.whole(0, 6);
  Ms time = pick_time(attack, key, kHour);
  const Dice habits = habits_of(attack.root, *victim);
  for (std::int64_t i = 0; i < blocked; ++i) {
    attack.world.lines.push_back(scored(key, *victim, time, false, habits, dice));
    time += dice.whole(3'000, 120'000);
  }
  attack.world.lines.push_back(scored(key, *victim, time, true, habits, dice));
  dimension(attack, "blocked_before", static_cast<double>(blocked));
  conclude(attack, "injection_passed", {"prompt_injection"}, *victim);
  attack.truth.deadline = time + kPromise;
}

// Stolen administrator's credential: keys are made at night from nowhere, and soon used.
void admin_mint(Attack& attack) {
  World& world = attack.world;
  Dice& dice = attack.dice;
  const Key like = world.keys[dice.index(world.keys.size())];
  Key& made = world.keys.emplace_back();
  const auto index = static_cast<std::uint16_t>(world.keys.size() - 1);
  made = like;
  made.id = "key_" + std::to_string(index + 1) + "_tmp";
  made.country = world.offices[0].country;
  made.utc_offset_h = utc_offset_h(made.country);
  made.first_seen = world.start;
  const Ms from = pick_time(attack, made, 2 * kHour, 0, 5);
  const Site site = draw_site(
      attack, made, dice.chance(0.6) ? Origin::kAbroadDataCenter : Origin::kAbroadEyeball);
  made.begins = from;
  made.first_seen = 0;
  made.per_hour = 0;
  made.sites = {site};
  const std::int64_t mints = dice.whole(1, 4);
  Ms time = from;
  for (std::int64_t i = 0; i < mints; ++i) {
    Line line;
    line.kind = LineKind::kMint;
    line.endpoint = Endpoint::kAdminKeys;
    line.time = time;
    line.key = index;
    line.network = site.network;
    line.address = site.addresses[0];
    world.lines.push_back(line);
    time += dice.whole(4'000, 60'000);
  }
  dimension(attack, "mints", static_cast<double>(mints));
  if (dice.chance(0.6)) {
    const double rate = dice.log_between(2, 60);
    emit_run(attack, {.key = index,
                      .from = time + dice.whole(5'000, 600'000),
                      .lasts = dice.whole(10, 60) * kMinute,
                      .per_minute_first = rate,
                      .per_minute_last = rate,
                      .profile = thief_profile(attack, made, time, Copy::kOwn),
                      .sites = {site}});
  }
  std::vector<std::string> names = visitor_names();
  names.emplace_back("key_admin_anomaly");
  conclude(attack, "admin_mint", std::move(names), index);
}

}  // namespace sallyport::traffic
