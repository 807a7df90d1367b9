// SPDX-License-Identifier: Apache-2.0
#include "admin/token_routes.h"

#include <functional>
#include <optional>
#include <utility>

#include "admin/act_record.h"
#include "admin/envelope.h"
#include "admin/secret_answer.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kCreate = "POST /admin/v1/tokens";
constexpr std::string_view kRevoke = "POST /admin/v1/tokens/{token}/revoke";

void write_members(JsonWriter& json, const AdminTokenInfo& token, UtcTime now) {
  json.field("name", token.name)
      .field("id", token.id)
      .field("role", name(token.role))
      .field("status", status(token, now))
      .field("created_at", format_utc(token.created_at))
      .field("created_by", token.created_by)
      .field("expires_at", format_utc(token.expires_at))
      .key("revoked_at");
  if (token.revoked_at) {
    json.value(format_utc(*token.revoked_at));
  } else {
    json.null();
  }
  json.field("revoked_by", token.revoked_by);
}

std::string token_json(const AdminTokenInfo& token, UtcTime now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_members(json, token, now);
  json.end_object();
  return out;
}

net::ServerResponse token_error_answer(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_token_spec", error.what);
    case Code::kNotFound:
      return error_answer(404, "token_not_found", "There is no such admin token.");
    case Code::kDenied:
      return error_answer(409, "name_taken", error.what, "name");
    case Code::kExhausted:
      return error_answer(409, "too_many_tokens", error.what);
    default:
      break;
  }
  if (error.what == KeyActs::kJournalSilent) {
    return error_answer(503, "journal_unavailable", "The journal cannot write; nothing was done.");
  }
  return error_answer(503, "store_unavailable", "The store did not answer; nothing was done.");
}

struct TokenSpec {
  std::string name;
  Role role = Role::kViewer;
  std::chrono::milliseconds life = AdminTokens::kLife;
};

// Unknown members are wrong: a mistyped life would be another life.
Result<TokenSpec> parse_spec(std::string_view body) {
  const auto document = JsonValue::parse(body);
  if (!document || !document->is_object()) return fail(Code::kInvalid, "send a JSON object");
  TokenSpec spec;
  bool named = false, ranked = false;
  for (const auto& [member, value] : document->members()) {
    const auto text = value.string();
    if (!text) return fail(Code::kInvalid, "every member must be text");
    if (member == "name") {
      spec.name = *text;
      named = true;
    } else if (member == "role") {
      const auto role = parse_role(*text);
      if (!role) return fail(Code::kInvalid, "role must be viewer, operator or admin");
      spec.role = *role;
      ranked = true;
    } else if (member == "life") {
      const auto life = parse_duration(*text);
      if (!life) return fail(Code::kInvalid, "life must be a duration such as \"8h\"");
      spec.life = *life;
    } else {
      return fail(Code::kInvalid, "unknown member " + std::string(member.substr(0, 64)));
    }
  }
  if (!named || !ranked) return fail(Code::kInvalid, "name and role must be given");
  return spec;
}

// What work on the pool needs: it may still run when the server and its routes are gone.
struct TokenActs {
  std::shared_ptr<AdminTokens> tokens;
  Recorder& recorder;
  const Clock& clock;

  Result<NewAdminToken> create(const TokenSpec& spec, const Actor& actor) const;
  struct Done {
    std::optional<Result<RevokedAdminToken>> token;
    bool recorded = false;
  };
  Done revoke(const std::string& id_or_name, const Actor& actor) const;
};

Result<NewAdminToken> TokenActs::create(const TokenSpec& spec, const Actor& actor) const {
  if (!recorder.accepting()) return fail(Code::kUnavailable, KeyActs::kJournalSilent);
  auto made = tokens->create(spec.name, spec.role, spec.life, actor.name);
  if (!made) return made;
  Event event = act_event(clock, std::string(kCreate), actor, "admin_token.create");
  event.status = 201;
  event.detail = act_detail("null", token_json(made->info, clock.now()));
  if (record_durably(recorder, std::move(event))) return made;
  // Nobody has seen the token: it dies unused, so that none lives without a record.
  const auto revoked = tokens->revoke(made->info.id, actor.name);
  if (!revoked || !revoked->durable) {
    log::error("admin.unrecorded_token_lives", {{"id", made->info.id}});
  }
  return fail(Code::kUnavailable, KeyActs::kJournalSilent);
}

TokenActs::Done TokenActs::revoke(const std::string& id_or_name, const Actor& actor) const {
  Done done;
  std::string before = "null";
  for (const AdminTokenInfo& token : tokens->list()) {
    if (token.id == id_or_name || token.name == id_or_name) before = token_json(token, clock.now());
    if (status(token, clock.now()) == "active" && before != "null") break;
  }
  done.token.emplace(tokens->revoke(id_or_name, actor.name));
  if (!*done.token) return done;
  const AdminTokenInfo& dead = (*done.token)->info;
  Event event = act_event(clock, std::string(kRevoke), actor, "admin_token.revoke");
  event.status = 200;
  event.detail = act_detail(before, token_json(dead, clock.now()));
  done.recorded = record_durably(recorder, std::move(event));
  if (!done.recorded) log::error("admin.revocation_not_recorded", {{"id", dead.id}});
  return done;
}

