// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_api.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "admin/act_record.h"
#include "admin/envelope.h"
#include "admin/key_routes.h"
#include "admin/layer_routes.h"
#include "admin/open_metrics.h"
#include "admin/rotation_routes.h"
#include "admin/session_routes.h"
#include "admin/token_routes.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool is_loopback(std::string_view host) {
  if (equal_ascii_nocase(host, "localhost")) return true;
  const auto address = IpAddress::parse(host);
  return address && address->is_loopback();
}

bool is_wildcard(std::string_view host) { return host == "0.0.0.0" || host == "::"; }

net::ServerResponse method_not_allowed(std::string allowed) {
  net::ServerResponse answer = error_answer(405, "method_not_allowed", "Use " + allowed + ".");
  answer.headers.emplace_back("allow", std::move(allowed));
  return answer;
}

net::ServerResponse body_too_large(const Route& route) {
  return error_answer(
      413, "body_too_large",
      "The body is larger than " + std::to_string(route.body_bytes_max / 1024) + " KiB.");
}

// The code in the envelope of an answer that is a refusal.
std::string code_of(const net::ServerResponse& answer) {
  const auto body = JsonValue::parse(answer.body);
  const auto error = body ? body->at("error") : std::nullopt;
  const auto code = error ? error->at("code") : std::nullopt;
  return std::string(code ? code->string().value_or("failed") : "failed");
}

std::string endpoint_of(const Route& route) {
  return std::string(route.method) + " " + std::string(route.path);
}

}  // namespace

Result<std::unique_ptr<AdminApi>> AdminApi::make(const Config& config, AdminParts parts) {
  auto access = Access::make(config, {.loop = parts.loop,
                                      .offload = parts.offload,
                                      .settings = parts.settings,
                                      .clock = parts.clock});
  if (!access) return std::unexpected(access.error());
  auto refusals = std::make_unique<RefusalRecords>(parts.loop, parts.recorder, parts.clock);
  std::unique_ptr<OidcLogin> login;
  if (!config.oidc.issuer.empty() && parts.resolver != nullptr) {
    auto made = OidcLogin::make(config, {.loop = parts.loop,
                                         .resolver = *parts.resolver,
                                         .offload = parts.offload,
                                         .clock = parts.clock,
                                         .recorder = parts.recorder,
                                         .access = **access,
                                         .refusals = *refusals});
    if (!made) return fail(made.error().code, "admin.login.oidc: " + made.error().what);
    login = std::move(*made);
  }
  return std::unique_ptr<AdminApi>(new AdminApi(config, std::move(parts), std::move(*access),
                                                std::move(refusals), std::move(login)));
}

AdminApi::AdminApi(const Config& config, AdminParts parts, std::unique_ptr<Access> access,
                   std::unique_ptr<RefusalRecords> refusals, std::unique_ptr<OidcLogin> login)
    : configured_host_(host_of(config.address)),
      wildcard_(is_wildcard(configured_host_)),
      hosts_(config.hosts),
      parts_(std::move(parts)),
      access_(std::move(access)),
      refusals_(std::move(refusals)),
      login_(std::move(login)),
      routes_(parts_.keys),
      started_at_(parts_.clock.now()) {
  routes_.add(
      {.method = "GET",
       .path = "/admin/v1/status",
       .least = Role::kViewer,
       .summary = "`{\"version\",\"pid\",\"started_at\",\"journal_accepting\",\"keys_version\"}`.",
       .handle = [this](AdminRequest) { return at_once(status()); }});
  add_token_routes(routes_, {.access = *access_,
                             .loop = parts_.loop,
                             .offload = parts_.offload,
                             .settings = parts_.settings,
                             .recorder = parts_.recorder,
                             .clock = parts_.clock});
  add_session_routes(routes_, *access_);
  add_key_routes(routes_, {.loop = parts_.loop,
                           .offload = parts_.offload,
                           .keys = parts_.keys,
                           .clock = parts_.clock,
                           .acts = KeyActs(parts_.keys, parts_.recorder, parts_.clock),
                           .urgent = parts_.urgent});
  add_layer_routes(routes_, {.loop = parts_.loop,
                             .offload = parts_.offload,
                             .keys = parts_.keys,
                             .clock = parts_.clock,
                             .acts = LayerActs(parts_.keys, parts_.recorder, parts_.clock),
                             .urgent = parts_.urgent});
  add_rotation_routes(routes_, {.loop = parts_.loop,
                                .offload = parts_.offload,
                                .keys = parts_.keys,
                                .delivery = parts_.delivery,
                                .clock = parts_.clock,
                                .acts = RotationActs(parts_.keys, parts_.recorder, parts_.clock),
                                .urgent = parts_.urgent});
  for (const auto& add_more : parts_.more) add_more(routes_);
}

