// SPDX-License-Identifier: Apache-2.0
// THE table of BigQuery columns: what a row says, packaging/bigquery/schema.json and the LookML
// view all follow it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "notify/gen_ai_names.h"
#include "notify/sink.h"

namespace sallyport::notify {

struct BigQueryColumn {
  std::string_view name;
  std::string_view type;     // of BigQuery: TIMESTAMP, STRING, INT64, FLOAT64, BOOL, JSON
  std::string_view meaning;  // one sentence
  bool required = false;
};
std::span<const BigQueryColumn> bigquery_columns();

// A row's "json": known columns only; INT64 as text.
void append_bigquery_row(std::string& out, const Outgoing& record);

// The file that `bq mk` takes.
std::string bigquery_schema();

}  // namespace sallyport::notify
