// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_api.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "admin/key_json.h"
#include "admin/open_metrics.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kKeysPath = "/admin/v1/keys";
constexpr std::size_t kBodyBytesMax = 64 * 1024;  // a key's scope fits many times

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

std::optional<net::ServerResponse> bad_json_request(const net::ServerRequest& request) {
  const std::string* type = request.find("content-type");
  const std::string_view essence =
      type == nullptr ? std::string_view()
                      : trim_ows(std::string_view(*type).substr(0, type->find(';')));
  // A form of another page cannot have this type without asking first, and nobody answers that
  // question.
  if (!equal_ascii_nocase(essence, "application/json")) {
    return error_answer(415, "unsupported_media_type", "Send application/json.", "content-type");
  }
  if (request.body.size() > kBodyBytesMax) {
    return error_answer(413, "body_too_large", "The body is larger than 64 KiB.");
  }
  return std::nullopt;
}

net::ServerResponse answer_of(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_key_spec", error.what);
    case Code::kNotFound:
      return error_answer(404, "key_not_found", "There is no such key.");
    case Code::kDenied:
      return error_answer(409, "name_taken", error.what, "name");
    default:
      break;
  }
  if (error.what == KeyActs::kJournalSilent) {
    return error_answer(503, "journal_unavailable", "The journal cannot write; nothing was done.");
  }
  return error_answer(503, "store_unavailable", "The key store did not answer; nothing was done.");
}

net::ServerResponse method_not_allowed(std::string allowed) {
  net::ServerResponse answer = error_answer(405, "method_not_allowed", "Use " + allowed + ".");
  answer.headers.emplace_back("allow", std::move(allowed));
  return answer;
}

net::ServerResponse revoked_answer(const Revoked& revoked, UtcTime now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key : revoked.keys) json.raw(key_json(key, now));
  json.end_array().field("durable", revoked.durable).field("recorded", revoked.recorded);
  json.end_object();
  return json_answer(200, std::move(body));
}

}  // namespace

Result<std::unique_ptr<AdminApi>> AdminApi::make(const Config& config, AdminParts parts) {
  Result<AdminToken> token = AdminToken::load(parts.settings);
  if (!token && token.error().code == Code::kNotFound) token = AdminToken();  // matches nothing
  if (!token) return std::unexpected(token.error());
  return std::unique_ptr<AdminApi>(new AdminApi(config, std::move(parts), std::move(*token)));
}

AdminApi::AdminApi(const Config& config, AdminParts parts, AdminToken token)
    : configured_host_(host_of(config.address)),
      wildcard_(is_wildcard(configured_host_)),
      hosts_(config.hosts),
      parts_(std::move(parts)),
      acts_(parts_.keys, parts_.recorder, parts_.clock),
      token_(std::move(token)),
      started_at_(parts_.clock.now()) {}

Task<net::ServerResponse> AdminApi::handle(net::ServerRequest request) {
  if (!host_allowed(request)) {
    record_refusal(request, "forbidden_host");
    co_return error_answer(403, "forbidden_host", "This host name is not served here.", "host");
  }
  const bool head = request.method == "HEAD";
  if (request.path == "/health/liveliness" || request.path == "/health/readiness") {
    if (request.method != "GET" && !head) co_return method_not_allowed("GET");
    if (request.path == "/health/readiness") co_return readiness();
    co_return text_answer(200, "text/plain; charset=utf-8", "alive\n");
  }
  // No page of another origin has business here; programs send no Origin.
  if (request.find("origin") != nullptr) {
    record_refusal(request, "forbidden_origin");
    co_return error_answer(403, "forbidden_origin", "Pages cannot use this API.", "origin");
  }
  const bool metrics_page = request.path == "/metrics";
  const bool near = request.local_socket || request.peer.address.is_loopback();
  if (!(metrics_page && near) && !authorized(request)) {
    record_refusal(request, "invalid_admin_token");
    co_return error_answer(401, "invalid_admin_token",
                           "Send the admin token: Authorization: Bearer ...");
  }
  if (metrics_page) {
    if (request.method != "GET" && !head) co_return method_not_allowed("GET");
    co_return metrics();
  }
  Task<net::ServerResponse> answer = route(std::move(request));
  co_return co_await answer;
}

Task<net::ServerResponse> AdminApi::route(net::ServerRequest request) {
  const std::string path = request.path;
  if (path == kKeysPath || path.starts_with(std::string(kKeysPath) + "/")) {
    Task<net::ServerResponse> answer =
        keys_route(std::move(request), path.substr(kKeysPath.size()));
    co_return co_await answer;
  }
  if (path == "/admin/v1/status") {
    if (request.method != "GET") co_return method_not_allowed("GET");
    co_return status();
  }
  if (path == "/admin/v1/token") {
    if (request.method != "POST") co_return method_not_allowed("POST");
    Task<net::ServerResponse> answer = replace_token(std::move(request));
    co_return co_await answer;
  }
  co_return error_answer(404, "not_found", "There is no such page.");
}

Task<net::ServerResponse> AdminApi::keys_route(net::ServerRequest request, std::string rest) {
  if (rest.empty()) {
    if (request.method == "GET") co_return list_keys();
    if (request.method != "POST") co_return method_not_allowed("GET, POST");
    Task<net::ServerResponse> answer = create_key(std::move(request));
    co_return co_await answer;
  }
  constexpr std::string_view kRevoke = "/revoke";
  const bool revoke = rest.ends_with(kRevoke) && rest.size() > kRevoke.size() + 1;
  std::string name = rest.substr(1, rest.size() - 1 - (revoke ? kRevoke.size() : 0));
  if (!keys::valid_key_name(name)) {
    co_return error_answer(404, "key_not_found", "There is no such key.");
  }
  if (!revoke) {
    if (request.method != "GET") co_return method_not_allowed("GET");
    co_return show_key(name);
  }
  if (request.method != "POST") co_return method_not_allowed("POST");
  Task<net::ServerResponse> answer = revoke_key(std::move(request), std::move(name));
  co_return co_await answer;
}

