// SPDX-License-Identifier: Apache-2.0
// BigQuery's streaming insertAll, with a token that the service account signs for itself. A row
// that BigQuery refuses spoils no other (skipInvalidRows).
#pragma once

#include "notify/bigquery_token.h"
#include "notify/http_sink.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kBigQueryOptions[] = {
    {"project", "Project of the table; left out, the service account's."},
    {"dataset", "The dataset.", {}, true},
    {"table", "The table, made from packaging/bigquery/schema.json.", "audit"},
};

Result<std::unique_ptr<HttpFormat>> bigquery_format(const SinkConfig& config);

Result<std::unique_ptr<Sink>> make_bigquery(const SinkConfig& config, const SinkParts& parts);
Result<void> check_bigquery(const SinkConfig& config);

}  // namespace sallyport::notify
