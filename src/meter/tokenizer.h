// SPDX-License-Identifier: Apache-2.0
// How many tokens a text is, exactly: o200k_base and cl100k_base, with the results of the npm
// package tiktoken (docs/tokens.md; tests/tokens compares every id). Text in, numbers out.
//
// Bytes that are not UTF-8 never come from a checked body; should they, each is a token of its own,
// which is as many as they can be.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "meter/splitter.h"
#include "meter/token_table.h"

namespace sallyport::meter {

// Of a model's family, also for fine-tuned ones ("ft:gpt-4o-mini:..."). Unknown ones: o200k, the
// encoding of every model since 2024.
Encoding encoding_of(std::string_view model);
// Is the model of a family whose encoding is known?
bool encoding_known(std::string_view model);

// Any thread; has no state of its own.
class Tokenizer {
 public:
  static const Tokenizer& of(Encoding encoding);

  // With `special_allowed`, "<|endoftext|>" and its kin are one token each; else text like any
  // other, which is how the provider takes what clients send.
  std::uint64_t count(std::string_view utf8, bool special_allowed = false) const;
  std::vector<std::uint32_t> encode(std::string_view utf8, bool special_allowed = false) const;

  Encoding encoding() const { return encoding_; }

 private:
  explicit Tokenizer(Encoding encoding);
  std::uint64_t run(std::string_view text, bool special, std::vector<std::uint32_t>* ids) const;
  std::uint64_t run_ordinary(std::string_view text, std::vector<std::uint32_t>* ids) const;

  Encoding encoding_;
  Ranks ranks_;
  Kinds kinds_;
};

}  // namespace sallyport::meter
