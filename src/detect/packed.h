// SPDX-License-Identifier: Apache-2.0
// A number from 0 to 4e12 in 16 bits, on a logarithmic scale: steps of 0.05 %, so that the many
// averages of a key fit in a few hundred bytes. What is averaged again and again drifts by less
// than that step, far below the noise of traffic.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace sallyport::detect {

inline constexpr float kPackedSteps = 1'560;  // in a factor of two

inline std::uint16_t pack(float value) {
  if (!(value > 0)) return 0;
  return static_cast<std::uint16_t>(
      std::min(65'535.0F, std::round(std::log2(1 + value) * kPackedSteps)));
}

inline float unpack(std::uint16_t packed) {
  return packed == 0 ? 0 : std::exp2(static_cast<float>(packed) / kPackedSteps) - 1;
}

}  // namespace sallyport::detect
