// SPDX-License-Identifier: Apache-2.0
#include "notify/bigquery_row.h"

#include <array>

#include "base/json_writer.h"

namespace sallyport::notify {
namespace {

using Write = void (*)(JsonWriter& json, std::string_view name, const Outgoing& record);

struct Column {
  BigQueryColumn told;
  Write write;
};

void put(JsonWriter& json, std::string_view name, const std::string& value) {
  if (!value.empty()) json.field(name, value);
}
void put(JsonWriter& json, std::string_view name, std::int64_t value) {
  json.field(name, std::to_string(value));
}
void put(JsonWriter& json, std::string_view name, int value) {
  json.field(name, std::to_string(value));
}
void put(JsonWriter& json, std::string_view name, bool value) { json.field(name, value); }
void put(JsonWriter& json, std::string_view name, NanoUsd value) {
  std::string text;
  append_usd(text, value);
  json.key(name).raw(text);
}

template <auto kMember>
void member(JsonWriter& json, std::string_view name, const Outgoing& record) {
  const auto& value = record.event.*kMember;
  if constexpr (requires { value.has_value(); }) {
    if (value) put(json, name, *value);
  } else {
    put(json, name, value);
  }
}

void id(JsonWriter& json, std::string_view name, const Outgoing& record) {
  json.field(name, record.id);
}
void seq(JsonWriter& json, std::string_view name, const Outgoing& record) {
  json.field(name, std::to_string(record.seq));
}
void time(JsonWriter& json, std::string_view name, const Outgoing& record) {
  json.field(name, format_utc(record.event.timestamp_utc));
}
void kind(JsonWriter& json, std::string_view name, const Outgoing& record) {
  json.field(name, sallyport::name(record.event.kind));
}
void pii(JsonWriter& json, std::string_view name, const Outgoing& record) {
  std::int64_t sum = 0;
  for (const auto& [type, count] : record.event.pii) sum += count;
  if (sum > 0) json.field(name, std::to_string(sum));
}
void verdict(JsonWriter& json, std::string_view name, const Outgoing& record) {
  if (record.event.injection) json.field(name, record.event.injection->verdict);
}
void score(JsonWriter& json, std::string_view name, const Outgoing& record) {
  if (record.event.injection) json.field(name, record.event.injection->score);
}
void whole(JsonWriter& json, std::string_view name, const Outgoing& record) {
  json.field(name, record.line);  // a column of type JSON takes its text
}

constexpr auto kColumns = std::to_array<Column>({
    {{"id", "STRING", "Name of the record everywhere: origin and seq.", true}, id},
    {{"seq", "INT64", "Number of the record in its log.", true}, seq},
    {{"timestamp_utc", "TIMESTAMP", "When the record was made.", true}, time},
    {{"kind", "STRING", "What the record is.", true}, kind},
    {{"request_id", "STRING", "Joins the records of one request."}, member<&Event::request_id>},
    {{"api_key_id", "STRING", "Stable name of the key."}, member<&Event::api_key_id>},
    {{"kid", "STRING", "The credential that was used."}, member<&Event::kid>},
    {{"claimed_kid", "STRING", "The credential claimed in vain."}, member<&Event::claimed_kid>},
    {{"layer", "STRING", "The layer that the key hangs on."}, member<&Event::layer>},
    {{"endpoint", "STRING", "Method and path."}, member<&Event::endpoint>},
    {{"model", "STRING", "As the client named it."}, member<&Event::model>},
    {{"module", "STRING", "What the call is for."}, member<&Event::module>},
    {{"purpose", "STRING", "And why."}, member<&Event::purpose>},
    {{"status", "INT64", "HTTP status the client got."}, member<&Event::status>},
    {{"error", "STRING", "Stable code of what went wrong."}, member<&Event::error>},
    {{"latency_ms", "INT64", "Milliseconds to the answer's end."}, member<&Event::latency_ms>},
    {{"ttft_ms", "INT64", "Milliseconds to the answer's first byte."}, member<&Event::ttft_ms>},
    {{"tokens_input", "INT64", "Tokens of the request."}, member<&Event::tokens_input>},
    {{"tokens_output", "INT64", "Tokens of the answer."}, member<&Event::tokens_output>},
    {{"tokens_cached", "INT64", "Of the request's, cached ones."}, member<&Event::tokens_cached>},
    {{"cost_usd", "FLOAT64", "US dollars by the price table."}, member<&Event::cost_usd>},
    {{"stream", "BOOL", "Server-sent events were asked for."}, member<&Event::stream>},
    {{"ip", "STRING", "The client's address."}, member<&Event::ip>},
    {{"geo", "STRING", "Its country."}, member<&Event::geo>},
    {{"asn", "INT64", "Number of its network."}, member<&Event::asn>},
    {{"network", "STRING", "Name of its network."}, member<&Event::network>},
    {{"upstream", "STRING", "Name of the upstream."}, member<&Event::upstream>},
    {{"provider_key_id", "STRING", "The provider's credential."}, member<&Event::provider_key_id>},
    {{"upstream_status", "INT64", "HTTP status of the provider."}, member<&Event::upstream_status>},
    {{"pii_count", "INT64", "Personal data found."}, pii},
    {{"injection_verdict", "STRING", "pass, alert or block."}, verdict},
    {{"injection_score", "FLOAT64", "0 to 1."}, score},
    {{"action", "STRING", "What was done."}, member<&Event::action>},
    {{"actor", "STRING", "Who did it."}, member<&Event::actor>},
    {{"repeated", "INT64", "The record stands for so many refusals."}, member<&Event::repeated>},
    {{"record", "JSON", "The whole record.", true}, whole},
});

constexpr auto kTold = [] {
  std::array<BigQueryColumn, kColumns.size()> told{};
  for (std::size_t i = 0; i < told.size(); ++i) told[i] = kColumns[i].told;
  return told;
}();

}  // namespace

std::span<const BigQueryColumn> bigquery_columns() { return kTold; }

void append_bigquery_row(std::string& out, const Outgoing& record) {
  JsonWriter json(out);
  json.begin_object();
  for (const Column& column : kColumns) column.write(json, column.told.name, record);
  json.end_object();
}

std::string bigquery_schema() {
  std::string out = "[\n";
  for (const BigQueryColumn& column : kTold) {
    out += "  ";
    JsonWriter json(out);
    json.begin_object().field("name", column.name).field("type", column.type);
    json.field("mode", column.required ? "REQUIRED" : "NULLABLE");
    json.field("description", column.meaning).end_object();
    out += &column == &kTold.back() ? "\n" : ",\n";
  }
  return out + "]\n";
}

}  // namespace sallyport::notify
