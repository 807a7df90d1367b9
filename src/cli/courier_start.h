// SPDX-License-Identifier: Apache-2.0
// Sets up what carries checkpoints of the log to witnesses and anchors, and deletes what its
// retention says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "audit/log_courier.h"
#include "base/clock.h"
#include "base/result.h"
#include "cli/serving.h"
#include "net/connect.h"
#include "net/offload.h"

namespace sallyport::cli {

// What open_courier would refuse of the configuration alone.
Result<void> check_courier(const audit::Config& config);

// Null without a journal. All arguments outlive it.
Result<std::unique_ptr<audit::LogCourier>> open_courier(const Record& record, const Clock& clock,
                                                        net::Resolver& resolver, net::Offload& disk,
                                                        std::function<std::uint64_t()> keep_from);

}  // namespace sallyport::cli
