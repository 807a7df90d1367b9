// SPDX-License-Identifier: Apache-2.0
#include "sim/control.h"

#include <algorithm>

namespace sallyport::sim {
namespace {

constexpr std::size_t kProvidersMax = 50;
constexpr std::int64_t kCountMax = 10'000;

Answer unclear(std::string message) {
  return error_answer({.status = 400, .type = "invalid_request_error", .message = message});
}

Answer done() {
  Answer answer;
  answer.body = "{}";
  return answer;
}

// A count of 0 to `kCountMax`; `otherwise` if it is not given, nothing if it is something else.
std::optional<std::size_t> count(const Call& call, std::string_view name, std::size_t otherwise) {
  const auto value = call.at(name);
  if (!value) return otherwise;
  const auto number = value->integer();
  if (!number || *number < 0 || *number > kCountMax) return std::nullopt;
  return static_cast<std::size_t>(*number);
}

// The key set as it was given: a JSON object, or its text in a string.
std::string jwks_of(const Call& call) {
  if (const std::string text = call.text("jwks"); !text.empty()) return text;
  JsonMembers members(call.request.body);
  JsonMember member;
  while (members.next(member)) {
    if (member.key == "jwks") return std::string(member.value);
  }
  return "";
}

std::string text_in(const JsonValue& object, std::string_view name) {
  const auto value = object.at(name);
  return std::string(value ? value->string().value_or("") : "");
}

}  // namespace

Answer Control::answer(const Call& call) {
  const struct {
    std::string_view path;
    Answer (Control::*page)(const Call&);
  } kPages[] = {{"/sim/requests", &Control::requests},
                {"/sim/faults", &Control::faults},
                {"/sim/keys", &Control::keys},
                {"/sim/usage", &Control::usage},
                {"/sim/audit_logs", &Control::audit_logs},
                {"/sim/identity_providers", &Control::identity_providers},
                {"/sim/settings", &Control::settings}};
  for (const auto& entry : kPages) {
    if (entry.path != call.request.path) continue;
    const bool body_expected = call.request.method == "POST" && entry.path != "/sim/requests";
    if (body_expected && (!call.body || !call.body->is_object())) {
      return unclear("A JSON object is expected.");
    }
    return (this->*entry.page)(call);
  }
  return no_such("page", call.request.path);
}

Answer Control::requests(const Call& call) {
  if (call.request.method == "DELETE") log_.clear();
  Answer answer;
  answer.body = log_.json();
  return answer;
}

Answer Control::faults(const Call& call) {
  if (call.request.method == "DELETE") faults_.clear();
  if (call.request.method == "POST") {
    const auto skip = count(call, "skip", 0);
    const auto times = count(call, "times", 1);
    if (!skip || !times) return unclear("'skip' and 'times' are counts.");
    SimFault fault{.method = call.text("method"),
                   .path = call.text("path"),
                   .behave = call.text("behave"),
                   .skip = *skip,
                   .times = *times};
    if (fault.path.empty() || fault.behave.empty()) {
      return unclear("'path' and 'behave' are needed.");
    }
    if (!faults_.add(std::move(fault))) return unclear("There are too many faults.");
  }
  Answer answer;
  answer.body = faults_.json();
  return answer;
}

Answer Control::keys(const Call& call) {
  AdminApi::Stranger stranger;
  stranger.project = call.text("project");
  stranger.name = call.text("name", stranger.name);
  stranger.email = call.text("email", stranger.email);
  stranger.ip = call.text("ip", stranger.ip);
  stranger.service_account = call.flag("service_account", false);
  const auto made = admin_.make_key_by_hand(stranger, call.created);
  if (!made) return no_such("project", stranger.project);
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("id", made->key_id).field("value", made->secret);
  json.key("service_account_id");
  if (made->service_account_id.empty()) {
    json.null();
  } else {
    json.value(made->service_account_id);
  }
  json.end_object();
  return answer;
}

Answer Control::usage(const Call& call) {
  const std::string id = call.text("api_key_id");
  const ProjectKey* key = admin_.directory().key(id);
  // A key that is gone, or was never seen here, belongs to the first project.
  Caller caller{
      .key_id = id,
      .project = key == nullptr ? admin_.directory().projects().front().id : key->project,
      .user = key == nullptr || key->account.empty() ? std::string(kPersonId) : key->account};
  UsageSums sums{.input = call.integer("input_tokens").value_or(0),
                 .output = call.integer("output_tokens").value_or(0),
                 .cached = call.integer("input_cached_tokens").value_or(0),
                 .units = call.integer("units").value_or(0),
                 .requests = call.integer("num_model_requests").value_or(1)};
  admin_.usage().add(call.integer("at").value_or(call.created), caller,
                     call.text("endpoint", "completions"), call.model, sums);
  return done();
}

Answer Control::audit_logs(const Call& call) {
  const std::string type = call.text("type");
  if (type.empty()) return unclear("'type' is needed.");
  const std::string resource = call.text("resource");
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  if (!resource.empty()) json.field("id", resource);
  json.end_object();
  admin_.log().add({.type = type,
                    .resource = resource,
                    .detail = std::move(detail),
                    .project = "",
                    .project_name = "",
                    .actor = {.session = true,
                              .user_id = call.text("user", "user-stranger"),
                              .user_email = call.text("email", "stranger@example.com"),
                              .service_account = "",
                              .key_id = "",
                              .ip = call.text("ip", "203.0.113.9"),
                              .user_agent = "Mozilla/5.0 (simulated)"},
                    .effective_at = call.integer("at").value_or(call.created)});
  return done();
}

Answer Control::identity_providers(const Call& call) {
  auto& providers = admin_.identity_providers();
  if (call.request.method == "DELETE") {
    providers.clear();
    return done();
  }
  if (call.request.method != "POST") return no_such("page", call.request.path);
  SimIdentityProvider provider{.id = call.text("id", "idp-sim"),
                               .issuer = call.text("issuer"),
                               .audience = call.text("audience"),
                               .jwks = jwks_of(call),
                               .mappings = {}};
  if (provider.issuer.empty() || provider.audience.empty() || provider.jwks.empty()) {
    return unclear("'issuer', 'audience' and 'jwks' are needed.");
  }
  if (const auto mappings = call.at("mappings")) {
    for (const JsonValue& mapping : mappings->items()) {
      provider.mappings.push_back({.subject = text_in(mapping, "subject"),
                                   .service_account_id = text_in(mapping, "service_account_id")});
    }
  }
  std::erase_if(providers, [&](const auto& other) { return other.id == provider.id; });
  if (providers.size() >= kProvidersMax) return unclear("There are too many identity providers.");
  providers.push_back(std::move(provider));
  return done();
}

Answer Control::settings(const Call& call) {
  const auto alive = count(call, "alive_calls", admin_.alive_calls);
  const auto lag = count(call, "usage_lag_polls", admin_.usage().lag_polls);
  if (!alive || !lag) return unclear("'alive_calls' and 'usage_lag_polls' are counts.");
  admin_.alive_calls = *alive;
  admin_.usage().lag_polls = *lag;
  admin_.session_acts = call.flag("session_acts", admin_.session_acts);
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("alive_calls", static_cast<std::uint64_t>(*alive));
  json.field("usage_lag_polls", static_cast<std::uint64_t>(*lag));
  json.field("session_acts", admin_.session_acts).end_object();
  return answer;
}

}  // namespace sallyport::sim