class TokenRoutes {
 public:
  explicit TokenRoutes(TokenRouteParts parts) : parts_(parts) {}
  net::ServerResponse list(const AdminRequest& request) const;
  Task<net::ServerResponse> create(AdminRequest request);
  Task<net::ServerResponse> revoke(AdminRequest request);
  Task<net::ServerResponse> replace_first(AdminRequest request);
  net::ServerResponse me(const AdminRequest& request) const;
  Task<net::ServerResponse> logout(AdminRequest request);

 private:
  TokenActs acts() const { return {parts_.access.tokens(), parts_.recorder, parts_.clock}; }

  const TokenRouteParts parts_;
};

net::ServerResponse TokenRoutes::list(const AdminRequest&) const {
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const AdminTokenInfo& token : parts_.access.tokens()->list()) {
    json.raw(token_json(token, now));
  }
  json.end_array().end_object();
  return json_answer(200, std::move(body));
}

Task<net::ServerResponse> TokenRoutes::create(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const auto spec = parse_spec(request.http.body);
  if (!spec) co_return token_error_answer(spec.error());
  auto made = std::make_shared<std::optional<Result<NewAdminToken>>>();
  std::function<void()> act = [acts = acts(), made, spec = *spec, actor = request.actor()] {
    made->emplace(acts.create(spec, actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<NewAdminToken>& token = **made;
  if (!token) co_return token_error_answer(token.error());
  std::string body;
  body.reserve(kSecretAnswerBytes);
  JsonWriter json(body);
  json.begin_object().field("token", token->text.reveal());
  write_members(json, token->info, parts_.clock.now());
  json.end_object();
  co_return json_answer(201, std::move(body));
}

Task<net::ServerResponse> TokenRoutes::revoke(AdminRequest request) {
  auto work = std::make_shared<TokenActs::Done>();
  std::function<void()> act = [acts = acts(), work, token = request.names[0],
                               actor = request.actor()] { *work = acts.revoke(token, actor); };
  co_await parts_.offload.run(parts_.loop, std::move(act));
  const Result<RevokedAdminToken>& done = *work->token;
  if (!done) co_return token_error_answer(done.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  write_members(json, done->info, parts_.clock.now());
  json.field("durable", done->durable).field("recorded", work->recorded).end_object();
  co_return json_answer(200, std::move(body));
}

Task<net::ServerResponse> TokenRoutes::replace_first(AdminRequest request) {
  // Only over the socket: a token that was stolen must not be able to lock its owner out.
  if (!request.caller.local) {
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
  parts_.access.take(std::move(**work->loaded));
  request.told->after = "{\"replaced\":true}";
  std::string body;
  body.reserve(kSecretAnswerBytes);
  JsonWriter json(body);
  json.begin_object().field("token", (*work->made)->reveal()).end_object();
  co_return json_answer(201, std::move(body));
}

net::ServerResponse TokenRoutes::me(const AdminRequest& request) const {
  const Caller& caller = request.caller;
  std::string body;
  JsonWriter json(body);
  json.begin_object()
      .field("name", caller.name)
      .field("role", name(caller.role))
      .field("session", !caller.session.empty())
      .key("until");
  if (caller.until) {
    json.value(format_utc(*caller.until));
  } else {
    json.null();
  }
  json.end_object();
  return json_answer(200, std::move(body));
}

Task<net::ServerResponse> TokenRoutes::logout(AdminRequest request) {
  if (request.caller.session.empty()) {
    co_return error_answer(409, "no_session", "There is no session to end.");
  }
  parts_.access.sessions().close(request.caller.session);
  net::ServerResponse answer = json_answer(200, "{}");
  answer.headers.emplace_back("set-cookie",
                              parts_.access.cookie_header("", std::chrono::seconds(0)));
  co_return answer;
}

}  // namespace

void add_token_routes(Routes& routes, TokenRouteParts parts) {
  const auto tokens = std::make_shared<TokenRoutes>(parts);
  routes.add({.method = "GET",
              .path = "/admin/v1/tokens",
              .least = Role::kAdmin,
              .summary = "Named admin tokens, never their text: `{\"data\":[...]}`.",
              .handle = handler(tokens, &TokenRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/tokens",
              .least = Role::kAdmin,
              .act = "admin_token.create",
              .summary = "201 with `token`, shown once; body `{\"name\",\"role\",\"life\"}`, 8 h "
                         "when left out, 30 d at most.",
              .handle = handler(tokens, &TokenRoutes::create),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/tokens/{token}/revoke",
              .least = Role::kAdmin,
              .act = "admin_token.revoke",
              .summary = "By name or id; dead with the next request.",
              .handle = handler(tokens, &TokenRoutes::revoke),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/token",
              .least = Role::kAdmin,
              .act = "admin_token.replace",
              .summary = "201 `{\"token\"}`: a new first token, the old one is dead; over the UNIX "
                         "socket only.",
              .handle = handler(tokens, &TokenRoutes::replace_first)});
  routes.add({.method = "GET",
              .path = "/admin/v1/me",
              .least = Role::kViewer,
              .summary = "`{\"name\",\"role\",\"session\",\"until\"}` of whoever asks.",
              .handle = handler(tokens, &TokenRoutes::me)});
  routes.add({.method = "POST",
              .path = "/admin/v1/logout",
              .least = Role::kViewer,
              .act = "admin.logout",
              .summary = "Ends the browser's session.",
              .handle = handler(tokens, &TokenRoutes::logout)});
}

}  // namespace sallyport::admin
