// SPDX-License-Identifier: Apache-2.0
// Records as OpenTelemetry's logs and traces, in the JSON of OTLP/HTTP: names in lowerCamelCase,
// 64-bit integers as text, ids of traces and spans in hex, enumerations as numbers.
#pragma once

#include <string>

#include "notify/sink.h"

namespace sallyport::notify {

// What every signal says about where it comes from.
struct OtlpResource {
  std::string service, host, version;
};

// The body of /v1/logs: every record is a log record.
std::string otlp_logs(const Batch& batch, const OtlpResource& resource, UtcTime now);

// The body of /v1/traces: every finished call of a model is a span; empty when there is none.
std::string otlp_traces(const Batch& batch, const OtlpResource& resource);

// The `resource` member's value.
std::string otlp_resource(const OtlpResource& resource);

// Of a request, the same for its log records and its span: hex of 16 and of 8 bytes.
std::string otlp_trace_id(const Event& event);
std::string otlp_span_id(const Event& event);

}  // namespace sallyport::notify
