// SPDX-License-Identifier: Apache-2.0
// The provider's own count of a call's input, before the call is made. Asked by `meter`, answered
// by `upstream` with the upstream, the credential and the connections of the call itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/task.h"
#include "exchange/exchange.h"

namespace sallyport {

class InputCount {
 public:
  virtual ~InputCount() = default;
  // `question` is the JSON body of POST /v1/responses/input_tokens. Nothing: the provider did not
  // count within `timeout_ms`, for whatever reason; the log tells which, and no text. `x` outlives
  // the task; of it only x.on_cancel is written, and empty again at the end.
  virtual Task<std::optional<std::int64_t>> count_input(Exchange& x, std::string question,
                                                        std::int64_t timeout_ms) = 0;
};

}  // namespace sallyport
