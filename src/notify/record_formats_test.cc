// SPDX-License-Identifier: Apache-2.0
// Records in other people's words: OCSF against its rules, ECS and CEF against theirs.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/json_reader.h"
#include "notify/format_for_test.h"
#include "notify/gen_ai_names.h"
#include "notify/record_cef.h"
#include "notify/record_ecs.h"
#include "notify/record_ocsf.h"
#include "notify/severity.h"

namespace sallyport::notify {
namespace {

Outgoing record_of(Event event) {
  Outgoing record = record_for_test(7);
  event.seq = 7;
  event.timestamp_utc = record.event.timestamp_utc;
  record.event = std::move(event);
  record.line.clear();
  append_event(record.line, record.event);
  return record;
}

Event call(int status) {
  Event event;
  event.api_key_id = "user_42";
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o-mini";
  event.ip = "203.0.113.9";
  event.geo = "VN";
  event.asn = 64500;
  event.network = "Example Net";
  event.status = status;
  if (status >= 400) event.error = "invalid_api_key";
  event.latency_ms = 812;
  event.tokens_input = 1200;
  event.tokens_output = 64;
  event.request_id = "req_1";
  return event;
}

Event act(Kind kind, std::string action) {
  Event event;
  event.kind = kind;
  event.action = std::move(action);
  event.actor = "admin:mai";
  event.api_key_id = "user_42";
  return event;
}

std::optional<JsonValue> deep(JsonValue value, std::string_view path) {
  std::optional<JsonValue> at = value;
  while (at && !path.empty()) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    at = at->is_object() ? at->at(path.substr(0, dot)) : std::nullopt;
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return at;
}

std::int64_t number(const JsonValue& value, std::string_view path) {
  const auto found = deep(value, path);
  return found ? found->integer().value_or(-1) : -1;
}

std::string text(const JsonValue& value, std::string_view path) {
  const auto found = deep(value, path);
  return std::string(found ? found->string().value_or("") : "");
}

// What the schema asks of each class: from its class and object files.
struct ClassRule {
  std::int64_t uid, category;
  std::set<std::int64_t> activities;
  std::vector<std::string_view> required;
  std::vector<std::string_view> at_least_one;
};
const ClassRule kRules[] = {
    {0, 0, {0, 99}, {}, {}},
    {3002, 3, {0, 1, 2, 3, 4, 5, 6, 7, 99}, {"user"}, {"service", "dst_endpoint"}},
    {3007, 3, {0, 1, 2, 3, 4, 5, 6, 7, 18, 19, 99}, {"user"}, {}},
    {2004, 2, {0, 1, 2, 3, 99}, {"finding_info.uid", "finding_info.title"}, {}},
    {6003, 6, {0, 1, 2, 3, 4, 99}, {"actor", "api.operation", "src_endpoint"}, {}},
};
const std::pair<std::string_view, std::vector<std::string_view>> kObjects[] = {
    {"actor", {"user", "app_name", "session", "process", "invoked_by"}},
    {"user", {"name", "uid", "account"}},
    {"src_endpoint", {"ip", "name", "uid", "hostname"}},
    {"message_context", {"service", "application"}},
};
const std::pair<std::string_view, std::vector<std::string_view>> kNeeds[] = {
    {"http_response", {"code"}},
    {"ai_model", {"name", "ai_provider"}},
    {"src_endpoint.autonomous_system", {"number"}},
    {"api.request", {"uid"}},
};

// Why it is no event of the schema; empty: it is one.
std::string wrong_with(const JsonValue& event) {
  for (const std::string_view path :
       {"metadata.version", "metadata.product.vendor_name", "time", "class_uid", "category_uid",
        "activity_id", "type_uid", "severity_id"}) {
    if (!deep(event, path)) return "no " + std::string(path);
  }
  const std::int64_t uid = number(event, "class_uid");
  const auto rule = std::ranges::find(kRules, uid, &ClassRule::uid);
  if (rule == std::end(kRules)) return "class " + std::to_string(uid);
  if (number(event, "category_uid") != rule->category) return "category";
  const std::int64_t activity = number(event, "activity_id");
  if (!rule->activities.contains(activity)) return "activity " + std::to_string(activity);
  if (number(event, "type_uid") != uid * 100 + activity) return "type_uid";
  if (number(event, "severity_id") < 0 || number(event, "severity_id") > 6) return "severity_id";
  if (number(event, "status_id") < 0 || number(event, "status_id") > 2) return "status_id";
  for (const std::string_view path : rule->required) {
    if (!deep(event, path)) return "no " + std::string(path);
  }
  const auto any = [](const JsonValue& object, const std::vector<std::string_view>& names) {
    return std::ranges::any_of(names, [&](auto name) { return object.at(name).has_value(); });
  };
  if (!rule->at_least_one.empty() && !any(event, rule->at_least_one)) return "none of its parts";
  for (const auto& [path, names] : kObjects) {
    const auto object = deep(event, path);
    if (object && !any(*object, names)) return std::string(path) + " says nothing";
  }
  for (const auto& [path, names] : kNeeds) {
    const auto object = deep(event, path);
    for (const std::string_view name : names) {
      if (object && !object->at(name)) return std::string(path) + " without " + std::string(name);
    }
  }
  if (deep(event, "prompt_text") || deep(event, "message_context.prompt_text")) return "a prompt";
  return "";
}

struct OcsfCase {
  const char* why;
  Event event;
  std::int64_t type_uid, status_id, severity_id;
};

TEST(Ocsf, EveryKindIsAnEventOfTheSchema) {
  Event refused = call(401);
  refused.api_key_id.reset();
  Event intent = call(200);
  intent.kind = Kind::kIntent;
  intent.status.reset();
  Event listing = call(200);
  listing.endpoint = "GET /v1/models";
  Event bare = act(Kind::kBreaker, "opened");
  bare.actor.reset();
  Event bad_news = act(Kind::kProvider, "audit_log");
  bad_news.error = "retention_differs";
  Event layers = act(Kind::kAdmin, "layer.change");
  Event attack = call(403);
  attack.injection = Injection{0.9, "block", {"override"}, "user"};
  const auto story = std::make_shared<const Finding>(
      Finding{"token_spike", Severity::kCritical, 9.5, "14 times its usual", {}, "inc-1"});
  const auto told = [&story](Kind kind, const char* action) {
    Event event = act(kind, action);
    event.finding = story;
    return event;
  };
  const OcsfCase cases[] = {
      {"a call", call(200), 600301, 1, 1},
      {"a listing", listing, 600302, 1, 1},
      {"no valid key", refused, 300201, 2, 3},
      {"an attack", attack, 600301, 2, 4},
      {"a broken provider", call(502), 600301, 2, 3},
      {"an intent is not over", intent, 600301, 0, 1},
      {"a new key", act(Kind::kAdmin, "key.create"), 300718, 1, 1},
      {"a key ends", act(Kind::kAdmin, "key.revoke"), 300719, 1, 1},
      {"a playbook ends one", act(Kind::kAction, "key_revoke"), 300719, 1, 4},
      {"a key is blocked", act(Kind::kAdmin, "key.block"), 300705, 1, 1},
      {"another act", layers, 600399, 1, 1},
      {"a breaker", bare, 99, 1, 3},
      {"the provider", bad_news, 99, 2, 4},
      {"a finding", told(Kind::kFinding, ""), 200401, 1, 5},
      {"an incident begins", told(Kind::kIncident, "incident.opened"), 200401, 1, 5},
      {"it grows", told(Kind::kIncident, "incident.changed"), 200402, 1, 5},
      {"it is over", told(Kind::kIncident, "incident.ended"), 200403, 1, 5},
  };
  for (const OcsfCase& test : cases) {
    SCOPED_TRACE(test.why);
    const Outgoing record = record_of(test.event);
    std::string out;
    append_ocsf(out, record);
    ASSERT_TRUE(check_json(out)) << out;
    const JsonValue event = *JsonValue::parse(out);
    EXPECT_EQ(wrong_with(event), "") << out;
    EXPECT_EQ(number(event, "type_uid"), test.type_uid);
    EXPECT_EQ(number(event, "status_id"), test.status_id);
    EXPECT_EQ(number(event, "severity_id"), test.severity_id);
    EXPECT_EQ(text(event, "metadata.uid"), record.id);
    EXPECT_EQ(number(event, "time"), 1'767'225'600'123);
    EXPECT_EQ(number(event, "unmapped.sallyport.seq"), 7);
  }
}

TEST(Ocsf, TheCheckCanFail) {
  const char* const wrong[] = {
      R"({"metadata":{"version":"1.9.0","product":{"vendor_name":"S"}},"time":1,"class_uid":6003,
         "category_uid":6,"activity_id":1,"type_uid":600302,"severity_id":1,"status_id":1})",
      R"({"metadata":{"version":"1.9.0","product":{"vendor_name":"S"}},"time":1,"class_uid":6003,
         "category_uid":6,"activity_id":1,"type_uid":600301,"severity_id":1,"status_id":1})",
      R"({"metadata":{"version":"1.9.0"},"time":1,"class_uid":0,"category_uid":0,"activity_id":99,
         "type_uid":99,"severity_id":1,"status_id":1})",
      R"({"metadata":{"version":"1.9.0","product":{"vendor_name":"S"}},"time":1,"class_uid":0,
         "category_uid":6,"activity_id":99,"type_uid":99,"severity_id":1,"status_id":1})",
  };
  for (const char* event : wrong) EXPECT_NE(wrong_with(*JsonValue::parse(event)), "") << event;
}

