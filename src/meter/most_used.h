// SPDX-License-Identifier: Apache-2.0
// The most that a call can have used at the provider, for calls whose usage nobody tells us. Told
// from sizes and the model's maximum, without a tokenizer: rather too much.
#pragma once

#include <cstdint>
#include <string_view>

#include "event/event.h"
#include "exchange/exchange.h"

namespace sallyport::meter {

struct MostUsed {
  // Does what it uses stand in the provider's usage of "completions", as far as that is known?
  bool counts = false;
  bool batch = false;  // a day's work of unknown size; then `tokens` says nothing
  // The provider may go on with it after its answer, or ask the model several times for it.
  bool several = false;
  std::int64_t tokens = 0;
};

// On its way in, when the body is read and not yet sent.
MostUsed most_used(const Exchange& x);
// From the record alone.
MostUsed most_used(const Event& event);

// Is all that calls of this endpoint use told in their answers?
bool counts_as_completions(std::string_view endpoint);

}  // namespace sallyport::meter