Task<net::ServerResponse> AdminApi::create_key(net::ServerRequest request) {
  if (auto bad = bad_json_request(request)) co_return std::move(*bad);
  Result<keys::KeySpec> spec = parse_key_spec(request.body);
  if (!spec) co_return error_answer(400, "invalid_key_spec", spec.error().what);

  // Owned by the work, which may outlive this coroutine when the server stops.
  struct Work {
    keys::KeySpec spec;
    Actor actor;
    std::optional<Result<keys::CreatedKey>> made;
  };
  auto work = std::make_shared<Work>();
  work->spec = std::move(*spec);
  work->actor = actor_of(request);
  std::function<void()> act = [acts = acts_, work]() mutable {
    work->made.emplace(acts.create(work->spec, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));

  const Result<keys::CreatedKey>& made = *work->made;
  if (!made) co_return answer_of(made.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("key", made->text.reveal());
  write_key_members(json, made->info, parts_.clock.now());
  json.end_object();
  co_return json_answer(201, std::move(body));
}

Task<net::ServerResponse> AdminApi::revoke_key(net::ServerRequest request, std::string name) {
  std::string why;
  if (!request.body.empty()) {
    if (auto bad = bad_json_request(request)) co_return std::move(*bad);
    const Result<JsonValue> body = JsonValue::parse(request.body);
    const auto given = body ? body->at("why") : std::nullopt;
    if (!body || !body->is_object() || body->members().size() > (given ? 1u : 0u)) {
      co_return error_answer(400, "invalid_body", "Send {\"why\":\"...\"} or nothing.");
    }
    why = given ? given->string().value_or("") : "";
  }
  struct Work {
    std::string name, why;
    Actor actor;
    std::optional<Result<Revoked>> done;
  };
  auto work = std::make_shared<Work>();
  work->name = std::move(name);
  work->why = why.substr(0, keys::kTextBytesMax);
  work->actor = actor_of(request);
  std::function<void()> act = [acts = acts_, work]() mutable {
    work->done.emplace(acts.revoke(work->name, work->actor, work->why));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));

  const Result<Revoked>& done = *work->done;
  if (!done) co_return answer_of(done.error());
  co_return revoked_answer(*done, parts_.clock.now());
}

Task<net::ServerResponse> AdminApi::replace_token(net::ServerRequest request) {
  // Only over the socket: a token that was stolen must not be able to lock its owner out.
  if (!request.local_socket) {
    co_return error_answer(403, "local_only", "Use the UNIX socket: sallyport admin token.");
  }
  struct Work {
    std::optional<Result<Secret>> made;
    std::optional<Result<AdminToken>> loaded;
  };
  auto work = std::make_shared<Work>();
  std::function<void()> act = [&settings = parts_.settings, work] {
    work->made.emplace(replace_admin_token(settings));
    work->loaded.emplace(AdminToken::load(settings));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  if (!*work->made || !*work->loaded) {
    co_return error_answer(503, "store_unavailable", "The store did not answer.");
  }
  token_ = std::move(**work->loaded);
  Event event;
  event.timestamp_utc = parts_.clock.now();
  event.kind = Kind::kAdmin;
  event.endpoint = "POST /admin/v1/token";
  event.status = 201;
  event.actor = actor_of(request).name;
  event.action = "admin_token.replace";
  parts_.recorder.record(std::move(event), Durability::kWritten, {});
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("token", (*work->made)->reveal()).end_object();
  co_return json_answer(201, std::move(body));
}

net::ServerResponse AdminApi::list_keys() const {
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key : parts_.keys.list()) json.raw(key_json(key, now));
  json.end_array().end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse AdminApi::show_key(std::string_view name) const {
  const Result<keys::KeyInfo> key = parts_.keys.show(name);
  if (!key) return answer_of(key.error());
  return json_answer(200, key_json(*key, parts_.clock.now()));
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

bool AdminApi::authorized(const net::ServerRequest& request) {
  if (request.local_socket) return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string* header = request.find("authorization");
  if (header == nullptr || header->size() < kScheme.size()) return false;
  const std::string_view value = *header;
  if (!equal_ascii_nocase(value.substr(0, kScheme.size()), kScheme)) return false;
  if (!token_.loaded()) {
    Result<AdminToken> late = AdminToken::load(parts_.settings);
    if (late) token_ = std::move(*late);
  }
  return token_.matches(value.substr(kScheme.size()));
}

Actor AdminApi::actor_of(const net::ServerRequest& request) const {
  if (request.local_socket) return {"local", ""};
  return {"admin_token", request.peer.address.text()};
}

void AdminApi::record_refusal(const net::ServerRequest& request, const char* code) {
  Event event;
  event.timestamp_utc = parts_.clock.now();
  event.kind = Kind::kAdmin;
  // A path that is none of ours may hold anything, a mistyped key too.
  const bool ours = request.path.starts_with(kKeysPath) || request.path == "/metrics";
  event.endpoint =
      request.method.substr(0, 16) + " " + (ours ? request.path.substr(0, 200) : "/...");
  event.status = std::string_view(code) == "invalid_admin_token" ? 401 : 403;
  event.error = code;
  event.ip = request.local_socket ? "" : request.peer.address.text();
  event.action = "admin.refused";
  parts_.recorder.record(std::move(event), Durability::kWritten, {});
}

}  // namespace sallyport::admin
