// SPDX-License-Identifier: Apache-2.0
// Splunk's HTTP Event Collector: JSON objects one behind the other, judged by HTTP status and code.
// 200 means accepted, not indexed.
#pragma once

#include "notify/compression.h"
#include "notify/http_sink.h"
#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kSplunkOptions[] = {
    {"index", "The index; left out, the token's own."},
    {"source", "Shown as the event's source.", "sallyport"},
    {"sourcetype", "Splunk's rule for reading an event.", "_json"},
    kCompressionOption,
    kFormatOption,
};

// For tests of the format alone; `config` outlives it.
Result<std::unique_ptr<HttpFormat>> splunk_format(const SinkConfig& config, const SinkParts& parts);

Result<std::unique_ptr<Sink>> make_splunk(const SinkConfig& config, const SinkParts& parts);
Result<void> check_splunk(const SinkConfig& config);

}  // namespace sallyport::notify
