// SPDX-License-Identifier: Apache-2.0
// The receivers of records, as serve begins them.
#pragma once

#include <memory>
#include <vector>

#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"
#include "config/config.h"
#include "event/ports/metrics.h"
#include "event/ports/recorder.h"
#include "net/connect.h"
#include "notify/sink_runner.h"

namespace sallyport::cli {

// Everything outlives the sinks. The log gets its name (origin) here if it has none yet and there
// is a sink: every record is known by it elsewhere. `metrics`: what is counted in the house, filled
// before the sinks start. kInvalid: what is wrong with `notify`.
Result<std::unique_ptr<notify::Sinks>> open_sinks(
    const config::Config& config, audit::FileSystem& files, const Recorder& recorder,
    net::Resolver& resolver, const Clock& clock,
    const std::vector<const MetricSource*>* metrics = nullptr, Sealer* sealer = nullptr);

}  // namespace sallyport::cli
