// SPDX-License-Identifier: Apache-2.0
// Datadog's intake for logs, v2: an array of messages, each with the record as text.
#pragma once

#include "notify/compression.h"
#include "notify/http_sink.h"
#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kDatadogOptions[] = {
    {"site", "Datadog's site, where `url` does not say it.", "datadoghq.com"},
    {"service", "Shown as the message's service.", "sallyport"},
    {"tags", "Tags of every message: env:prod,team:ai."},
    kCompressionOption,
    kFormatOption,
};

Result<std::unique_ptr<HttpFormat>> datadog_format(const SinkConfig& config,
                                                   const SinkParts& parts);

Result<std::unique_ptr<Sink>> make_datadog(const SinkConfig& config, const SinkParts& parts);
Result<void> check_datadog(const SinkConfig& config);

}  // namespace sallyport::notify
