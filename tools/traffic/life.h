// SPDX-License-Identifier: Apache-2.0
// What happens to honest keys in two weeks: journeys, launches, migrations, fail-overs, broken
// deploys. Each happening is told in the truth as benign, so that a false alarm has a name. `plan_`
// comes before the honest traffic and shapes it; `emit_` adds lines of its own.
#pragma once

#include <string_view>

#include "world.h"

namespace sallyport::traffic {

void plan_life(World& world, const Dice& root);
void plan_people(World& world, std::uint16_t index, Dice dice);
void plan_machines(World& world, std::uint16_t index, Dice dice);

// After the honest traffic: refusals, retries, strangers, administrators.
void emit_life(World& world, const Dice& root);

// How likely something is in a harsh log and in a calm one.
struct Odds {
  double harsh;
  double calm;
};
bool happens(const World& world, Dice& dice, Odds odds);
void tell(World& world, std::string_view shape, std::uint16_t key, Ms from, Ms until);
// A time between the key's first day and the end, at that local hour.
Ms some_day(const World& world, const Key& key, double local_hour, Dice& dice);
Ms some_workday(const World& world, const Key& key, double local_hour, Dice& dice);

}  // namespace sallyport::traffic
