// SPDX-License-Identifier: Apache-2.0
// ip_hopping at home: a key that changes its address within networks it has adopted (a proxy pool
// in the same cloud). Distinct /24 of the last 15 to 30 minutes by linear counting in two bitmaps
// of 64 bits (-64 ln(empty / 64), good to about 10 % up to a hundred), against the record of
// earlier days: at least 9 and 2.2 times the record.
#pragma once

#include <cstdint>

#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct KeyState;

class SubnetSpread {
 public:
  Maybe observe(const Sighting& sighting, const KeyState& key);

 private:
  std::uint64_t now_bits_ = 0, before_bits_ = 0;
  Second slice_ = 0;
  float today_ = 0, record_ = 0;
  std::uint32_t day_ = 0, unused_ = 0;
};

}  // namespace sallyport::detect
