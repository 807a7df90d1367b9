// SPDX-License-Identifier: Apache-2.0
// Counting the text in raw, checked JSON; for the files count_*.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "meter/count_request.h"
#include "meter/tokenizer.h"

namespace sallyport::meter {

// Sums what a request consists of. Sums stop at the largest number.
class RequestSum {
 public:
  RequestSum(const Tokenizer& tokenizer, std::string_view model)
      : tokenizer_(tokenizer), model_(model) {}

  void add(std::uint64_t tokens);
  void add_text(std::string_view text) { add(tokenizer_.count(text)); }
  // A raw JSON string: its text. Anything else: `add_all`.
  void add_string(std::string_view raw);
  // A value of a shape that is not known: every string in it, keys too, each on its own, two tokens
  // for whatever may stand around each, one a bracket. More than the model can see of it.
  void add_all(std::string_view raw);

  void rule() { exact_ = false; }    // a rule or a bound stands for a part
  void unseen() { unseen_ = true; }  // a part is not in the body
  InputCount result() const;

  const Tokenizer& tokenizer() const { return tokenizer_; }
  std::string_view model() const { return model_; }

 private:
  const Tokenizer& tokenizer_;
  std::string_view model_;
  std::uint64_t tokens_ = 0;
  bool exact_ = true, unseen_ = false;
};

// `tools`, or `functions` of old: the documented rule for functions with flat parameters, a bound
// for the rest. Hosted tools bring in text that nobody here can see.
void add_tools(RequestSum& sum, std::string_view tools);
// One picture, by the documented rule for one of unknown size at that detail.
void add_image(RequestSum& sum, std::string_view detail);

bool is_string(std::string_view raw);
bool is_array(std::string_view raw);
bool is_object(std::string_view raw);
bool is_null(std::string_view raw);
// The key of a member, escapes resolved into `scratch` if there are any.
std::string_view decoded(std::string_view key, std::string& scratch);
// The text of a raw string member that holds a name ("type", "detail"); empty for all else.
std::string name_in(std::string_view object, std::string_view key);

}  // namespace sallyport::meter