TEST(Ocsf, ModelAndTokens) {
  std::string out;
  append_ocsf(out, record_of(call(200)));
  const JsonValue event = *JsonValue::parse(out);
  EXPECT_EQ(text(event, "ai_model.name"), "gpt-4o-mini");
  EXPECT_EQ(number(event, "message_context.total_tokens"), 1264);
  EXPECT_EQ(deep(event, "metadata.profiles")->items()[0].string(), "ai_operation");
  EXPECT_EQ(number(event, "src_endpoint.autonomous_system.number"), 64500);
}

TEST(Ecs, AWholeCall) {
  std::string out;
  append_ecs(out, record_of(call(401)));
  EXPECT_TRUE(out.starts_with(R"({"@timestamp":"2026-01-01T00:00:00.123Z",)")) << out;
  ASSERT_TRUE(check_json(out));
  const JsonValue event = *JsonValue::parse(out);
  const std::pair<std::string_view, std::string_view> texts[] = {
      {"ecs.version", "9.1.0"},
      {"event.id", "gw1.example/audit:7"},
      {"event.kind", "event"},
      {"event.outcome", "failure"},
      {"event.dataset", "sallyport.audit"},
      {"source.ip", "203.0.113.9"},
      {"source.geo.country_iso_code", "VN"},
      {"source.as.organization.name", "Example Net"},
      {"user.id", "user_42"},
      {"http.request.method", "POST"},
      {"url.path", "/v1/chat/completions"},
      {"error.code", "invalid_api_key"},
      {"gen_ai.operation.name", "chat"},
      {"gen_ai.provider.name", "openai"},
      {"gen_ai.request.model", "gpt-4o-mini"},
      {"sallyport.request_id", "req_1"},
  };
  for (const auto& [path, value] : texts) EXPECT_EQ(text(event, path), value) << path;
  EXPECT_EQ(number(event, "event.duration"), 812'000'000);
  EXPECT_EQ(number(event, "http.response.status_code"), 401);
  EXPECT_EQ(number(event, "gen_ai.usage.input_tokens"), 1200);
  EXPECT_EQ(number(event, "source.as.number"), 64500);
}

