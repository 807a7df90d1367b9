// SPDX-License-Identifier: Apache-2.0
// rate_limit_storm: refusals by rate (429) in bulk, against the greatest count of any earlier day
// and the record of attempts: home 250 in ten minutes and 4 times the attempts, a visitor 40
// and 1.5. Retries alone make hundreds, so a count without the key's own past says nothing. Counts
// decay with a time constant of ten minutes.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;

class RateLimitStorm {
 public:
  Maybe observe(const Sighting& sighting, KeyState& key, bool visitor);

 private:
  float home_ = 0, visitor_ = 0;
  Second last_ = 0;
};

}  // namespace sallyport::detect
