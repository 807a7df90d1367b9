// SPDX-License-Identifier: Apache-2.0
// error_surge: the share of failed requests (refusals for rate and credentials have their own
// detectors) in the last quarter of an hour against the key's own past, as a binomial Chernoff
// bound n KL(share || usual) of at least 12 nats with a share of at least 0.3. Tells a person of
// broken clients and failing providers; medium, since no thief needs errors.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

class ErrorSurge {
 public:
  Maybe observe(const Sighting& sighting);

 private:
  float requests_ = 0, errors_ = 0;  // decaying, 15 min
  float usual_ = 0.02F;
  Second last_ = 0;
};

}  // namespace sallyport::detect
