// SPDX-License-Identifier: Apache-2.0
// Cuts text into the pieces that are encoded one by one: the splitting patterns of o200k_base and
// cl100k_base, written by hand, since they have a look-ahead and must be fast. Equal to the npm
// package tiktoken (tests/tokens); the patterns themselves stand above each part in splitter.cc.
// Linear in the text: each character is looked at a bounded number of times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "meter/token_table.h"

namespace sallyport::meter {

enum class Encoding : std::uint8_t { kO200k, kCl100k };  // an index into TokenTable::ranks

// A byte that is not part of well-formed UTF-8 is a piece of its own.
class Splitter {
 public:
  // `text` outlives the splitter.
  Splitter(Encoding encoding, const Kinds& kinds, std::string_view text);

  // The next piece; empty at the end.
  std::string_view next();
  // Could more text behind the end change the last piece?
  bool open() const { return open_; }

 private:
  using Place = const std::uint8_t*;
  struct Char {
    Kind kind;
    std::uint8_t size;  // bytes
  };
  Char at(Place place);
  Char decode(Place place);
  Place piece_o200k(Place begin);
  Place piece_cl100k(Place begin);
  Place words(Place from);
  Place letters(Place from);
  Place cased(Place from, Place& lower_end);
  Place numbers(Place from);
  Place signs(Place from, bool slashes);
  Place blanks(Place from);
  Place contraction(Place from);

  Encoding encoding_;
  bool open_ = false;
  Kinds kinds_;
  Place place_, end_;
};

}  // namespace sallyport::meter
