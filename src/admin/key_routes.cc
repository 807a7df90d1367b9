// SPDX-License-Identifier: Apache-2.0
#include "admin/key_routes.h"

#include <functional>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "admin/key_json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

net::ServerResponse revoked_answer(const Revoked& revoked, UtcTime now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key : revoked.keys) json.raw(key_json(key, now));
  json.end_array().field("durable", revoked.durable).field("recorded", revoked.recorded);
  json.end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse no_such_key() {
  return error_answer(404, "key_not_found", "There is no such key.");
}

class KeyRoutes {
 public:
  explicit KeyRoutes(KeyRouteParts parts) : parts_(std::move(parts)) {}
  Task<net::ServerResponse> create(AdminRequest request);
  Task<net::ServerResponse> revoke(AdminRequest request);
  net::ServerResponse list(const AdminRequest& request) const;
  net::ServerResponse show(const AdminRequest& request) const;

 private:
  KeyRouteParts parts_;
};

Task<net::ServerResponse> KeyRoutes::create(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  Result<keys::KeySpec> spec = parse_key_spec(request.http.body);
  if (!spec) co_return error_answer(400, "invalid_key_spec", spec.error().what);

  // Owned by the work, which may outlive this coroutine when the server stops.
  struct Work {
    keys::KeySpec spec;
    Actor actor;
    std::optional<Result<keys::CreatedKey>> made;
  };
  auto work = std::make_shared<Work>();
  work->spec = std::move(*spec);
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->made.emplace(acts.create(work->spec, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));

  const Result<keys::CreatedKey>& made = *work->made;
  if (!made) co_return key_error_answer(made.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("key", made->text.reveal());
  write_key_members(json, made->info, parts_.clock.now());
  json.end_object();
  co_return json_answer(201, std::move(body));
}

Task<net::ServerResponse> KeyRoutes::revoke(AdminRequest request) {
  if (!keys::valid_key_name(request.names[0])) co_return no_such_key();
  std::string why;
  if (!request.http.body.empty()) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
    const Result<JsonValue> body = JsonValue::parse(request.http.body);
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
  work->name = std::move(request.names[0]);
  work->why = why.substr(0, keys::kTextBytesMax);
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->done.emplace(acts.revoke(work->name, work->actor, work->why));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));

  const Result<Revoked>& done = *work->done;
  if (!done) co_return key_error_answer(done.error());
  co_return revoked_answer(*done, parts_.clock.now());
}

net::ServerResponse KeyRoutes::list(const AdminRequest&) const {
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key : parts_.keys.list()) json.raw(key_json(key, now));
  json.end_array().end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse KeyRoutes::show(const AdminRequest& request) const {
  if (!keys::valid_key_name(request.names[0])) return no_such_key();
  const Result<keys::KeyInfo> key = parts_.keys.show(request.names[0]);
  if (!key) return key_error_answer(key.error());
  return json_answer(200, key_json(*key, parts_.clock.now()));
}

}  // namespace

net::ServerResponse key_error_answer(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return error_answer(400, "invalid_key_spec", error.what);
    case Code::kNotFound:
      return no_such_key();
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

void add_key_routes(Routes& routes, KeyRouteParts parts) {
  const auto keys = std::make_shared<KeyRoutes>(std::move(parts));
  routes.add({.method = "GET",
              .path = "/admin/v1/keys",
              .least = Role::kViewer,
              .act = {},
              .summary = "All keys, never their text: `{\"data\":[...]}`.",
              .handle = handler(keys, &KeyRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/keys",
              .least = Role::kOperator,
              .act = "key.create",
              .summary = "201, the key's object with `key`: the only time its text is shown.",
              .handle = handler(keys, &KeyRoutes::create),
              .records_itself = true});
  routes.add({.method = "GET",
              .path = "/admin/v1/keys/{key}",
              .least = Role::kViewer,
              .act = {},
              .summary = "One key, by name or kid.",
              .handle = handler(keys, &KeyRoutes::show)});
  routes.add({.method = "POST",
              .path = "/admin/v1/keys/{key}/revoke",
              .least = Role::kOperator,
              .act = "key.revoke",
              .summary = "`{\"data\":[...],\"durable\",\"recorded\"}`; body `{\"why\":\"...\"}` or "
                         "nothing.",
              .handle = handler(keys, &KeyRoutes::revoke),
              .records_itself = true});
}

}  // namespace sallyport::admin
