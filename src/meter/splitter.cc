// SPDX-License-Identifier: Apache-2.0
#include "meter/splitter.h"

namespace sallyport::meter {
namespace {

// Sets of kinds.
constexpr unsigned bit(Kind kind) { return 1u << static_cast<unsigned>(kind); }
constexpr bool in(Kind kind, unsigned set) { return (bit(kind) & set) != 0; }

constexpr unsigned kUpperish =  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]
    bit(Kind::kUpper) | bit(Kind::kLetter) | bit(Kind::kMark);
constexpr unsigned kLowerish =  // [\p{Ll}\p{Lm}\p{Lo}\p{M}]
    bit(Kind::kLower) | bit(Kind::kLetter) | bit(Kind::kMark);
constexpr unsigned kBoth = kUpperish & kLowerish;
constexpr unsigned kAnyLetter =  // \p{L}
    bit(Kind::kUpper) | bit(Kind::kLower) | bit(Kind::kLetter);
constexpr unsigned kSign = bit(Kind::kOther) | bit(Kind::kMark);      // [^\s\p{L}\p{N}]
constexpr unsigned kPrefix = kSign | bit(Kind::kSpace);               // [^\r\n\p{L}\p{N}]
constexpr unsigned kBlank = bit(Kind::kSpace) | bit(Kind::kNewline);  // \s

bool continues(std::uint8_t byte) { return (byte & 0xc0) == 0x80; }

}  // namespace

Splitter::Splitter(Encoding encoding, const Kinds& kinds, std::string_view text)
    : encoding_(encoding),
      kinds_(kinds),
      place_(reinterpret_cast<Place>(text.data())),
      end_(place_ + text.size()) {}

std::string_view Splitter::next() {
  if (place_ == end_) return {};
  open_ = false;
  const Place begin = place_;
  place_ = encoding_ == Encoding::kO200k ? piece_o200k(begin) : piece_cl100k(begin);
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(place_ - begin)};
}

inline Splitter::Char Splitter::at(Place place) {
  if (place == end_) {
    open_ = true;
    return {Kind::kEnd, 0};
  }
  if (*place < 0x80) return {kinds_.of_ascii(*place), 1};
  return decode(place);
}

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
Splitter::Char Splitter::decode(Place place) {
  constexpr Char kBad{Kind::kInvalid, 1};
  const std::uint8_t lead = *place;
  const auto left = static_cast<std::size_t>(end_ - place);
  if (lead < 0xc2 || lead > 0xf4) return kBad;
  const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (left > 1) {
    const std::uint8_t second = place[1];
    const std::uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (second < low || second > high) return kBad;
  }
  for (std::size_t i = 2; i < size && i < left; ++i) {
    if (!continues(place[i])) return kBad;
  }
  if (left < size) {
    open_ = true;  // the rest may come
    return kBad;
  }
  std::uint32_t point = lead & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) point = point << 6 | (place[i] & 0x3fu);
  return {kinds_.of(point), static_cast<std::uint8_t>(size)};
}

// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|...)?
// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|...)?
// \p{N}{1,3}
//  ?[^\s\p{L}\p{N}]+[\r\n/]*
// \s*[\r\n]+   \s+(?!\S)   \s+
Splitter::Place Splitter::piece_o200k(Place begin) {
  const Char first = at(begin);
  const Place after = begin + first.size;
  switch (first.kind) {
    case Kind::kUpper:
    case Kind::kLower:
    case Kind::kLetter:
      return words(begin);
    case Kind::kNumber:
      return numbers(begin);
    case Kind::kMark: {
      // As the prefix of a word that ends in lower case, else as such a word itself. Never as the
      // prefix of one in upper case: both come before that in the pattern.
      Place lower_end = nullptr;
      cased(after, lower_end);
      if (lower_end == nullptr) cased(begin, lower_end);
      return contraction(lower_end);
    }
    case Kind::kOther:
    case Kind::kSpace:
      if (const Place end = words(after); end != after) return end;
      if (first.kind == Kind::kOther) return signs(begin, true);
      if (*begin == ' ' && in(at(after).kind, kSign)) return signs(after, true);
      return blanks(begin);
    case Kind::kNewline:
      return blanks(begin);
    default:
      return after;
  }
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)
// [^\r\n\p{L}\p{N}]?\p{L}+
// \p{N}{1,3}
//  ?[^\s\p{L}\p{N}]+[\r\n]*
// \s*[\r\n]+   \s+(?!\S)   \s+
Splitter::Place Splitter::piece_cl100k(Place begin) {
  const Char first = at(begin);
  const Place after = begin + first.size;
  if (in(first.kind, kAnyLetter)) return letters(begin);
  if (first.kind == Kind::kNumber) return numbers(begin);
  if (!in(first.kind, kPrefix)) return first.kind == Kind::kNewline ? blanks(begin) : after;

  if (const Place end = contraction(begin); end != begin) return end;
  if (const Place end = letters(after); end != after) return end;
  if (in(first.kind, kSign)) return signs(begin, false);
  if (*begin == ' ' && in(at(after).kind, kSign)) return signs(after, false);
  return blanks(begin);
}

