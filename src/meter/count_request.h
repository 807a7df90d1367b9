// SPDX-License-Identifier: Apache-2.0
// How many tokens the input of a request is, before it is sent: text by the tokenizer, what stands
// around it by the documented rules (docs/tokens.md), what has no rule by a bound. Never knowingly
// too few. Works on the final body, which check_json has passed.
#pragma once

#include <cstdint>
#include <string_view>

#include "meter/token_limits.h"

namespace sallyport::meter {

struct InputCount {
  std::uint64_t tokens = 0;
  // All of it is text of a model whose encoding is known, framed as documented. Else a rule or a
  // bound stands for a part: tools, pictures, sound, files, shapes that are not known.
  bool exact = true;
  // A part is not in the body: stored context, files, what hosted tools bring in. `tokens` is then
  // at least the model's window, which bounds one turn of the model; hosted tools may cause
  // several.
  bool unseen = false;
  std::uint64_t seen = 0;  // of `tokens`, those of what is in the body
};

// `path` as in "/v1/chat/completions". Linear in the body but for a small factor.
InputCount count_input(std::string_view path, std::string_view json_body, std::string_view model);

}  // namespace sallyport::meter
