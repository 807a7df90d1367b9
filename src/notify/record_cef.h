// SPDX-License-Identifier: Apache-2.0
// A record as one line of the Common Event Format, for syslog.
#pragma once

#include <string>
#include <string_view>

#include "notify/sink.h"

namespace sallyport::notify {

// `version`: of this program. No newline, no control character.
void append_cef(std::string& out, const Outgoing& record, std::string_view version);

}  // namespace sallyport::notify
