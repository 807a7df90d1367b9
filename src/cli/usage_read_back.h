// SPDX-License-Identifier: Apache-2.0
// What passed before this start, from the journal into the sums that are compared with the
// provider's usage: a restart must not make what passed look like a bypass, nor hide one.
#pragma once

#include "audit/config.h"
#include "base/clock.h"
#include "meter/own_usage.h"

namespace sallyport::cli {

// Of the last three hours, newest first, half a million records or two seconds at most; the sums
// then count as complete from the oldest that was read. An intent without an outcome counts as a
// call of unknown usage. Blocks on the disk: before anything is served. A journal that is not there
// or damaged leaves the sums as they are, and the log says so.
void read_back_usage(meter::OwnUsageSums& sums, const audit::Config& config, const Clock& clock);

}  // namespace sallyport::cli
