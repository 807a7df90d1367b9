// SPDX-License-Identifier: Apache-2.0
#include "admin/upstream_routes.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "admin/envelope.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "provider/identity_key.h"

namespace sallyport::admin {
namespace {

using provider::CredentialStatus;
using provider::Reconciliation;
using provider::Rotation;
using provider::UsageSum;

constexpr std::int64_t kDrainMsMax = 24ll * 3'600'000;
constexpr std::chrono::hours kWindowMax{48};

void write_time(JsonWriter& json, std::string_view name, const std::optional<UtcTime>& time) {
  json.key(name);
  if (time) {
    json.value(format_utc(*time));
  } else {
    json.null();
  }
}

void write_rotation(JsonWriter& json, const Rotation& rotation) {
  json.begin_object().field("state", provider::name(rotation.state));
  json.field("trigger", rotation.trigger).field("actor", rotation.actor);
  json.field("started_at", format_utc(rotation.started_at));
  json.field("old_key_id", rotation.old_key_id).field("new_key_id", rotation.new_key_id);
  json.key("steps").begin_array();
  for (const provider::RotationStep& step : rotation.steps) {
    json.begin_object().field("name", step.name).field("ok", step.ok);
    json.field("took_ms", step.took_ms);
    if (!step.what.empty()) json.field("reason", step.what);
    json.end_object();
  }
  json.end_array().field("time_to_death_ms", rotation.time_to_death_ms);
  json.key("earlier").begin_array();  // keys replaced before that were still alive
  for (const provider::EarlierKey& key : rotation.earlier) {
    json.begin_object().field("provider_key_id", key.key_id).field("dead", key.dead);
    json.field("time_to_death_ms", key.time_to_death_ms).end_object();
  }
  json.end_array().end_object();
}

void write_status(JsonWriter& json, const CredentialStatus& status) {
  json.begin_object().field("upstream", status.upstream).field("mode", status.mode);
  json.field("provider_key_id", status.provider_key_id);
  write_time(json, "issued_at", status.issued_at);
  write_time(json, "renew_at", status.renew_at);
  write_time(json, "ends_at", status.ends_at);
  json.field("pending_deletions", static_cast<std::uint64_t>(status.pending_deletions));
  json.field("trouble", provider::trouble_of(status));
  json.key("rotation");
  if (status.last) {
    write_rotation(json, *status.last);
  } else {
    json.null();
  }
  json.end_object();
}

void write_sum(JsonWriter& json, std::string_view name, const UsageSum& sum) {
  json.key(name).begin_object().field("input", sum.input).field("output", sum.output);
  json.field("requests", sum.requests).end_object();
}

std::string reconciliation_json(const Reconciliation& result) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("from", format_utc(result.from)).field("to", format_utc(result.to));
  json.field("bypass", result.has(provider::Verdict::kBypass)).key("data").begin_array();
  for (const provider::ReconcileRow& row : result.rows) {
    json.begin_object().field("provider_key_id", row.provider_key_id);
    json.field("known", row.known).field("verdict", provider::name(row.verdict));
    json.field("excess_tokens", row.excess_tokens);
    write_sum(json, "provider", row.theirs);
    write_sum(json, "gate", row.ours);
    json.key("uncertain").begin_object().field("requests", row.uncertain_requests);
    json.field("tokens_max", row.uncertain_tokens).field("batch_tokens", row.batch_tokens);
    json.end_object().end_object();
  }
  json.end_array().end_object();
  return out;
}

// The value of a parameter that stands in the query once; an RFC 3339 time may have its colons
// escaped.
std::string parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!one.starts_with(name) || one.substr(name.size(), 1) != "=") continue;
    std::string value(one.substr(name.size() + 1));
    for (std::size_t at = 0; (at = value.find("%3A", at)) != std::string::npos;) {
      value.replace(at, 3, ":");
    }
    return value;
  }
  return {};
}

net::ServerResponse error_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_request", error.what);
    case Code::kNotFound:
      return error_answer(404, "upstream_not_found", error.what);
    case Code::kDenied:
      return error_answer(409, "rotation_under_way", error.what);
    default:
      return error_answer(503, "provider_unavailable", error.what);
  }
}

constexpr std::string_view kKeySetPath = "/.well-known/jwks.json";
constexpr std::string_view kDiscoveryPath = "/.well-known/openid-configuration";
constexpr const char* kCacheFor = "public, max-age=300";

// Public, and the same until the next start.
net::ServerResponse public_answer(std::string body) {
  net::ServerResponse answer = json_answer(200, std::move(body));
  for (auto& [name, value] : answer.headers) {
    if (name == "cache-control") value = kCacheFor;
  }
  return answer;
}

// What verifiers of our own identity read (OpenID Connect Discovery 1.0, RFC 7517).
class OwnIssuers {
 public:
  explicit OwnIssuers(const std::vector<provider::OwnIssuer>& all) {
    std::set<std::string> keys;
    for (const provider::OwnIssuer& one : all) {
      keys.insert(one.jwk);
      issuers_.insert(one.issuer);
    }
    key_set_ = provider::jwks_of(keys);
  }

  net::ServerResponse key_set(const AdminRequest&) const { return public_answer(key_set_); }

