// SPDX-License-Identifier: Apache-2.0
// gateway_bypass: what the reconciliation with the provider's usage found (docs/reconciliation.md)
// - more tokens at the provider than passed here or than open calls of ours explain. The comparison
// has its own tolerance and its own edges, so its word is high; a key that nobody here knows is
// critical. Also keys that appear in the provider's projects without us (records of the account
// watch), medium: nobody has used them yet.
#pragma once

#include "detect/verdict.h"
#include "event/event.h"

namespace sallyport::detect {

Maybe gateway_bypass(const Event& event);  // of kind provider

}  // namespace sallyport::detect