// A word of o200k with what hangs on it, without its prefix; `from` itself if there is none.
Splitter::Place Splitter::words(Place from) {
  Place lower_end = nullptr;
  const Place upper_end = cased(from, lower_end);
  if (lower_end != nullptr) return contraction(lower_end);
  return upper_end == from ? from : contraction(upper_end);
}

// The end of the run of upperish characters. `lower_end`: where the first of the two patterns ends,
// null if it does not match. It wants a lowerish character last: one after the run, or else, when
// the pattern gives characters of the run back, the last in it that is both.
Splitter::Place Splitter::cased(Place from, Place& lower_end) {
  Place place = from;
  Char next = at(place);
  while (in(next.kind, kUpperish)) {
    place += next.size;
    if (in(next.kind, kBoth)) lower_end = place;
    next = at(place);
  }
  if (next.kind == Kind::kLower) {
    lower_end = place;
    do {
      lower_end += next.size;
      next = at(lower_end);
    } while (in(next.kind, kLowerish));
  }
  return place;
}

Splitter::Place Splitter::letters(Place from) {
  for (;;) {
    const Char next = at(from);
    if (!in(next.kind, kAnyLetter)) return from;
    from += next.size;
  }
}

Splitter::Place Splitter::numbers(Place from) {
  for (int i = 0; i < 3; ++i) {
    const Char next = at(from);
    if (next.kind != Kind::kNumber) break;
    from += next.size;
  }
  return from;
}

Splitter::Place Splitter::signs(Place from, bool slashes) {
  Char next = at(from);
  while (in(next.kind, kSign)) {
    from += next.size;
    next = at(from);
  }
  while (next.kind == Kind::kNewline || (slashes && next.kind == Kind::kOther && *from == '/')) {
    from += next.size;
    next = at(from);
  }
  return from;
}

// White space: up to its last newline if it has one, else all but the last before what is none.
Splitter::Place Splitter::blanks(Place from) {
  Place newline_end = nullptr;
  Place last = from;
  Place end = from;
  for (;;) {
    const Char next = at(end);
    if (!in(next.kind, kBlank)) {
      if (newline_end != nullptr) return newline_end;
      if (next.kind == Kind::kEnd || last == from) return end;
      return last;
    }
    last = end;
    end += next.size;
    if (next.kind == Kind::kNewline) newline_end = end;
  }
}

// Behind the contraction at `from`, or `from` if there is none. Without regard to case, which makes
// U+017F (long s) an s; no other letter of these folds to one outside ASCII.
Splitter::Place Splitter::contraction(Place from) {
  if (from == end_ || *from != '\'') return from == end_ ? (open_ = true, from) : from;
  const auto byte = [&](std::ptrdiff_t i) -> int {
    if (end_ - from > i) return from[i];
    open_ = true;
    return -1;
  };
  const auto folded = [&](std::ptrdiff_t i) {
    const int c = byte(i);
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
  };
  switch (folded(1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return from + 2;
    case 'r':
    case 'v':
      return folded(2) == 'e' ? from + 3 : from;
    case 'l':
      return folded(2) == 'l' ? from + 3 : from;
    case 0xc5:
      return byte(2) == 0xbf ? from + 3 : from;
    default:
      return from;
  }
}

}  // namespace sallyport::meter
