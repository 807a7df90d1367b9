// SPDX-License-Identifier: Apache-2.0
// How many tokens are in a request and in a piece of an answer. Budgets ask here; the tokenizer
// answers. `byte_counts()` needs no tokenizer: no token is shorter than a byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::meter {

struct TokenCount {
  std::int64_t tokens = 0;
  bool exact = false;  // false: something in it (a picture, a file) has a size nobody here knows
};

class TokenCounts {
 public:
  virtual ~TokenCounts() = default;
  // Of the whole body of a call, framing included. `body` is checked JSON.
  virtual TokenCount input(std::string_view path, std::string_view body,
                           std::string_view model) const = 0;
  virtual std::int64_t text(std::string_view text, std::string_view model) const = 0;
  // The most that the model says in one answer; nothing when it is not known.
  virtual std::optional<std::int64_t> output_max(std::string_view model) const = 0;
  // The most that it reads; of a model that nobody knows, what none is known to exceed.
  virtual std::int64_t context_max(std::string_view model) const = 0;
};

// Upper bounds from sizes alone.
const TokenCounts& byte_counts();

// By the tokenizer of the model and the rules of framing (count_request.h).
const TokenCounts& exact_counts();

}  // namespace sallyport::meter