TEST(Ecs, CategoriesAndTypesAreAllowedOnes) {
  const std::set<std::string_view> categories = {
      "api",      "authentication", "configuration", "database",      "driver",
      "email",    "file",           "host",          "iam",           "intrusion_detection",
      "library",  "malware",        "network",       "package",       "process",
      "registry", "session",        "threat",        "vulnerability", "web"};
  const std::set<std::string_view> types = {
      "access",   "admin",        "allowed",  "change", "connection", "creation",
      "deletion", "denied",       "end",      "error",  "group",      "indicator",
      "info",     "installation", "protocol", "start",  "user"};
  for (const Kind kind : {Kind::kRequest, Kind::kIntent, Kind::kProgress, Kind::kAdmin,
                          Kind::kAction, Kind::kBreaker, Kind::kProvider}) {
    Event event = call(200);
    event.kind = kind;
    std::string out;
    append_ecs(out, record_of(event));
    const JsonValue document = *JsonValue::parse(out);
    EXPECT_TRUE(categories.contains(*deep(document, "event.category")->items()[0].string()));
    EXPECT_TRUE(types.contains(*deep(document, "event.type")->items()[0].string()));
  }
}

TEST(Cef, OneLine) {
  Event event = call(401);
  event.request_bytes = 10;
  std::string out;
  append_cef(out, record_of(event), "0.1|0");
  EXPECT_EQ(out,
            "CEF:0|Sallyport|Gateway|0.1\\|0|request.invalid_api_key|401 POST "
            "/v1/chat/completions gpt-4o-mini|6|rt=1767225600123 externalId=gw1.example/audit:7 "
            "src=203.0.113.9 suser=user_42 act=blocked outcome=failure reason=invalid_api_key "
            "requestMethod=POST request=/v1/chat/completions in=10 cs1Label=model cs1=gpt-4o-mini "
            "cs2Label=country cs2=VN cs3Label=request_id cs3=req_1 cn1Label=tokens cn1=1264 "
            "cn2Label=status cn2=401 cn3Label=latency_ms cn3=812");
}

