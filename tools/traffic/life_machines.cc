// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "honest.h"
#include "life.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

bool is_batch(KeyKind kind) { return kind == KeyKind::kNightly || kind == KeyKind::kWeekly; }

void launch(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(7, 16), dice);
  const double factor = dice.between(1.8, harsh(world) ? 4.5 : 3);
  const Ms grown = from + dice.whole(20, 360) * kMinute;
  const Ms stays = grown + dice.whole(4, 72) * kHour;
  const Ms until = std::max(world.end, stays + kDay);
  key.surges.push_back({from, grown, 1, factor});
  key.surges.push_back({grown, stays, factor, factor * 0.9});
  key.surges.push_back({stays, until, factor * 0.9, 1.2});
  tell(world, "launch", index, from, std::min(world.end, until));
}

void grow(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  key.surges.push_back({key.begins, world.end, 1, dice.between(1.3, 2.2)});
  tell(world, "growth", index, key.begins, world.end);
}

void busy_hour(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_day(world, key, dice.between(8, 22), dice);
  const Ms until = from + dice.whole(15, 120) * kMinute;
  const double factor = dice.between(1.8, harsh(world) ? 3.5 : 2.5);
  key.surges.push_back({from, until, factor, factor});
  tell(world, "busy_hour", index, from, until);
}

// To another region, or to another cloud: some hours in which both are in use.
void migrate(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(8, 20), dice);
  const Ms settled = from + (dice.chance(0.4) ? 5 * kMinute : dice.whole(1, 24) * kHour);
  const std::vector<NetworkIndex> clouds =
      networks_of(dice.chance(0.75) ? NetworkKind::kCloud : NetworkKind::kHosting);
  const int addresses = static_cast<int>(dice.whole(1, 4));
  const Site target = cloud_region(dice.pick(clouds), dice, addresses);
  key.moves.push_back({from, settled, 0.02, 1, {target}, false});
  key.moves.push_back({settled, std::max(world.end, settled + kDay), 1, 1, {target}, false});
  tell(world, "migration", index, from, std::min(world.end, settled + 2 * kDay));
}

void upgrade_model(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(9, 17), dice);
  Change change{.from = from, .profile = key.profile};
  change.profile.models[0] = next_model(change.profile.models[0]);
  if (dice.chance(0.3)) {  // first beside the old one
    change.profile.models.push_back(key.profile.models[0]);
    change.profile.model_weights.push_back(1);
  }
  change.profile.output_median *= dice.between(0.7, 1.5);
  key.changes.push_back(change);
  tell(world, "model_upgrade", index, from, std::min(world.end, from + 3 * kDay));
}

void longer_answers(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(9, 17), dice);
  Change change{.from = from, .profile = profile_at(key, from)};
  change.profile.output_median *= dice.between(1.5, harsh(world) ? 2.5 : 1.8);
  for (const Change& other : key.changes) {
    if (other.from > from) return;  // the upgrade would take it back
  }
  key.changes.push_back(change);
  tell(world, "longer_answers", index, from, std::min(world.end, from + 3 * kDay));
}

void new_feature(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(9, 17), dice);
  for (const Change& other : key.changes) {
    if (other.from > from) return;
  }
  Change change{.from = from, .profile = profile_at(key, from)};
  const auto module = static_cast<std::uint8_t>(dice.whole(1, 15));
  const auto purpose = static_cast<std::uint8_t>(dice.whole(1, 10));
  change.profile.uses.emplace_back(module, purpose);
  key.changes.push_back(change);
  tell(world, "new_feature", index, from, std::min(world.end, from + 3 * kDay));
}

void run_again(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(9, 16), dice);
  const Ms until = from + static_cast<Ms>(key.lasts_h * kHour);
  key.extras.push_back({from, until, key.per_hour * dice.between(0.7, 1)});
  tell(world, "batch_rerun", index, from, until);
}

void backfill(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_day(world, key, key.starts_h, dice);
  const Ms until = from + static_cast<Ms>(3 * key.lasts_h * kHour);
  key.extras.push_back({from, until, key.per_hour});
  tell(world, "backfill", index, from, until);
}

void tell_jobs(World& world, std::uint16_t index) {
  const Key key = world.keys[index];
  const Ms lasts = static_cast<Ms>(key.lasts_h * kHour);
  for (Ms day = world.start - kDay; day < world.end; day += kDay) {
    const Ms from = day + static_cast<Ms>((key.starts_h - key.utc_offset_h) * kHour);
    if (from < key.begins || from >= world.end) continue;
    if (season(key, from + kMinute) <= 0) continue;
    tell(world, key.kind == KeyKind::kWeekly ? "weekly_run" : "nightly_run", index, from,
         from + lasts);
  }
}

}  // namespace

void plan_machines(World& world, std::uint16_t index, Dice dice) {
  const KeyKind kind = world.keys[index].kind;
  const bool service = kind == KeyKind::kService;
  const bool grows = service || kind == KeyKind::kTeam || kind == KeyKind::kShared;
  const bool moves = service || is_batch(kind) || kind == KeyKind::kCron || kind == KeyKind::kCi;
  if (moves && happens(world, dice, {0.2, 0.08})) migrate(world, index, dice);
  if (grows && happens(world, dice, {0.3, 0.12})) launch(world, index, dice);
  if (grows && happens(world, dice, {0.3, 0.15})) grow(world, index, dice);
  if (grows && happens(world, dice, {0.4, 0.15})) busy_hour(world, index, dice);
  if (happens(world, dice, {0.3, 0.12})) upgrade_model(world, index, dice);
  if (happens(world, dice, {0.2, 0.06})) longer_answers(world, index, dice);
  if (happens(world, dice, {0.25, 0.1})) new_feature(world, index, dice);
  if (is_batch(kind)) {
    tell_jobs(world, index);
    if (happens(world, dice, {0.35, 0.12})) run_again(world, index, dice);
    if (happens(world, dice, {0.15, 0.05})) backfill(world, index, dice);
  }
}

}  // namespace sallyport::traffic
