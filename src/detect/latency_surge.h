// SPDX-License-Identifier: Apache-2.0
// latency_surge: answers take many times as long as usual. A fast average of log latency (weight
// 1/12) against the key's own mean and spread (weight max(1/n, 1/400)): 4 sd and at least 4 times.
// A matter of operation, or of a provider under attack; medium.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

class LatencySurge {
 public:
  Maybe observe(const Sighting& sighting);

 private:
  float mean_ = 0, variance_ = 0, fast_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace sallyport::detect
