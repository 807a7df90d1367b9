// SPDX-License-Identifier: Apache-2.0
// Names become 64-bit numbers, the same on every machine and in every run: states are saved, and a
// replay must find what the live watch found. Not a secret hash: whoever can choose names can make
// two of them meet, which costs precision and never memory; keys are compared by name as well.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace sallyport::detect {

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product =
      static_cast<unsigned __int128>(a ^ 0x9E3779B97F4A7C15ULL) * (b ^ 0xD1B54A32D192ED03ULL);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash(std::string_view text, std::uint64_t seed = 0x5A11) {
  std::uint64_t state = mix(seed, text.size());
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    state = mix(state, word);
    text.remove_prefix(8);
  }
  std::uint64_t word = 0;
  std::memcpy(&word, text.data(), text.size());
  return mix(mix(state, word), 0x2545F4914F6CDD1DULL);
}

}  // namespace sallyport::detect
