// SPDX-License-Identifier: Apache-2.0
// token_spike: many times the usual amount within minutes. Two tests of the whole key.
// Sequential: CUSUM for a Poisson rate of requests (Page; run length e^h as for e-detectors),
//   S += ln rho - (rho - 1) l0 dt, where l0 is what the key may do at most: four times its season,
//   or its records. It decides after a dozen requests, where a window has to fill first. Rho 2.2,
//   h 11.
// Windows: tokens of 5 min, 15 min, 1 h, 6 h against season and records; significance (log-normal
//   residual, z of daily maxima) and effect size (2 to 2.2 times the record) must both hold: a
//   significant rise of a third is no incident. Thresholds are flat near these values.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;
class Peers;

class TokenSpike {
 public:
  Maybe observe(const Sighting& sighting, KeyState& key, const Peers& peers);

 private:
  Maybe sequential(const Sighting& sighting, KeyState& key, const Peers& peers);
  Maybe windows(const Sighting& sighting, KeyState& key, const Peers& peers) const;

  float sum_ = 0;
  Second last_ = 0;
};

}  // namespace sallyport::detect
