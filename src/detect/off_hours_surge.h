// SPDX-License-Identifier: Apache-2.0
// off_hours_surge: more than the records at an hour when the key sleeps. Activity is the share of
// days on which the hour saw traffic (season.h), and is only used where a schedule exists. Needed:
// 1.3 + 8 max(0, p - 0.05) times the record, 8 times the season, 20 requests. A night batch has
// its own records and so is silent after its first runs.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;
class Peers;

class OffHoursSurge {
 public:
  Maybe observe(const Sighting& sighting, KeyState& key, const Peers& peers) const;
};

}  // namespace sallyport::detect
