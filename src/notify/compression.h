// SPDX-License-Identifier: Apache-2.0
// Bodies of requests as gzip, for receivers that document it. Limits of a batch (batch_bytes, what
// a receiver takes) count what is inside.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "notify/config.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kCompressionOption = {
    "compression", "How a request's body goes: gzip, or none.", "gzip"};

// kInvalid: "options.compression: ...".
Result<void> check_compression(const SinkConfig& config, const SinkType& type);

// One member, at zlib's fastest level: records are so much alike that more effort gains little.
// kUnavailable: no memory.
Result<std::string> gzip(std::string_view text);

}  // namespace sallyport::notify
