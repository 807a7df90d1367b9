// SPDX-License-Identifier: Apache-2.0
#include "life.h"

#include <algorithm>

#include "honest.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

bool lives_at(const Key& key, const Site& site) {
  return std::ranges::any_of(key.sites, [&site](const Site& own) {
    return own.network == site.network && own.habit == site.habit;
  });
}

// All keys of a place go elsewhere for some hours.
void fail_over(World& world, const Site& site, const Site& reserve, std::string_view shape,
               Dice& dice) {
  const Ms from = world.start + dice.whole(kDay / 2, world.end - world.start - kDay / 2);
  const Ms until = from + dice.whole(30, 360) * kMinute;
  for (std::size_t i = 0; i < world.keys.size(); ++i) {
    Key& key = world.keys[i];
    if (!lives_at(key, site) || is_person(key.kind)) continue;
    key.moves.push_back({from, until, 1, 1, {reserve}, false});
    tell(world, shape, static_cast<std::uint16_t>(i), from, until);
  }
}

void plan_places(World& world, Dice dice) {
  for (std::size_t i = 0; i < world.regions.size(); ++i) {
    if (!happens(world, dice, {0.35, 0.1})) continue;
    const std::vector<NetworkIndex> clouds = networks_of(NetworkKind::kCloud);
    const Site reserve = dice.chance(0.5) ? cloud_region(dice.pick(clouds), dice, 3)
                                          : world.regions[(i + 1) % world.regions.size()];
    fail_over(world, world.regions[i], reserve, "region_failover", dice);
  }
  for (const Office& office : world.offices) {
    if (happens(world, dice, {0.4, 0.15})) {
      fail_over(world, office.site, phone(office.country, dice), "office_failover", dice);
    }
    if (!happens(world, dice, {0.4, 0.2})) continue;
    const Ms offset = utc_offset_h(office.country) * kHour;
    const Ms from = world.start + dice.whole(1, world.options.days - 1) * kDay - offset;
    for (std::size_t i = 0; i < world.keys.size(); ++i) {
      Key& key = world.keys[i];
      const bool works = key.kind == KeyKind::kTeam || is_person(key.kind);
      if (!works || key.country != office.country) continue;
      key.surges.push_back({from, from + kDay, 0.04, 0.04});
      tell(world, "holiday", static_cast<std::uint16_t>(i), from, from + kDay);
    }
  }
}

}  // namespace

bool happens(const World& world, Dice& dice, Odds odds) {
  const double days = world.options.days / 14.0;  // the odds are those of two weeks
  return dice.chance(std::min(1.0, (harsh(world) ? odds.harsh : odds.calm) * days));
}

void tell(World& world, std::string_view shape, std::uint16_t key, Ms from, Ms until) {
  Happening benign;
  benign.shape = shape;
  benign.from = from;
  benign.until = until;
  benign.key = key;
  world.truth.push_back(benign);
}

Ms some_day(const World& world, const Key& key, double local_hour, Dice& dice) {
  const Ms first = key.begins / kDay * kDay + kDay;
  const Ms days = std::max<Ms>(1, (world.end - first) / kDay);
  const Ms local = first + dice.whole(0, days - 1) * kDay + static_cast<Ms>(local_hour * kHour);
  return std::min(local - key.utc_offset_h * kHour, world.end - kHour);
}

Ms some_workday(const World& world, const Key& key, double local_hour, Dice& dice) {
  Ms time = some_day(world, key, local_hour, dice);
  for (int tries = 0; tries < 20 && weekday(time + key.utc_offset_h * kHour) >= 5; ++tries) {
    time = some_day(world, key, local_hour, dice);
  }
  return time;
}

void plan_life(World& world, const Dice& root) {
  for (std::size_t i = 0; i < world.keys.size(); ++i) {
    const auto index = static_cast<std::uint16_t>(i);
    plan_people(world, index, root.fork("people", i));
    plan_machines(world, index, root.fork("machines", i));
    if (world.keys[i].begins > world.start) {
      tell(world, "new_key", index, world.keys[i].begins, world.keys[i].begins + 3 * kDay);
    }
  }
  plan_places(world, root.fork("places"));
}

}  // namespace sallyport::traffic
