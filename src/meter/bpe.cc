// SPDX-License-Identifier: Apache-2.0
// The windows rest on this: a row of tokens is the encoding of its bytes exactly when every two
// neighbours are the encoding of theirs. (Take the first join across a boundary: until then both
// sides were joined as they would be alone, so the two neighbours alone would have been joined
// too.) So two encodings of overlapping windows may be spliced at any token they have in common.
#include "meter/bpe.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <span>

namespace sallyport::meter {
namespace {

constexpr std::size_t kScanMax = 128;
constexpr std::size_t kWindowMax = 4'096;

using Place = const std::uint8_t*;

// The starts of a piece's parts, and its end: `count` parts.
template <class Index>
struct Parts {
  std::span<Index> starts;
  std::size_t count = 0;
};

// For short pieces: the lowest rank is looked for anew each time.
void join_by_scan(const Ranks& ranks, Place piece, std::size_t size, Parts<std::uint16_t>& parts) {
  std::array<std::uint32_t, kScanMax + 1> pair;  // the rank of part i joined with part i + 1
  std::uint16_t* const starts = parts.starts.data();
  const auto rank_at = [&](std::size_t i, std::size_t count) {
    if (i + 2 > count) return kNoToken;
    return ranks.find(piece + starts[i], static_cast<std::size_t>(starts[i + 2] - starts[i]));
  };
  std::size_t count = size;
  for (std::size_t i = 0; i <= size; ++i) starts[i] = static_cast<std::uint16_t>(i);
  for (std::size_t i = 0; i < size; ++i) pair[i] = rank_at(i, count);
  for (;;) {
    std::uint32_t lowest = kNoToken;
    for (std::size_t i = 0; i < count; ++i) lowest = std::min(lowest, pair[i]);
    if (lowest == kNoToken) break;
    std::size_t at = 0;
    while (pair[at] != lowest) ++at;
    std::copy(starts + at + 2, starts + count + 1, starts + at + 1);
    std::copy(pair.data() + at + 2, pair.data() + count, pair.data() + at + 1);
    --count;
    pair[at] = rank_at(at, count);
    if (at > 0) pair[at - 1] = rank_at(at - 1, count);
  }
  parts.count = count;
}

// The same with a heap. Key holds a rank above and a place below, so that the least key is the
// next join; an entry whose part has changed meanwhile is known by its rank.
template <class Key, class Index, int kPlaceBits>
class HeapJoin {
 public:
  struct Scratch {
    std::span<Index> next, previous;  // size + 1
    std::span<std::uint32_t> pair;    // size
    std::span<Key> heap;              // 2 * size
  };

  HeapJoin(const Ranks& ranks, Place piece, std::size_t size, const Scratch& scratch)
      : ranks_(ranks), piece_(piece), size_(size), s_(scratch) {}

  void run(Parts<Index>& parts) {
    for (std::size_t i = 0; i <= size_; ++i) {
      s_.next[i] = static_cast<Index>(i + 1);
      s_.previous[i] = static_cast<Index>(i == 0 ? 0 : i - 1);
    }
    for (std::size_t i = 0; i < size_; ++i) {
      s_.pair[i] = rank_at(i);
      if (s_.pair[i] != kNoToken) s_.heap[used_++] = key(i);
    }
    std::make_heap(s_.heap.begin(), s_.heap.begin() + offset(), std::greater<>());
    while (used_ > 0) {
      const Key least = s_.heap[0];
      std::pop_heap(s_.heap.begin(), s_.heap.begin() + offset(), std::greater<>());
      --used_;
      const auto at = static_cast<std::size_t>(least & ((Key{1} << kPlaceBits) - 1));
      if (s_.pair[at] == least >> kPlaceBits) join(at);
    }
    parts.count = 0;
    for (std::size_t i = 0; i < size_; i = s_.next[i]) {
      parts.starts[parts.count++] = static_cast<Index>(i);
    }
    parts.starts[parts.count] = static_cast<Index>(size_);
  }

 private:
  std::ptrdiff_t offset() const { return static_cast<std::ptrdiff_t>(used_); }
  Key key(std::size_t i) const { return Key{s_.pair[i]} << kPlaceBits | static_cast<Key>(i); }
  std::uint32_t rank_at(std::size_t i) const {
    const std::size_t second = s_.next[i];
    if (second >= size_) return kNoToken;
    return ranks_.find(piece_ + i, s_.next[second] - i);
  }
  void rank_again(std::size_t i) {
    s_.pair[i] = rank_at(i);
    if (s_.pair[i] == kNoToken) return;
    s_.heap[used_++] = key(i);
    std::push_heap(s_.heap.begin(), s_.heap.begin() + offset(), std::greater<>());
  }
  void join(std::size_t at) {
    const std::size_t gone = s_.next[at];
    s_.pair[gone] = kNoToken;
    s_.next[at] = s_.next[gone];
    s_.previous[s_.next[gone]] = static_cast<Index>(at);
    rank_again(at);
    if (at > 0) rank_again(s_.previous[at]);
  }

