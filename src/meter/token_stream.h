// SPDX-License-Identifier: Apache-2.0
// Counts the tokens of a text that comes in pieces, as a streamed answer does: at the end, and at
// any time before it, the count is that of the concatenation. Keeps only the tail that more text
// could still split another way, mostly one word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "meter/tokenizer.h"

namespace sallyport::meter {

class StreamCounter {
 public:
  // A tail that grows beyond this (a megabyte without a blank) is counted as if it ended there; the
  // count may then differ by a few tokens for each such cut.
  static constexpr std::size_t kTailMax = 1024 * 1024;

  explicit StreamCounter(Encoding encoding) : encoding_(encoding) {}

  // A delta may end in the middle of a character. Linear in all that is fed, however it is cut.
  void feed(std::string_view utf8_delta);
  // Of all that was fed so far. Looks at the tail again each time it is called.
  std::uint64_t tokens() const;
  std::size_t tail_bytes() const { return tail_.size(); }

 private:
  void settle();

  Encoding encoding_;
  std::uint64_t settled_ = 0;      // tokens of what was dropped
  std::string tail_;               // begins where a piece does
  std::size_t look_again_at_ = 0;  // size of the tail that is worth another look
};

}  // namespace sallyport::meter
