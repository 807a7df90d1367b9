// SPDX-License-Identifier: Apache-2.0
// A key's ordinary traffic, with whatever life brings: the rate follows the hour and its surges,
// the place follows its moves, the requests its profile.
#pragma once

#include "world.h"

namespace sallyport::traffic {

void emit_honest(World& world, const Dice& root);

// One request of this profile; the place is the caller's.
Line request(const Profile& profile, Ms time, Dice& dice);
// What the key sends at that time.
const Profile& profile_at(const Key& key, Ms time);
// Where an honest request of the key at that time comes from.
void place(const Key& key, Line& line, const Dice& habits, Dice& dice);
// An address of the site on that day.
Address address_at(const Site& site, Ms time, const Dice& habits, Dice& dice);

// Expected requests in the hour at that time, without noise and surges.
double season(const Key& key, Ms time);
// The same with surges and moves: what the key really does.
double rate_at(const Key& key, Ms time);
// The dice that decide a key's days: the same for everything that asks about them.
Dice habits_of(const Dice& root, std::uint16_t key);

}  // namespace sallyport::traffic
