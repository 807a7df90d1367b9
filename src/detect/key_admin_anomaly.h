// SPDX-License-Identifier: Apache-2.0
// key_admin_anomaly: the visitor case (visitor_case.h) on administrators. An actor has networks,
// hours and habits like a key; the acts are what a request's endpoint is elsewhere, and an act that
// makes secrets (create, rotate, mint) from a network that is not home weighs more. Three acts are
// the least, as for keys, except that one secret made at a silent hour from an unknown network is
// told.
#pragma once

#include <string_view>

#include "detect/config.h"
#include "detect/key_state.h"
#include "detect/verdict.h"

namespace sallyport::detect {

Maybe key_admin_anomaly(const Sighting& sighting, std::string_view action, KeyState& actor,
                        const Peers& peers, const Config& config);
// Of kind provider: an administrator's key that appeared or that nobody declared.
Maybe provider_admin_key(std::string_view action, std::string_view error);

}  // namespace sallyport::detect
