// SPDX-License-Identifier: Apache-2.0
#include "notify/otlp_records.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <iterator>

#include "base/json_writer.h"
#include "base/text.h"
#include "notify/gen_ai_names.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kTraceIdBytes = 16, kSpanIdBytes = 8;
constexpr int kSpanClient = 3, kStatusError = 2;

// {"key":...,"value":{"stringValue":...}} and its kin.
class Attributes final : public AttributeWriter {
 public:
  // `out`: what `json` writes into. Names are our own and plain, and there are fifty a record: they
  // go in as they are.
  Attributes(JsonWriter& json, std::string& out) : out_(out) { json.key("attributes").raw("["); }
  void end() { out_ += ']'; }

  void text(std::string_view name, std::string_view value) override {
    open(name, R"("stringValue":)");
    append_json_string(out_, value);
    close();
  }
  void integer(std::string_view name, std::int64_t value) override {
    open(name, R"("intValue":")");
    fmt::format_to(std::back_inserter(out_), "{}\"", value);
    close();
  }
  void number(std::string_view name, double value) override {
    open(name, R"("doubleValue":)");
    JsonWriter(out_).value(value);
    close();
  }
  void boolean(std::string_view name, bool value) override {
    open(name, value ? R"("boolValue":true)" : R"("boolValue":false)");
    close();
  }

  void all(std::span<const Attribute> table, const Event& event) {
    for (const Attribute& one : table) one.write(one.name, event, *this);
  }

 private:
  void open(std::string_view name, std::string_view value) {
    out_ += first_ ? R"({"key":")" : R"(,{"key":")";
    out_ += name;
    out_ += R"(","value":{)";
    out_ += value;
    first_ = false;
  }
  void close() { out_ += "}}"; }
  std::string& out_;
  bool first_ = true;
};

std::string nanoseconds(UtcTime time) {
  return std::to_string(time.time_since_epoch().count() * kNsPerMs);
}

// A name of ours becomes an id that is the same wherever it is made.
std::string digest_hex(std::string_view salt, std::string_view id, std::size_t bytes) {
  std::string text(salt);
  text += id;
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return to_hex({reinterpret_cast<const char*>(digest), bytes});
}

int severity_number(Severity severity) {
  static constexpr int kNumbers[] = {9, 10, 13, 17, 21};  // INFO, INFO2, WARN, ERROR, FATAL
  return kNumbers[static_cast<int>(severity)];
}

std::string_view severity_text(Severity severity) {
  static constexpr std::string_view kTexts[] = {"INFO", "INFO2", "WARN", "ERROR", "FATAL"};
  return kTexts[static_cast<int>(severity)];
}

void append_scope(JsonWriter& json, const OtlpResource& resource) {
  json.key("scope").begin_object().field("name", "sallyport.audit");
  json.field("version", resource.version).end_object();
}

void append_log(JsonWriter& json, std::string& out, const Outgoing& record, UtcTime now) {
  const Event& event = record.event;
  const Severity severity = severity_of(event);
  json.begin_object().field("timeUnixNano", nanoseconds(event.timestamp_utc));
  json.field("observedTimeUnixNano", nanoseconds(now));
  json.field("severityNumber", severity_number(severity));
  json.field("severityText", severity_text(severity));
  json.field("eventName", "sallyport." + std::string(name(event.kind)));
  if (!event.request_id.empty()) {
    json.field("traceId", otlp_trace_id(event)).field("spanId", otlp_span_id(event));
  }
  json.key("body").begin_object().field("stringValue", headline(event)).end_object();
  Attributes attributes(json, out);
  attributes.text("sallyport.audit.id", record.id);
  if (!gen_ai_operation(event.endpoint).empty()) attributes.all(call_attributes(), event);
  attributes.all(record_attributes(), event);
  attributes.end();
  json.end_object();
}

bool is_call(const Event& event) {
  return event.kind == Kind::kRequest && !event.request_id.empty() &&
         !gen_ai_operation(event.endpoint).empty();
}

void append_span(JsonWriter& json, std::string& out, const Outgoing& record) {
  const Event& event = record.event;
  std::string title(gen_ai_operation(event.endpoint));
  if (event.model) title += " " + *event.model;
  const UtcTime began =
      event.timestamp_utc - std::chrono::milliseconds(event.latency_ms.value_or(0));
  json.begin_object().field("traceId", otlp_trace_id(event));
  json.field("spanId", otlp_span_id(event)).field("name", title).field("kind", kSpanClient);
  json.field("startTimeUnixNano", nanoseconds(began));
  json.field("endTimeUnixNano", nanoseconds(event.timestamp_utc));
  Attributes attributes(json, out);
  attributes.text("sallyport.audit.id", record.id);
  attributes.all(call_attributes(), event);
  attributes.all(record_attributes(), event);
  attributes.end();
  if (outcome_of(event) == Outcome::kFailure) {
    json.key("status").begin_object().field("code", kStatusError);
    json.field("message", event.error.value_or("")).end_object();
  }
  json.end_object();
}

}  // namespace

std::string otlp_trace_id(const Event& event) {
  return digest_hex("trace ", event.request_id, kTraceIdBytes);
}

std::string otlp_span_id(const Event& event) {
  return digest_hex("span ", event.request_id, kSpanIdBytes);
}

std::string otlp_resource(const OtlpResource& resource) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  Attributes attributes(json, out);
  attributes.text("service.name", resource.service);
  attributes.text("service.version", resource.version);
  attributes.text("host.name", resource.host);
  attributes.end();
  json.end_object();
  return out;
}

std::string otlp_logs(const Batch& batch, const OtlpResource& resource, UtcTime now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("resourceLogs").begin_array().begin_object();
  json.key("resource").raw(otlp_resource(resource));
  json.key("scopeLogs").begin_array().begin_object();
  append_scope(json, resource);
  json.key("logRecords").begin_array();
  for (const Outgoing& record : batch) append_log(json, out, record, now);
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return out;
}

std::string otlp_traces(const Batch& batch, const OtlpResource& resource) {
  std::string out;
  bool any = false;
  JsonWriter json(out);
  json.begin_object().key("resourceSpans").begin_array().begin_object();
  json.key("resource").raw(otlp_resource(resource));
  json.key("scopeSpans").begin_array().begin_object();
  append_scope(json, resource);
  json.key("spans").begin_array();
  for (const Outgoing& record : batch) {
    if (!is_call(record.event)) continue;
    append_span(json, out, record);
    any = true;
  }
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  if (!any) out.clear();
  return out;
}

}  // namespace sallyport::notify
