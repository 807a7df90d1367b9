// SPDX-License-Identifier: Apache-2.0
#include "notify/record_ecs.h"

#include "base/json_writer.h"
#include "notify/gen_ai_names.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

struct Words {
  std::string_view kind, category, type;
};

Words words_of(const Event& event) {
  switch (event.kind) {
    case Kind::kRequest:
      if (event.status == 401) return {"event", "authentication", "denied"};
      return {"event", "api", event.status.value_or(0) == 403 ? "denied" : "access"};
    case Kind::kIntent:
      return {"event", "api", "start"};
    case Kind::kProgress:
      return {"event", "api", "info"};
    case Kind::kAdmin:
      return {"event", event.api_key_id ? "iam" : "configuration", "change"};
    case Kind::kAction:
      return {"event", event.api_key_id ? "iam" : "configuration", "change"};
    case Kind::kBreaker:
      return {"event", "network", "change"};
    case Kind::kProvider:
      return {event.error ? "alert" : "event", "iam", "info"};
    case Kind::kFinding:
    case Kind::kIncident:
      return {"alert", "intrusion_detection", "info"};
  }
  return {"event", "api", "info"};
}

std::string_view outcome_word(Outcome outcome) {
  if (outcome == Outcome::kOpen) return "unknown";
  return outcome == Outcome::kSuccess ? "success" : "failure";
}

void append_event_part(JsonWriter& json, const Outgoing& record) {
  const Event& event = record.event;
  const Words words = words_of(event);
  json.key("event").begin_object().field("id", record.id).field("kind", words.kind);
  json.key("category").begin_array().value(words.category).end_array();
  json.key("type").begin_array().value(words.type).end_array();
  json.field("outcome", outcome_word(outcome_of(event)));
  json.field("action", event.action.value_or(std::string(name(event.kind))));
  json.field("module", "sallyport").field("dataset", "sallyport.audit");
  json.field("sequence", event.seq).field("severity", static_cast<int>(severity_of(event)));
  if (event.latency_ms) json.field("duration", *event.latency_ms * kNsPerMs);
  json.end_object();
}

void append_source_part(JsonWriter& json, const Event& event) {
  if (event.ip.empty()) return;
  json.key("source").begin_object().field("ip", event.ip).field("address", event.ip);
  if (event.geo) {
    json.key("geo").begin_object().field("country_iso_code", *event.geo).end_object();
  }
  if (event.asn) {
    json.key("as").begin_object().field("number", *event.asn);
    if (event.network) {
      json.key("organization").begin_object().field("name", *event.network).end_object();
    }
    json.end_object();
  }
  json.end_object();
}

void append_http_part(JsonWriter& json, const Event& event) {
  const auto [method, path] = split_endpoint(event.endpoint);
  if (method.empty() && !event.status) return;
  json.key("http").begin_object();
  if (!method.empty()) {
    json.key("request").begin_object().field("method", method);
    if (!event.request_id.empty()) json.field("id", event.request_id);
    if (event.request_bytes) {
      json.key("body").begin_object().field("bytes", *event.request_bytes).end_object();
    }
    json.end_object();
  }
  if (event.status) {
    json.key("response").begin_object().field("status_code", *event.status);
    if (event.response_bytes) {
      json.key("body").begin_object().field("bytes", *event.response_bytes).end_object();
    }
    json.end_object();
  }
  json.end_object();
  if (!method.empty()) json.key("url").begin_object().field("path", path).end_object();
}

void append_finding_part(JsonWriter& json, const Event& event) {
  if (!event.finding) return;
  json.key("rule").begin_object().field("name", event.finding->detector).end_object();
  json.key("tags").begin_array();
  for (const std::string& tag : event.finding->tags) json.value(tag);
  json.end_array();
}

void append_gen_ai_part(JsonWriter& json, const Event& event) {
  const std::string_view operation = gen_ai_operation(event.endpoint);
  if (operation.empty()) return;
  json.key("gen_ai").begin_object();
  json.key("operation").begin_object().field("name", operation).end_object();
  json.key("provider").begin_object().field("name", kGenAiProvider).end_object();
  if (event.model) json.key("request").begin_object().field("model", *event.model).end_object();
  if (event.tokens_input || event.tokens_output) {
    json.key("usage").begin_object();
    if (event.tokens_input) json.field("input_tokens", *event.tokens_input);
    if (event.tokens_output) json.field("output_tokens", *event.tokens_output);
    json.end_object();
  }
  json.end_object();
}

}  // namespace

void append_ecs(std::string& out, const Outgoing& record) {
  const Event& event = record.event;
  JsonWriter json(out);
  json.begin_object().field("@timestamp", format_utc(event.timestamp_utc));
  json.key("ecs").begin_object().field("version", kEcsVersion).end_object();
  json.field("message", headline(event));
  append_event_part(json, record);
  append_source_part(json, event);
  if (event.api_key_id) {
    json.key("user").begin_object().field("id", *event.api_key_id).end_object();
  }
  append_http_part(json, event);
  if (event.error) json.key("error").begin_object().field("code", *event.error).end_object();
  append_finding_part(json, event);
  append_gen_ai_part(json, event);
  json.key("sallyport").raw(record.line).end_object();
}

}  // namespace sallyport::notify
