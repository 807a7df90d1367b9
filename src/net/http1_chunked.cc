// SPDX-License-Identifier: Apache-2.0
// One state per grammar position of RFC 9112 7.1, so that a segment may end anywhere. Control parts
// go byte by byte, data in runs. What the RFC calls "bad white space" around extensions is refused:
// readers differ about it, and no client of ours sends it.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "net/http1_characters.h"
#include "net/http1_head.h"

namespace sallyport::net {

namespace {

constexpr std::size_t kDigitsMax = 15;  // more are excess zeros
// Above it a reader's 32 bits wrap. No honest sender makes such a chunk, and nobody need wait for
// it.
constexpr std::uint64_t kChunkBytesMax = 0xffffffff;
constexpr std::size_t kExtensionBytesMax = 256;
constexpr std::size_t kExtensionTotalMax = 4096;
constexpr std::size_t kTrailerBytesMax = 8192;

enum State : int {
  kSize,            // digits of the chunk size
  kExtensionName,   // after ';'
  kExtensionValue,  // after '='
  kQuoted,          // inside a quoted extension value
  kQuotedPair,      // after its backslash
  kQuotedEnd,       // after the closing quote
  kSizeLf,          // CR seen, the chunk's line must end
  kData,
  kDataCr,
  kDataLf,
  kTrailerStart,  // first byte of a trailer line, or the CR of the empty line
  kTrailerName,
  kTrailerValue,
  kTrailerLf,
  kEndLf,  // CR of the empty line seen
  kFinished,
  kBroken,
};

// Fields that would change framing, routing, identity or the reading of the body if a reader merged
// trailers into the head (RFC 9110 6.5.1). We drop all trailers; these are an attack, so refuse.
constexpr std::string_view kForbiddenTrailers[] = {
    "api-key",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
    "x-api-key",
};
constexpr std::string_view kForbiddenTrailerPrefixes[] = {"x-forwarded-", "openai-",
                                                          "x-sallyport-"};

bool trailer_forbidden(std::string_view name) {
  return std::ranges::any_of(kForbiddenTrailers,
                             [&](std::string_view no) { return equal_lower(name, no); }) ||
         std::ranges::any_of(kForbiddenTrailerPrefixes, [&](std::string_view no) {
           return equal_lower(name.substr(0, no.size()), no);
         });
}

// Inside quotes: HTAB, SP, visible ASCII, obs-text.
bool is_text(char c) { return is_field_value({&c, 1}); }

}  // namespace

// A byte of the chunk's size line. False: malformed.
bool ChunkedDecoder::size_line(char c) {
  if (state_ != kSize && state_ != kSizeLf && c != '\r') {
    ++extension_total_;
    if (++extension_bytes_ > kExtensionBytesMax || extension_total_ > kExtensionTotalMax)
      return false;
  }
  const bool part_begun = digits_ > 0;  // digits of the size, or characters of the extension's part
  switch (state_) {
    case kSize:
      if (const int value = hex_value(c); value >= 0) {
        if (++digits_ > kDigitsMax) return false;
        left_ = left_ * 16 + static_cast<std::uint64_t>(value);
        return left_ <= kChunkBytesMax;
      }
      break;
    case kExtensionName:
    case kExtensionValue:
      if (is_token_char(c)) {
        ++digits_;
        return true;
      }
      if (c == '=' && state_ == kExtensionName && part_begun) {
        state_ = kExtensionValue;
        digits_ = 0;
        return true;
      }
      if (c == '"' && state_ == kExtensionValue && !part_begun) {
        state_ = kQuoted;
        return true;
      }
      break;
    case kQuoted:
      if (c == '"') {
        state_ = kQuotedEnd;
        digits_ = 1;
        return true;
      }
      if (c == '\\') state_ = kQuotedPair;
      return is_text(c);
    case kQuotedPair:
      state_ = kQuoted;
      return is_text(c);
    case kSizeLf:
      if (c != '\n') return false;
      state_ = left_ > 0 ? kData : kTrailerStart;
      return true;
    default:
      break;
  }
  if (!part_begun) return false;  // no size, no name, no value
  if (c == ';') {
    state_ = kExtensionName;
    digits_ = 0;
    return true;
  }
  if (c != '\r') return false;
  state_ = kSizeLf;
  return true;
}

// A byte after the last chunk. False: malformed or forbidden.
bool ChunkedDecoder::trailer(char c) {
  if (++trailer_bytes_ > kTrailerBytesMax) return false;
  switch (state_) {
    case kTrailerStart:
      if (c == '\r') {
        state_ = kEndLf;
        return true;
      }
      name_size_ = 0;
      state_ = kTrailerName;
      [[fallthrough]];
    case kTrailerName:
      if (c == ':') {
        const std::size_t kept = std::min(name_size_, name_.size());
        state_ = kTrailerValue;
        return name_size_ > 0 && !trailer_forbidden({name_.data(), kept});
      }
      if (name_size_ < name_.size()) name_[name_size_] = c;
      ++name_size_;
      return is_token_char(c);
    case kTrailerValue:
      if (c == '\r') {
        state_ = kTrailerLf;
        return true;
      }
      return is_text(c);
    case kTrailerLf:
      state_ = kTrailerStart;
      return c == '\n';
    default:  // kEndLf
      state_ = kFinished;
      return c == '\n';
  }
}

ChunkedDecoder::Step ChunkedDecoder::step(std::string_view input) {
  std::size_t at = 0;
  while (at < input.size() && state_ < kFinished) {
    if (state_ == kData) {
      const std::size_t run =
          static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
      left_ -= run;
      if (left_ == 0) state_ = kDataCr;
      return {Step::kMore, at + run, input.substr(at, run)};
    }
    const char c = input[at++];
    bool good = false;
    if (state_ == kDataCr) {
      good = c == '\r';
      state_ = kDataLf;
    } else if (state_ == kDataLf) {
      good = c == '\n';
      state_ = kSize;
      digits_ = extension_bytes_ = 0;
    } else if (state_ < kData) {
      good = size_line(c);
    } else {
      good = trailer(c);
    }
    if (!good) state_ = kBroken;
  }
  if (state_ == kBroken) return {Step::kBad, at, {}};
  return {state_ == kFinished ? Step::kDone : Step::kMore, at, {}};
}

std::string_view chunk_prefix(std::size_t size, std::array<char, 20>& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::size_t at = out.size();
  out[--at] = '\n';
  out[--at] = '\r';
  do {
    out[--at] = kDigits[size & 15];
    size >>= 4;
  } while (size > 0);
  return {out.data() + at, out.size() - at};
}

}  // namespace sallyport::net