TEST(Cef, NothingFromOutsideBreaksOut) {
  Event event = call(200);
  event.model = "a|b=c\\d\ne\x01";
  std::string out;
  append_cef(out, record_of(event), "1");
  EXPECT_NE(out.find("cs1=a|b\\=c\\\\d\\ne  "), std::string::npos) << out;
  EXPECT_NE(out.find("|200 POST /v1/chat/completions a\\|b=c\\\\d e |"), std::string::npos) << out;
  EXPECT_EQ(out.find('\n'), std::string::npos);
  EXPECT_EQ(out.find('\x01'), std::string::npos);
}

TEST(GenAiNames, Operations) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"POST /v1/chat/completions", "chat"},
      {"POST /v1/responses", "chat"},
      {"POST /v1/completions", "text_completion"},
      {"POST /v1/embeddings", "embeddings"},
      {"POST /v1/audio/speech", "generate_content"},
      {"GET /v1/chat/completions", ""},
      {"POST /v1/chat/completionsx", ""},
      {"GET /v1/models", ""},
      {"", ""},
  };
  for (const auto& [endpoint, name] : cases)
    EXPECT_EQ(gen_ai_operation(endpoint), name) << endpoint;
}

TEST(GenAiNames, NoContentIsEverNamed) {
  std::set<std::string_view> names;
  for (const auto table : {call_attributes(), record_attributes()}) {
    for (const Attribute& one : table) {
      EXPECT_TRUE(names.insert(one.name).second) << one.name;
      for (const char* content : {"messages", "instructions", "definitions", "prompt"}) {
        EXPECT_EQ(one.name.find(content), std::string_view::npos) << one.name;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::notify
