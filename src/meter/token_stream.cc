// SPDX-License-Identifier: Apache-2.0
#include "meter/token_stream.h"

#include <algorithm>

#include "meter/bpe.h"

namespace sallyport::meter {

void StreamCounter::feed(std::string_view utf8_delta) {
  while (!utf8_delta.empty()) {
    const std::size_t taken = std::min(utf8_delta.size(), kTailMax - tail_.size());
    tail_.append(utf8_delta.substr(0, taken));
    utf8_delta.remove_prefix(taken);
    if (tail_.size() >= look_again_at_) settle();
    if (tail_.size() < kTailMax) continue;
    settled_ += Tokenizer::of(encoding_).count(tail_);
    tail_.clear();
    look_again_at_ = 0;
  }
}

// Counts the pieces that no further text can change.
void StreamCounter::settle() {
  const TokenTable& table = token_table();
  const Ranks& ranks = table.ranks[static_cast<std::size_t>(encoding_)];
  Splitter splitter(encoding_, table.kinds, tail_);
  std::size_t done = 0;
  for (;;) {
    const std::string_view piece = splitter.next();
    if (piece.empty() || splitter.open()) break;
    settled_ += encode_piece(ranks, piece, nullptr);
    done += piece.size();
  }
  tail_.erase(0, done);
  // A tail that stays is looked at again when it has doubled: a piece that never ends would
  // otherwise be read from its beginning with each delta.
  look_again_at_ = tail_.size() < 64 ? 0 : tail_.size() * 2;
}

std::uint64_t StreamCounter::tokens() const {
  return settled_ + Tokenizer::of(encoding_).count(tail_);
}

}  // namespace sallyport::meter
