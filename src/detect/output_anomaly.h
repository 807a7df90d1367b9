// SPDX-License-Identifier: Apache-2.0
// output_anomaly: answers far longer than the key's, or answers that checks flag. Mixture e-CUSUM
// on z = (log tokens - mean) / sd: usual answers f0 = 0.96 N(0, 1) + 0.04 N(0, 2.2), long ones f1 =
// N(2.6, 0.9), in shares of 0.08 and 0.6; each step is clipped at 3 nats and fades in 90 min.
// Significance alone (threshold 10 nats) would call a threefold length an incident, so the
// geometric mean of the exceedances must also be 4.5 e^(0.7 sd) times the usual length, the sd
// because the mean of what is long is long even where nothing changed.
#pragma once

#include <array>

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;

class OutputAnomaly {
 public:
  Maybe observe(const Sighting& sighting, const KeyState& key);

 private:
  Maybe flags(const Sighting& sighting);

  std::array<float, 2> sums_{};
  float exceedances_ = 0;      // decaying
  float exceedance_logs_ = 0;  // of them, over the usual length
  float flagged_ = 0, flagged_usual_ = 0;
  Second last_ = 0;
};

}  // namespace sallyport::detect
