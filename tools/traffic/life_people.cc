// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "honest.h"
#include "life.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

std::string_view elsewhere(const World& world, const Key& key, Dice& dice) {
  if (dice.chance(0.3)) {  // where colleagues are
    const std::string_view office = dice.pick(world.offices).country;
    if (office != key.country) return office;
  }
  std::string_view country = key.country;
  while (country == key.country) country = dice.pick(countries());
  return country;
}

void travel(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const std::string_view country = elsewhere(world, key, dice);
  const Ms from = some_day(world, key, dice.between(7, 18), dice);
  const Ms flight = dice.whole(2, 14) * kHour;
  const Ms until = std::min(world.end, from + flight + dice.whole(30, 150) * kHour);
  key.surges.push_back({from, from + flight, 0.02, 0.02});
  Move move{.from = from + flight,
            .until = until,
            .share_from = 0.97,
            .share_until = 0.97,
            .sites = {household(country, dice), phone(country, dice)},
            .by_session = true,
            .utc_offset_h = utc_offset_h(country)};
  if (dice.chance(0.4)) move.sites.push_back(household(country, dice));  // the customer's office
  if (dice.chance(0.25)) {  // the company's VPN comes out at home
    move.sites.push_back(key.sites[0]);
  }
  key.moves.push_back(move);
  ++key.travels;
  tell(world, "travel", index, from, until);
}

void use_vpn(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_day(world, key, dice.between(0, 24), dice);
  const Ms until = std::min(world.end, from + dice.whole(8, 24 * 14) * kHour);
  Move move{.from = from,
            .until = until,
            .share_from = dice.between(0.2, 0.7),
            .share_until = dice.between(0.2, 0.7),
            .sites = {},
            .by_session = true};
  const std::vector<NetworkIndex> exits = networks_of(NetworkKind::kHosting);
  const std::int64_t count = dice.whole(1, harsh(world) ? 3 : 1);
  for (std::int64_t i = 0; i < count; ++i)
    move.sites.push_back(cloud_region(dice.pick(exits), dice, 2));
  key.moves.push_back(move);
  tell(world, "personal_vpn", index, from, until);
}

void tether(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const double share = dice.between(0.04, 0.2);
  key.moves.push_back({.from = key.begins,
                       .until = world.end,
                       .share_from = share,
                       .share_until = share,
                       .sites = {phone(key.country, dice)},
                       .by_session = true});
  tell(world, "tethering", index, key.begins, world.end);
}

void new_household(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_day(world, key, 12, dice);
  key.moves.push_back({.from = from,
                       .until = world.end,
                       .share_from = 0.6,
                       .share_until = 0.6,
                       .sites = {household(key.country, dice)},
                       .by_session = true});
  tell(world, "new_household", index, from, world.end);
}

void work_at_night(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_day(world, key, dice.between(0, 2), dice);
  const Ms until = from + dice.whole(60, 240) * kMinute;
  key.extras.push_back({from, until, key.per_hour * dice.between(0.4, 1.2)});
  tell(world, "late_night", index, from, until);
}

void evaluate(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, dice.between(10, 16), dice);
  const Ms until = from + dice.whole(30, 180) * kMinute;
  const double factor = dice.between(2, harsh(world) ? 4.5 : 3);
  key.extras.push_back({from, until, key.per_hour * factor});
  tell(world, "evaluation_run", index, from, until);
}

void colleagues_abroad(World& world, std::uint16_t index, Dice& dice) {
  Key& key = world.keys[index];
  const Ms from = some_workday(world, key, 9, dice);
  const std::string_view country = elsewhere(world, key, dice);
  Site branch = household(country, dice);
  branch.habit = AddressHabit::kFixed;
  key.moves.push_back({.from = from,
                       .until = world.end,
                       .share_from = 0.1,
                       .share_until = dice.between(0.2, 0.6),
                       .sites = {branch},
                       .by_session = false});
  tell(world, "key_sharing", index, from, world.end);
}

}  // namespace

void plan_people(World& world, std::uint16_t index, Dice dice) {
  const KeyKind kind = world.keys[index].kind;
  if (kind == KeyKind::kDeveloper) {
    if (happens(world, dice, {0.5, 0.3})) tether(world, index, dice);
    if (happens(world, dice, {0.12, 0.03})) new_household(world, index, dice);
    if (happens(world, dice, {0.45, 0.2})) travel(world, index, dice);
    if (happens(world, dice, {0.2, 0.05})) travel(world, index, dice);
    if (happens(world, dice, {0.35, 0.1})) use_vpn(world, index, dice);
    if (happens(world, dice, {0.4, 0.15})) work_at_night(world, index, dice);
    if (happens(world, dice, {0.35, 0.1})) evaluate(world, index, dice);
  }
  if (kind == KeyKind::kTeam) {
    if (happens(world, dice, {0.15, 0.05})) colleagues_abroad(world, index, dice);
    if (happens(world, dice, {0.25, 0.1})) evaluate(world, index, dice);
    if (happens(world, dice, {0.2, 0.05})) work_at_night(world, index, dice);
  }
}

}  // namespace sallyport::traffic
