// SPDX-License-Identifier: Apache-2.0
// Counts what a streamed answer generates, as it passes: for streams that end before the provider
// has told their usage. Counts rather too much: each piece of text for itself, at least one token
// for each, and one a byte in pieces above 64 KiB, since it counts on the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "exchange/event_stream.h"
#include "meter/token_counts.h"

namespace sallyport::meter {

struct Generated {
  std::int64_t tokens = 0;
  bool uncountable = false;  // an event too large to look into, or sound
};

// `generated` and `counts` outlive the filter.
std::unique_ptr<EventFilter> count_generated(StreamDialect dialect, std::string model,
                                             const TokenCounts& counts, Generated& generated);

}  // namespace sallyport::meter