  // Of the only issuer: a document of several would be nobody's.
  net::ServerResponse discovery(const AdminRequest&) const {
    if (issuers_.size() != 1) {
      return error_answer(404, "several_issuers", "The upstreams have different lease.issuer.");
    }
    std::string base = *issuers_.begin();
    while (base.ends_with('/')) base.pop_back();
    std::string body;
    JsonWriter json(body);
    json.begin_object().field("issuer", *issuers_.begin());
    json.field("jwks_uri", base + std::string(kKeySetPath));
    for (const auto& [name, value] : {std::pair{"response_types_supported", "id_token"},
                                      {"subject_types_supported", "public"},
                                      {"id_token_signing_alg_values_supported", "RS256"}}) {
      json.key(name).begin_array().value(value).end_array();
    }
    json.end_object();
    return public_answer(std::move(body));
  }

 private:
  std::set<std::string> issuers_;
  std::string key_set_;
};

void add_issuer_routes(Routes& routes, const std::vector<provider::OwnIssuer>& issuers) {
  const auto self = std::make_shared<OwnIssuers>(issuers);
  routes.add({.method = "GET",
              .path = kKeySetPath,
              .least = Role::kViewer,
              .summary = "The public keys of this gate's own identity; only with workload "
                         "identity.",
              .handle = handler(self, &OwnIssuers::key_set),
              .open = true});
  routes.add({.method = "GET",
              .path = kDiscoveryPath,
              .least = Role::kViewer,
              .summary = "The issuer of this identity and where its keys are.",
              .handle = handler(self, &OwnIssuers::discovery),
              .open = true});
}

class UpstreamRoutes {
 public:
  explicit UpstreamRoutes(UpstreamRouteParts parts) : parts_(parts) {}

  net::ServerResponse list(const AdminRequest&) const {
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const CredentialStatus& status : parts_.upkeep.list()) write_status(json, status);
    json.end_array().end_object();
    return json_answer(200, std::move(body));
  }

  // Begins, and does not wait: a rotation lasts as long as the streams that keep the old key.
  Task<net::ServerResponse> rotate(AdminRequest request) {
    std::optional<std::int64_t> drain_ms;
    if (!request.http.body.empty()) {
      if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
      const Result<JsonValue> body = JsonValue::parse(request.http.body);
      const auto drain = body ? body->at("drain") : std::nullopt;
      const auto given = drain ? parse_duration(drain->string().value_or("")) : std::nullopt;
      const bool only = body && body->is_object() && body->members().size() <= (drain ? 1u : 0u);
      if (!only || (drain && !given) || (given && given->count() > kDrainMsMax)) {
        co_return error_answer(400, "invalid_body", "Send {\"drain\":\"10m\"} or nothing.",
                               "drain");
      }
      if (given) drain_ms = given->count();
    }
    const Result<void> begun =
        parts_.upkeep.rotate(request.names[0], request.caller.name, drain_ms);
    if (!begun) co_return error_of(begun.error());
    const auto all = parts_.upkeep.list();
    const auto at = std::ranges::find(all, request.names[0], &CredentialStatus::upstream);
    std::string body;
    JsonWriter json(body);
    write_status(json, *at);
    request.told->after = R"({"provider_key_id":)";
    append_json_string(request.told->after, at->provider_key_id);
    request.told->after += R"(,"rotation":"begun"})";
    co_return json_answer(202, std::move(body));
  }

  Task<net::ServerResponse> reconcile(AdminRequest request) {
    provider::Reconciler* reconciler = parts_.upkeep.reconciler();
    if (reconciler == nullptr) {
      co_return error_answer(404, "not_configured", "Set meter.reconcile.admin_key to compare.");
    }
    auto [from, to] = reconciler->window();
    for (auto [name, time] : {std::pair{"from", &from}, std::pair{"to", &to}}) {
      const std::string text = parameter(request.http.query, name);
      const auto given = parse_utc(text);
      if (!text.empty() && !given) {
        co_return error_answer(400, "invalid_time", "Send 2026-01-31T08:00:00Z.", name);
      }
      if (given) *time = std::chrono::floor<std::chrono::minutes>(*given);
    }
    if (to - from > kWindowMax) {
      co_return error_answer(400, "invalid_time", "At most 48 hours at one time.", "from");
    }
    // Right after a start there is no whole minute yet, and that is no mistake of the caller's.
    if (request.http.query.empty() && from >= to) {
      co_return json_answer(200, reconciliation_json({.from = from, .to = to, .rows = {}}));
    }
    Task<Result<Reconciliation>> comparing = reconciler->compare(from, to);
    const Result<Reconciliation> result = co_await comparing;
    if (!result) co_return error_of(result.error());
    co_return json_answer(200, reconciliation_json(*result));
  }

 private:
  UpstreamRouteParts parts_;
};

}  // namespace

void add_upstream_routes(Routes& routes, UpstreamRouteParts parts) {
  const auto issuers = parts.upkeep.issuers();
  if (!issuers.empty()) add_issuer_routes(routes, issuers);
  const auto self = std::make_shared<UpstreamRoutes>(parts);
  routes.add({.method = "GET",
              .path = "/admin/v1/upstreams",
              .least = Role::kViewer,
              .summary = "Upstreams, the credential each shows, and its last renewal.",
              .handle = handler(self, &UpstreamRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/upstreams/{upstream}/rotate",
              .least = Role::kOperator,
              .act = "upstream.rotate",
              .summary = "Begin to renew the credential; `{\"drain\":\"10m\"}` is how long streams "
                         "may keep the old one. 202; the steps stand in the list.",
              .handle = handler(self, &UpstreamRoutes::rotate)});
  routes.add({.method = "GET",
              .path = "/admin/v1/usage/reconciliation",
              .least = Role::kViewer,
              .summary = "The provider's usage beside ours, per provider key; `from` and `to` "
                         "narrow it.",
              .handle = handler(self, &UpstreamRoutes::reconcile)});
}

}  // namespace sallyport::admin
