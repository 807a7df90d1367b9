// SPDX-License-Identifier: Apache-2.0
#include "notify/record_ocsf.h"

#include <array>

#include "base/json_writer.h"
#include "notify/gen_ai_names.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

struct Class {
  int uid, category;
};
constexpr Class kBase{0, 0}, kAuthentication{3002, 3}, kUserManagement{3007, 3},
    kApiActivity{6003, 6}, kDetection{2004, 2};

constexpr int kUnknown = 0, kLogon = 1, kOther = 99;
constexpr int kCreate = 1, kUpdate = 2, kClose = 3;  // of Detection Finding

struct Act {
  std::string_view action;
  int activity;  // of User Management
};
constexpr Act kActs[] = {
    {"key.create", 18},  // programmatic credentials were added
    {"key.revoke", 19},  // and removed
    {"key_revoke", 19}, {"key.rotate", 2},  {"key.rotated", 2},
    {"key.update", 2},  {"key.unblock", 4}, {"key.block", 5},
};

struct Mapped {
  Class type;
  int activity;
};

// Create, read, update, delete, as the method says it.
int activity_of(std::string_view method) {
  if (method == "POST") return 1;
  if (method == "GET" || method == "HEAD") return 2;
  if (method == "PUT" || method == "PATCH") return 3;
  return method == "DELETE" ? 4 : kOther;
}

Mapped map(const Event& event) {
  const std::string_view method = split_endpoint(event.endpoint).first;
  switch (event.kind) {
    case Kind::kRequest:
    case Kind::kIntent:
    case Kind::kProgress:
      if (event.status == 401) return {kAuthentication, kLogon};
      return {kApiActivity, activity_of(method)};
    case Kind::kAdmin:
    case Kind::kAction:
      for (const Act& act : kActs) {
        if (event.action == act.action && event.api_key_id) return {kUserManagement, act.activity};
      }
      return {kApiActivity, method.empty() ? kOther : activity_of(method)};
    case Kind::kFinding:
      return {kDetection, kCreate};
    case Kind::kIncident:
      return {kDetection, event.action == "incident.opened"  ? kCreate
                          : event.action == "incident.ended" ? kClose
                                                             : kUpdate};
    case Kind::kBreaker:
    case Kind::kProvider:
      break;
  }
  return {kBase, kOther};
}

void field_if(JsonWriter& json, std::string_view name, const std::optional<std::string>& text) {
  if (text && !text->empty()) json.field(name, *text);
}

// "network_endpoint": it must have an address or a name.
void append_source(JsonWriter& json, const Event& event) {
  json.key("src_endpoint").begin_object();
  if (event.ip.empty()) {
    json.field("name", event.kind == Kind::kAdmin ? "admin" : "sallyport");
  } else {
    json.field("ip", event.ip);
  }
  if (event.geo) json.key("location").begin_object().field("country", *event.geo).end_object();
  if (event.asn) {
    json.key("autonomous_system").begin_object().field("number", *event.asn);
    field_if(json, "name", event.network);
    json.end_object();
  }
  json.end_object();
}

// The key's stable name, or that nobody was shown to have one.
void append_user(JsonWriter& json, const Event& event) {
  json.key("user").begin_object();
  json.field("name", event.api_key_id.value_or("unknown"));
  if (event.api_key_id) json.field("uid", *event.api_key_id);
  json.end_object();
}

void append_actor(JsonWriter& json, const Event& event) {
  json.key("actor").begin_object();
  if (event.actor) {
    json.key("user").begin_object().field("name", *event.actor).end_object();
  } else if (event.api_key_id) {
    append_user(json, event);
  } else {
    json.field("app_name", event.kind == Kind::kRequest ? "unknown" : "sallyport");
  }
  json.end_object();
}

void append_http(JsonWriter& json, const Event& event) {
  const auto [method, path] = split_endpoint(event.endpoint);
  if (!method.empty()) {
    json.key("http_request").begin_object().field("http_method", method);
    json.key("url").begin_object().field("path", path).end_object();
    if (!event.request_id.empty()) json.field("uid", event.request_id);
    if (event.request_bytes) json.field("body_length", *event.request_bytes);
    json.end_object();
  }
  if (event.status) {
    json.key("http_response").begin_object().field("code", *event.status);
    if (event.latency_ms) json.field("latency", *event.latency_ms);
    if (event.response_bytes) json.field("body_length", *event.response_bytes);
    json.end_object();
  }
}