std::optional<net::ServerResponse> AdminApi::open_page(const net::ServerRequest& request) const {
  const bool near = request.local_socket || request.peer.address.is_loopback();
  const bool ready = request.path == "/health/readiness" || request.path == "/readyz";
  const bool health = ready || request.path == "/health/liveliness";
  if (!health && !(request.path == "/metrics" && near)) return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") return method_not_allowed("GET");
  if (request.path == "/metrics") return metrics();
  if (ready) return readiness();
  return text_answer(200, "text/plain; charset=utf-8", "alive\n");
}

Task<net::ServerResponse> AdminApi::handle(net::ServerRequest request) {
  if (!host_allowed(request)) {
    co_return refuse(request, nullptr, 403, "forbidden_host", "This host name is not served here.",
                     "host");
  }
  // The browser comes back from another site; what it brings is checked there.
  if (login_ && request.method == "GET" && !request.local_socket) {
    const bool begin = request.path == OidcLogin::kBeginPath;
    if (begin || request.path == OidcLogin::kCallbackPath) {
      Task<net::ServerResponse> answer =
          begin ? login_->begin(std::move(request)) : login_->callback(std::move(request));
      co_return co_await answer;
    }
  }
  // No page of another origin has business here; programs send no Origin.
  const bool health = request.path.starts_with("/health/");
  if (const char* fault = access_->page_fault(request); fault != nullptr && !health) {
    co_return refuse(request, nullptr, 403, fault, "Pages of other origins cannot use this API.",
                     "origin");
  }
  if (auto page = open_page(request)) co_return std::move(*page);
  std::optional<Routes::Match> match = routes_.find(request.method, request.path);
  if (match && match->route->open) {
    Task<net::ServerResponse> answer = act(std::move(request), Caller(), std::move(*match));
    co_return co_await answer;
  }

  Task<std::optional<Caller>> asking = access_->identify(request);
  std::optional<Caller> caller = co_await asking;
  if (!caller) {
    if (match && !match->route->key_refusal.empty() && is_gateway_key(bearer_of(request))) {
      co_return refuse(request, nullptr, 403, "not_an_admin_token", match->route->key_refusal);
    }
    co_return refuse(request, nullptr, 401, "invalid_admin_token",
                     "Send an admin token: Authorization: Bearer ...");
  }
  if (request.path == "/metrics" && request.method == "GET") co_return metrics();
  if (!match) {
    std::string allowed = routes_.methods_of(request.path);
    if (!allowed.empty()) co_return method_not_allowed(std::move(allowed));
    co_return error_answer(404, "not_found", "There is no such page.");
  }
  if (caller->role < match->route->least) {
    co_return refuse(request, &*caller, 403, "role_too_low",
                     "This needs the role " + std::string(name(match->route->least)) + ".");
  }
  Task<net::ServerResponse> answer = act(std::move(request), std::move(*caller), std::move(*match));
  co_return co_await answer;
}

Task<net::ServerResponse> AdminApi::act(net::ServerRequest http, Caller caller,
                                        Routes::Match match) {
  const Route& route = *match.route;
  const bool changes = !route.act.empty();
  if (changes && !route.records_itself && !parts_.recorder.accepting()) {
    co_return error_answer(503, "journal_unavailable",
                           "The journal cannot write; nothing was done.");
  }
  AdminRequest request;
  request.http = std::move(http);
  request.caller = std::move(caller);
  request.names = std::move(match.names);
  // What the record needs afterwards; the handler takes the rest.
  AdminRequest kept;
  kept.caller = request.caller;
  kept.told = request.told;
  const bool fits = request.http.body.size() <= route.body_bytes_max;
  Task<net::ServerResponse> handling =
      fits ? route.handle(std::move(request)) : at_once(body_too_large(route));
  net::ServerResponse answer = co_await handling;
  if (changes) {
    Task<void> telling = tell(route, kept, answer);
    co_await telling;
  }
  co_return std::move(answer);
}

