// SPDX-License-Identifier: Apache-2.0
// The hours of one key, or of all together, put together from pieces in the order of time: which
// hour was the greatest is known only when it is over.
#pragma once

#include <cstdint>

#include "audit/ask_baseline.h"

namespace sallyport::audit {

// Sums that a damaged file makes absurd wrap around instead of being undefined.
inline std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

class HourSums {
 public:
  // Hours count since 1970; days from the first hour on.
  explicit HourSums(std::int64_t first_hour) : first_hour_(first_hour) {}

  // More of the same hour as last time, or of a later one.
  void add(std::int64_t hour, std::int64_t requests, std::int64_t cost) {
    if (hour != tail_.hour) next(hour);
    tail_.requests = wrapping_add(tail_.requests, requests);
    tail_.cost = wrapping_add(tail_.cost, cost);
  }
  // What another thread saw of the time after; the hour at the seam may be in both.
  void add(const HourSums& later);
  // All of it.
  PastKey finish() const;

 private:
  static constexpr std::int64_t kNone = -1;
  struct Hour {
    std::int64_t hour = kNone, requests = 0, cost = 0;
  };

  void next(std::int64_t hour);
  void fold(const Hour& hour, PastKey& into) const;

  Hour tail_;  // still open
  Hour head_;  // the first, when it is not the tail: an earlier thread may have more of it
  std::int64_t first_hour_;
  PastKey between_;
};

}  // namespace sallyport::audit
