// SPDX-License-Identifier: Apache-2.0
// Splunk's HTTP Event Collector: JSON objects one behind the other, judged by HTTP status and code.
// 200 means accepted, not indexed; notify/splunk_ack.h waits for the indexers.
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
    {"ack", "yes: a batch counts when the indexers have it; the token must have that on.", "no"},
    {"ack_timeout", "What they have not confirmed then is sent again, 1s to 1h.", "5m"},
    kCompressionOption,
    kFormatOption,
};

// For tests of the format alone; `config` outlives it.
Result<std::unique_ptr<HttpFormat>> splunk_format(const SinkConfig& config, const SinkParts& parts);

Result<std::unique_ptr<Sink>> make_splunk(const SinkConfig& config, const SinkParts& parts);
Result<void> check_splunk(const SinkConfig& config);

}  // namespace sallyport::notify
