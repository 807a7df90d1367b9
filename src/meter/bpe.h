// SPDX-License-Identifier: Apache-2.0
// Encodes one piece of text: adjacent parts that together are a token are joined, the lowest rank
// first, of equal ranks the leftmost. Short pieces by scanning, longer ones with a heap, very long
// ones window by window, so that the time stays in proportion to the length whatever the text is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "meter/token_table.h"

namespace sallyport::meter {

// Where one way ends and the next begins, in bytes; only tests choose others.
struct BpeLimits {
  std::size_t scan_max = 64;   // at most 128
  std::size_t window = 2'048;  // at most 4096
  std::size_t overlap = 256;   // of two windows, less than a window
};

// How many tokens the piece is. With `ids`, they are appended.
std::uint64_t encode_piece(const Ranks& ranks, std::string_view piece,
                           std::vector<std::uint32_t>* ids, const BpeLimits& limits = {});

}  // namespace sallyport::meter
