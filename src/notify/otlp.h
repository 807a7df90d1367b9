// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry over OTLP/HTTP in JSON: every record as a log record, every call of a model as a
// span, and the house's metrics now and then. A receiver's partial success is never sent again.
#pragma once

#include "notify/compression.h"
#include "notify/http_sink.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kOtlpOptions[] = {
    {"header", "Name of the header that carries the token, as it is.", "authorization"},
    {"service", "Shown as service.name.", "sallyport"},
    {"traces", "yes: calls of models are spans too; no: logs only.", "yes"},
    {"metrics", "How often metrics are pushed, 5s to 1h; 0s: never.", "60s"},
    {"temporality", "Of counters: cumulative, or delta where the receiver wants it (Datadog).",
     "cumulative"},
    kCompressionOption,
};

// What an answer to any of the three signals means. `rejected`: the member that counts what was not
// taken ("rejectedLogRecords").
Verdict judge_otlp(const net::Reply& reply, std::string_view rejected, const Batch& batch,
                   std::chrono::milliseconds wait);

Result<std::unique_ptr<Sink>> make_otlp(const SinkConfig& config, const SinkParts& parts);
Result<void> check_otlp(const SinkConfig& config);

}  // namespace sallyport::notify
