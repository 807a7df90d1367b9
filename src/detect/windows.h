// SPDX-License-Identifier: Apache-2.0
// Tokens and requests over the last 5 and 15 minutes, 1 and 6 hours: each window slides in five
// slices, so it holds between four fifths and the whole of its span.
#pragma once

#include <array>
#include <cstddef>

#include "detect/sighting.h"

namespace sallyport::detect {

inline constexpr std::size_t kSpans = 4;
inline constexpr std::array<Second, kSpans> kSpan{300, 900, 3'600, 21'600};
enum SpanIndex : std::size_t { k5Min, k15Min, k1Hour, k6Hours };

struct Sums {
  float tokens = 0;
  float requests = 0;
};

class Windows {
 public:
  void add(Second now, float tokens, float requests) {
    for (std::size_t i = 0; i < kSpans; ++i) {
      turn(i, now);
      Sums& slice = slices_[i][newest_[i] % kSlices];
      slice.tokens += tokens;
      slice.requests += requests;
    }
  }

  Sums sums(std::size_t span, Second now) {
    turn(span, now);
    Sums all;
    for (const Sums& slice : slices_[span]) {
      all.tokens += slice.tokens;
      all.requests += slice.requests;
    }
    return all;
  }

 private:
  static constexpr std::size_t kSlices = 5;

  void turn(std::size_t span, Second now) {
    const Second slice = now / (kSpan[span] / kSlices);
    if (slice == newest_[span]) return;
    if (slice < newest_[span]) return;  // time does not go back (Watch sees to it)
    const Second gone = slice - newest_[span];
    if (gone >= kSlices) {
      slices_[span] = {};
    } else {
      for (Second i = newest_[span] + 1; i <= slice; ++i) slices_[span][i % kSlices] = {};
    }
    newest_[span] = slice;
  }

  std::array<std::array<Sums, kSlices>, kSpans> slices_{};
  std::array<Second, kSpans> newest_{};
};

}  // namespace sallyport::detect
