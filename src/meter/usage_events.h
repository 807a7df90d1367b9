// SPDX-License-Identifier: Apache-2.0
// Reads usage out of a streamed answer. Where it was the gate that asked for usage in a chat
// stream, the extra chunk and the null members are taken out again, all else byte for byte.
#pragma once

#include <memory>

#include "exchange/event_stream.h"
#include "exchange/exchange.h"

namespace sallyport::meter {

// `x` outlives the filter.
std::unique_ptr<EventFilter> usage_events(Exchange& x);

}  // namespace sallyport::meter