  const Ranks& ranks_;
  Place piece_;
  std::size_t size_;
  Scratch s_;
  std::size_t used_ = 0;
};

// One window and room for its work; about 70 KB, on the stack.
struct Window {
  std::array<std::uint16_t, kWindowMax + 1> starts, next, previous;
  std::array<std::uint32_t, kWindowMax> pair;
  std::array<std::uint32_t, 2 * kWindowMax> heap;
};

void join_window(const Ranks& ranks, Place piece, std::size_t size, Window& work,
                 Parts<std::uint16_t>& parts) {
  using Join = HeapJoin<std::uint32_t, std::uint16_t, 12>;
  static_assert(kWindowMax <= 1 << 12);
  Join(ranks, piece, size, {work.next, work.previous, work.pair, work.heap}).run(parts);
}

template <class Index>
std::uint64_t tell(const Ranks& ranks, Place piece, std::span<const Index> starts,
                   std::vector<std::uint32_t>* ids) {
  // `starts` ends with the end of the last token.
  const std::size_t count = starts.size() - 1;
  if (ids != nullptr) {
    for (std::size_t i = 0; i < count; ++i) {
      ids->push_back(
          ranks.find(piece + starts[i], static_cast<std::size_t>(starts[i + 1] - starts[i])));
    }
  }
  return count;
}

// All of a piece in one heap: what is left when two windows have no token in common, which takes a
// text made for it.
std::uint64_t encode_whole(const Ranks& ranks, Place piece, std::size_t size,
                           std::vector<std::uint32_t>* ids) {
  using Join = HeapJoin<std::uint64_t, std::uint32_t, 32>;
  std::vector<std::uint32_t> starts(size + 1), next(size + 1), previous(size + 1), pair(size);
  std::vector<std::uint64_t> heap(2 * size);
  Parts<std::uint32_t> parts{starts};
  Join(ranks, piece, size, {next, previous, pair, heap}).run(parts);
  return tell(ranks, piece, std::span<const std::uint32_t>(starts.data(), parts.count + 1), ids);
}

// The first token, as an index into `a` and into `b`, that both have; `b` begins `shift` bytes
// after `a`. False if there is none.
bool common_token(const Parts<std::uint16_t>& a, const Parts<std::uint16_t>& b, std::size_t shift,
                  std::size_t& in_a, std::size_t& in_b) {
  while (in_a < a.count && in_b < b.count) {
    const std::size_t left = a.starts[in_a], right = b.starts[in_b] + shift;
    if (left == right && a.starts[in_a + 1] == b.starts[in_b + 1] + shift) return true;
    if (left <= right) ++in_a;
    if (right <= left) ++in_b;
  }
  return false;
}

std::uint64_t encode_long(const Ranks& ranks, Place piece, std::size_t size,
                          std::vector<std::uint32_t>* ids, const BpeLimits& limits) {
  Window work;
  std::array<std::uint16_t, kWindowMax + 1> other_starts;
  Parts<std::uint16_t> parts{work.starts}, following{other_starts};
  std::size_t from = 0;   // where the window begins
  std::size_t first = 0;  // its first token that was not told yet
  std::uint64_t count = 0;
  std::size_t width = std::min(limits.window, size);
  join_window(ranks, piece, width, work, parts);
  while (from + width < size) {
    // The next window begins at a token near this one's end.
    std::size_t in_a = parts.count - 1;
    while (in_a > first && parts.starts[in_a] + limits.overlap > width) --in_a;
    const std::size_t shift = parts.starts[in_a];
    const std::size_t next_width = std::min(limits.window, size - from - shift);
    if (next_width == width && std::memcmp(piece + from, piece + from + shift, width) == 0) {
      // A text that repeats itself, as runs of one character do: the same again.
      std::copy_n(parts.starts.begin(), parts.count + 1, following.starts.begin());
      following.count = parts.count;
    } else {
      join_window(ranks, piece + from + shift, next_width, work, following);
    }
    std::size_t in_b = 0;
    if (shift == 0 || !common_token(parts, following, shift, in_a, in_b)) {
      // What was told may not fit what comes now: from the beginning.
      if (ids != nullptr) ids->resize(ids->size() - count);
      return encode_whole(ranks, piece, size, ids);
    }
    count +=
        tell(ranks, piece + from,
             std::span<const std::uint16_t>(parts.starts).subspan(first, in_a - first + 1), ids);
    std::swap(parts.starts, following.starts);
    parts.count = following.count;
    from += shift;
    width = next_width;
    first = in_b;
  }
  return count +
         tell(ranks, piece + from,
              std::span<const std::uint16_t>(parts.starts).subspan(first, parts.count - first + 1),
              ids);
}

}  // namespace

std::uint64_t encode_piece(const Ranks& ranks, std::string_view text,
                           std::vector<std::uint32_t>* ids, const BpeLimits& limits) {
  const auto* const piece = reinterpret_cast<Place>(text.data());
  if (text.empty()) return 0;
  if (const std::uint32_t rank = ranks.find(piece, text.size()); rank != kNoToken) {
    if (ids != nullptr) ids->push_back(rank);
    return 1;
  }
  if (text.size() > limits.scan_max) return encode_long(ranks, piece, text.size(), ids, limits);
  std::array<std::uint16_t, kScanMax + 2> starts;
  Parts<std::uint16_t> parts{starts};
  join_by_scan(ranks, piece, text.size(), parts);
  return tell(ranks, piece, std::span<const std::uint16_t>(starts.data(), parts.count + 1), ids);
}

}  // namespace sallyport::meter
