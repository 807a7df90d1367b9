// SPDX-License-Identifier: Apache-2.0
// Who uses the gateway: offices and cloud regions of one organisation, and its keys with their
// habits.
#pragma once

#include "world.h"

namespace sallyport::traffic {

// Fills offices, regions and keys; each key gets an `ordinary_...` happening over its whole life,
// so that any false alarm has a name.
void populate(World& world, const Dice& root);

// Places that a person of this country may turn up at.
Site household(std::string_view country, Dice& dice);
Site phone(std::string_view country, Dice& dice);
Site cloud_region(NetworkIndex network, Dice& dice, int addresses);

// The model one would move to from this one.
std::uint16_t next_model(std::uint16_t model);

}  // namespace sallyport::traffic
