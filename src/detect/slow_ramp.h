// SPDX-License-Identifier: Apache-2.0
// slow_ramp: traffic that grows over hours, each step too small for a window. CUSUM in time on the
// log ratio of the last hour to the season, without the level that would follow the ramp up:
// S += (ln(x / E) - k) dt, k = ln 5.5 + 0.8 max(0, s - 0.5), threshold 0.7 (log-hours), and at
// least 1.5 times the record of an hour (2.5 in a key's first eight days).
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;
class Peers;

class SlowRamp {
 public:
  Maybe observe(const Sighting& sighting, KeyState& key, const Peers& peers);

 private:
  float sum_ = 0;
  Second last_ = 0;
  Second risen_ = 0;  // when the sum was last 0
};

}  // namespace sallyport::detect
