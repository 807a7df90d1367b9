// SPDX-License-Identifier: Apache-2.0
// The record of an administrator's act: who, from where, what, before and after.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/key_acts.h"
#include "base/clock.h"
#include "event/event.h"
#include "event/ports/recorder.h"
#include "event/restrictions.h"

namespace sallyport::admin {

// `endpoint` is a route's own spelling ("POST /key/{key}/regenerate"), never what a caller typed.
Event act_event(const Clock& clock, std::string endpoint, const Actor& actor, std::string action);

// {"before":..,"after":..,"why":..}; `why` is left out when empty.
std::string act_detail(std::string_view before_json, std::string_view after_json,
                       std::string_view why = {});

// A hard budget is counted from the journal: without one it cannot be kept, and is refused where it
// is set (kInvalid). `whose` for the message: "the key app".
Result<void> budgets_kept(const Recorder& recorder, const Restrictions& restrictions,
                          std::string_view whose);

// False when the journal did not take it. Blocks up to 5 s: not on a loop.
bool record_durably(Recorder& recorder, Event event);
// Of many, how many the journal did not take. They share its syncs: a thousand cost little more
// than one.
std::size_t record_all_durably(Recorder& recorder, std::vector<Event> events);

}  // namespace sallyport::admin
