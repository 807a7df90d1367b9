// SPDX-License-Identifier: Apache-2.0
// A stage is one decision about one exchange. On the way in `admit` runs in the order of main.cc;
// on the way back `answer` runs in reverse order, each wrapping the body that it was given.
#pragma once

#include <memory>
#include <optional>

#include "base/task.h"
#include "exchange/exchange.h"

namespace sallyport {

class Stage {
 public:
  virtual ~Stage() = default;
  virtual const char* name() const = 0;

  // Nothing lets the exchange pass; a refusal stops it. `x` outlives the task.
  virtual Task<std::optional<Refusal>> admit(Exchange& x) = 0;

  // Called for each stage that admitted, in reverse order, once the head of the answer is in
  // x.answer. May change the head, wrap x.answer.body, or (event streams) add to
  // x.answer.event_filters.
  virtual void answer(Exchange&) {}

  // Called for each stage that admitted, in reverse order, when the exchange is over and its record
  // is about to be written (settle, count). Must not block.
  virtual void finish(Exchange&) {}
};

}  // namespace sallyport
