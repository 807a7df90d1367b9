// SPDX-License-Identifier: Apache-2.0
// The record of an administrator's act: who, from where, what, before and after.
#pragma once

#include <string>
#include <string_view>

#include "admin/key_acts.h"
#include "base/clock.h"
#include "event/event.h"
#include "event/ports/recorder.h"

namespace sallyport::admin {

// `endpoint` is a route's own spelling ("POST /key/{key}/regenerate"), never what a caller typed.
Event act_event(const Clock& clock, std::string endpoint, const Actor& actor, std::string action);

// {"before":..,"after":..,"why":..}; `why` is left out when empty.
std::string act_detail(std::string_view before_json, std::string_view after_json,
                       std::string_view why = {});

// False when the journal did not take it. Blocks up to 5 s: not on a loop.
bool record_durably(Recorder& recorder, Event event);

}  // namespace sallyport::admin
