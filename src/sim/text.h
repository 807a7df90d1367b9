// SPDX-License-Identifier: Apache-2.0
// What the simulated model says and how many tokens that is. Each token is computed from the
// request's digest and its place, so an answer of a gigabyte needs no memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/answer.h"

namespace sallyport::sim {

class Text {
 public:
  // What the call gets to read: words of many scripts, an echo, or filler of the size asked for.
  // `tokens_max` cuts it (finish_reason "length").
  Text(const Call& call, std::optional<std::int64_t> tokens_max);

  std::size_t count() const { return count_; }
  bool cut() const { return cut_; }
  std::string token(std::size_t place, std::size_t choice = 0) const;
  std::string whole(std::size_t choice = 0) const;

 private:
  std::uint64_t seed_ = 0;
  std::size_t count_ = 0;
  bool cut_ = false;
  std::uint64_t filler_bytes_ = 0;
  std::vector<std::string> echo_;
};

// About four bytes a token, at least one for text that is not empty.
std::int64_t tokens_of(std::string_view text);
// Of every string in the value, with four more for each object (a message's frame).
std::int64_t tokens_of(const JsonValue& value);

// Random characters that pad a delta to hide how long its token is; the same for the same request.
std::string obfuscation(std::string_view digest, std::size_t place, std::size_t text_bytes);

// 64 bits of a hex digest.
std::uint64_t number_of(std::string_view digest);
// One step of a generator (splitmix64): good enough to pick words, not for secrets.
std::uint64_t mixed(std::uint64_t seed);

}  // namespace sallyport::sim
