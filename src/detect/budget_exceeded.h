// SPDX-License-Identifier: Apache-2.0
// budget_exceeded: a budget is used up, or will be before its day ends. Records of the meter tell
// of refusals (error budget_exceeded) and of thresholds (action budget_alert); the forecast adds to
// what is spent what the season (season.h) expects of the rest of the day, or the pace of today so
// far where that is faster. Medium: a budget that holds is no theft.
#pragma once

#include "detect/sighting.h"
#include "detect/verdict.h"
#include "event/event.h"

namespace sallyport::detect {

struct KeyState;

Maybe budget_refused(const Event& event);
// Of an event of action budget_alert. `key` may be null.
Maybe budget_forecast(const Event& event, const KeyState* key, Second now);

}  // namespace sallyport::detect
