// SPDX-License-Identifier: Apache-2.0
// A finding as the contract spells it (docs/detectors.md), one JSON object on a line:
// {"time_utc","detector","severity","api_key_id","ip","geo","asn","score","summary",
// "evidence":{...},"tags":[...],"incident_id"}.
#pragma once

#include <string>

#include "event/event.h"

namespace sallyport::detect {

// `event` is of kind finding. With its newline.
void append_finding_line(std::string& out, const Event& event);

}  // namespace sallyport::detect
