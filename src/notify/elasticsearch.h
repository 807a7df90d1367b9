// SPDX-License-Identifier: Apache-2.0
// Elasticsearch's and OpenSearch's _bulk: an action and a document per record, into a data stream.
// The document's id is the record's, so one that is there already was delivered before.
#pragma once

#include "notify/compression.h"
#include "notify/http_sink.h"
#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kElasticsearchOptions[] = {
    {"index", "The data stream or index.", "logs-sallyport.audit-default"},
    {"pipeline", "An ingest pipeline to go through."},
    kCompressionOption,
    kFormatOption,
};

Result<std::unique_ptr<HttpFormat>> elasticsearch_format(const SinkConfig& config);

// Both types; with a `user` the token is a password (Basic), without one an API key.
Result<std::unique_ptr<Sink>> make_elasticsearch(const SinkConfig& config, const SinkParts& parts);
Result<void> check_elasticsearch(const SinkConfig& config);

}  // namespace sallyport::notify