// `request` and `answer` stay alive in act().
Task<void> AdminApi::tell(const Route& route, const AdminRequest& request,
                          net::ServerResponse& answer) {
  const bool failed = answer.status >= 400;
  if (!failed && route.records_itself) co_return;
  Event event =
      act_event(parts_.clock, endpoint_of(route), request.actor(), std::string(route.act));
  event.status = answer.status;
  event.api_key_id = request.told->api_key_id;
  event.kid = request.told->kid;
  if (failed) {
    event.error = code_of(answer);
    parts_.recorder.record(std::move(event), Durability::kWritten, {});
    co_return;
  }
  event.detail = act_detail(request.told->before, request.told->after, request.told->why);
  struct Work {
    Event event;
    bool recorded = false;
  };
  auto work = std::make_shared<Work>();
  work->event = std::move(event);
  std::function<void()> record = [&recorder = parts_.recorder, work] {
    work->recorded = record_durably(recorder, std::move(work->event));
  };
  co_await parts_.offload.run(parts_.loop, std::move(record));
  if (work->recorded) co_return;
  // It is done and cannot be undone here; whoever asked must know that the record lacks it.
  log::error("admin.act_not_recorded", {{"act", route.act}, {"actor", request.caller.name}});
  answer.headers.emplace_back("x-sallyport-recorded", "false");
}

// The answer, and the record of it. What a caller typed beyond a known route may hold anything, a
// mistyped key too, and stays out.
net::ServerResponse AdminApi::refuse(const net::ServerRequest& request, const Caller* caller,
                                     int status, const char* code, std::string_view message,
                                     std::string_view param) {
  Actor actor;
  if (caller != nullptr) actor.name = caller->name;
  if (!request.local_socket) actor.ip = request.peer.address.text();
  const auto match = routes_.find(request.method, request.path);
  std::string endpoint = request.method.substr(0, 16) + " /...";
  if (match) endpoint = endpoint_of(*match->route);
  if (request.path == "/metrics") endpoint = request.method.substr(0, 16) + " /metrics";
  Event event = act_event(parts_.clock, std::move(endpoint), actor, "admin.refused");
  event.status = status;
  event.error = code;
  if (caller == nullptr && !request.local_socket) {
    refusals_->tell(request.peer.address, std::move(event));
  } else {
    parts_.recorder.record(std::move(event), Durability::kWritten, {});
  }
  return error_answer(status, code, message, param);
}

net::ServerResponse AdminApi::readiness() const {
  std::vector<HealthCheck> checks;
  for (const HealthSource* source : parts_.health) source->report(checks);
  // Whoever knows the journal better has told; it is never left out.
  if (std::ranges::find(checks, "journal", &HealthCheck::name) == checks.end()) {
    const bool accepting = parts_.recorder.accepting();
    checks.insert(checks.begin(),
                  {"journal", accepting, true, accepting ? "accepting" : "cannot write"});
  }
  const bool ready = std::ranges::all_of(
      checks, [](const HealthCheck& check) { return check.ok || !check.essential; });
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("status", ready ? "ready" : "not_ready").key("checks").begin_array();
  for (const HealthCheck& check : checks) {
    json.begin_object()
        .field("name", check.name)
        .field("ok", check.ok)
        .field("essential", check.essential)
        .field("detail", check.detail)
        .end_object();
  }
  json.end_array().end_object();
  return json_answer(ready ? 200 : 503, std::move(body));
}

net::ServerResponse AdminApi::metrics() const {
  OpenMetrics page;
  page.gauge("sallyport_info", "Version of the running program.", {{"version", parts_.version}}, 1);
  page.gauge("sallyport_start_time_seconds", "Start of the program, in seconds since 1970.", {},
             static_cast<double>(started_at_.time_since_epoch().count()) / 1000);
  for (const MetricSource* source : parts_.metrics) source->collect(page);
  return text_answer(200, kOpenMetricsType, page.text());
}

net::ServerResponse AdminApi::status() const {
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .field("version", parts_.version)
      .field("pid", static_cast<std::int64_t>(::getpid()))
      .field("started_at", format_utc(started_at_))
      .field("journal_accepting", parts_.recorder.accepting())
      .field("keys_version", parts_.keys.version())
      .end_object();
  return json_answer(200, std::move(body));
}

bool AdminApi::host_allowed(const net::ServerRequest& request) const {
  if (request.local_socket) return true;
  const std::string* header = request.find("host");
  if (header == nullptr) return false;
  const std::string_view host = host_of(*header);
  if (host.empty()) return false;
  if (is_loopback(host) || equal_ascii_nocase(host, configured_host_)) return true;
  // A page that was rebound keeps its name in Host; a bare address cannot be rebound.
  if (wildcard_ && IpAddress::parse(host)) return true;
  return std::ranges::any_of(
      hosts_, [&](const std::string& name) { return equal_ascii_nocase(host, name); });
}

}  // namespace sallyport::admin
