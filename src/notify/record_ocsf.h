// SPDX-License-Identifier: Apache-2.0
// A record as an OCSF 1.9 event: a call is API Activity, a credential that was not accepted is
// Authentication, a change of a key is User Management, other acts are API Activity of their actor,
// the rest are Base Events. The whole record stands under `unmapped.sallyport`.
#pragma once

#include <string>
#include <string_view>

#include "notify/sink.h"

namespace sallyport::notify {

inline constexpr std::string_view kOcsfVersion = "1.9.0";

void append_ocsf(std::string& out, const Outgoing& record);

}  // namespace sallyport::notify