void append_api(JsonWriter& json, const Event& event) {
  const std::string operation = event.endpoint.empty() ? headline(event) : event.endpoint;
  json.key("api").begin_object();
  json.field("operation", event.action && event.kind != Kind::kRequest ? *event.action : operation);
  if (!event.request_id.empty()) {
    json.key("request").begin_object().field("uid", event.request_id).end_object();
  }
  json.end_object();
}

// Profile ai_operation; its prompt_text and response_text are never filled.
void append_model(JsonWriter& json, const Event& event) {
  json.key("ai_model").begin_object();
  json.field("ai_provider", kGenAiProvider).field("name", *event.model).end_object();
  json.key("message_context").begin_object();
  json.field("ai_role_id", 2);
  json.key("service").begin_object().field("name", kGenAiProvider).end_object();
  if (!event.request_id.empty()) json.field("uid", event.request_id);
  if (event.tokens_input) json.field("prompt_tokens", *event.tokens_input);
  if (event.tokens_output) json.field("completion_tokens", *event.tokens_output);
  if (event.tokens_input && event.tokens_output) {
    json.field("total_tokens", *event.tokens_input + *event.tokens_output);
  }
  json.end_object();
}

// All words about one incident have its id, so that a receiver updates what it has.
void append_finding(JsonWriter& json, const Outgoing& record) {
  const Event& event = record.event;
  static const Finding kNone;
  const Finding& finding = event.finding ? *event.finding : kNone;
  const bool story = event.kind == Kind::kIncident && !finding.incident_id.empty();
  json.key("finding_info").begin_object();
  json.field("uid", story ? finding.incident_id : record.id);
  json.field("title", finding.summary.empty() ? headline(event) : finding.summary);
  json.key("types").begin_array().value(finding.detector).end_array().end_object();
  json.field("is_alert", severity_of(event) >= Severity::kHigh);
  json.key("evidences").begin_array().begin_object();
  append_source(json, event);
  append_actor(json, event);
  json.end_object().end_array();
}

void append_class(JsonWriter& json, const Outgoing& record, int uid) {
  const Event& event = record.event;
  if (uid == kBase.uid) return;
  if (uid == kDetection.uid) return append_finding(json, record);
  append_source(json, event);
  append_http(json, event);
  if (uid == kAuthentication.uid) {
    append_user(json, event);
    json.key("service").begin_object().field("name", "sallyport").end_object();
    return;
  }
  append_actor(json, event);
  if (uid == kUserManagement.uid) return append_user(json, event);
  append_api(json, event);
}

int status_id(Outcome outcome) {
  return outcome == Outcome::kSuccess ? 1 : outcome == Outcome::kFailure ? 2 : kUnknown;
}

}  // namespace

void append_ocsf(std::string& out, const Outgoing& record) {
  const Event& event = record.event;
  const auto [type, activity] = map(event);
  const bool model = type.uid != kBase.uid && event.model.has_value();
  JsonWriter json(out);
  json.begin_object().key("metadata").begin_object().field("version", kOcsfVersion);
  json.field("uid", record.id).field("sequence", event.seq);
  json.key("product").begin_object();
  json.field("name", "Sallyport").field("vendor_name", "Sallyport").end_object();
  if (model) json.key("profiles").begin_array().value("ai_operation").end_array();
  json.end_object();
  json.field("time", static_cast<std::int64_t>(event.timestamp_utc.time_since_epoch().count()));
  json.field("class_uid", type.uid).field("category_uid", type.category);
  json.field("activity_id", activity).field("type_uid", type.uid * 100 + activity);
  json.field("severity_id", static_cast<int>(severity_of(event)) + 1);
  json.field("status_id", status_id(outcome_of(event)));
  if (event.status) json.field("status_code", std::to_string(*event.status));
  field_if(json, "status_detail", event.error);
  json.field("message", headline(event));
  if (event.latency_ms) json.field("duration", *event.latency_ms);
  append_class(json, record, type.uid);
  if (model) append_model(json, event);
  json.key("unmapped").begin_object().key("sallyport").raw(record.line).end_object();
  json.end_object();
}

}  // namespace sallyport::notify
