// SPDX-License-Identifier: Apache-2.0
#include "admin/key_routes.h"

#include <expected>
#include <functional>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "admin/key_json.h"
#include "admin/secret_answer.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "keys/form.h"

namespace sallyport::admin {
namespace {

net::ServerResponse revoked_answer(const Revoked& revoked, const keys::KeyRing& ring, UtcTime now) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key : revoked.keys) {
    json.raw(key_json(key, now, ring.dead_layer(key, now)));
  }
  json.end_array().key("unchanged").begin_array();
  for (const std::string& kid : revoked.unchanged) json.value(kid);
  json.end_array().field("durable", revoked.durable).field("recorded", revoked.recorded);
  json.end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse no_such_key() {
  return error_answer(404, "key_not_found", "There is no such key.");
}

// The reason that a body may give, cut to what a record keeps; or the refusal.
std::expected<std::string, net::ServerResponse> read_why(const net::ServerRequest& request) {
  if (request.body.empty()) return std::string();
  if (auto bad = bad_json_request(request)) return std::unexpected(std::move(*bad));
  const Result<JsonValue> body = JsonValue::parse(request.body);
  const auto given = body ? body->at("why") : std::nullopt;
  if (!body || !body->is_object() || body->members().size() > (given ? 1u : 0u)) {
    return std::unexpected(error_answer(400, "invalid_body", "Send {\"why\":\"...\"} or nothing."));
  }
  return std::string(given ? given->string().value_or("").substr(0, keys::kTextBytesMax) : "");
}

// "mapping=ci", and nothing else.
Result<std::optional<std::string>> read_filter(std::string_view query) {
  if (query.empty()) return std::nullopt;
  const Result<keys::Form> form = keys::parse_form(query);
  if (!form || form->size() != 1 || !form->contains("mapping")) {
    return fail(Code::kInvalid, "the only filter is mapping=NAME");
  }
  return std::optional(form->at("mapping"));
}

class KeyRoutes {
 public:
  explicit KeyRoutes(KeyRouteParts parts) : parts_(std::move(parts)) {}
  Task<net::ServerResponse> create(AdminRequest request);
  Task<net::ServerResponse> revoke(AdminRequest request);
  Task<net::ServerResponse> revoke_mapping(AdminRequest request);
  Task<net::ServerResponse> block(AdminRequest request);
  Task<net::ServerResponse> unblock(AdminRequest request);
  Task<net::ServerResponse> update(AdminRequest request);
  net::ServerResponse list(const AdminRequest& request) const;
  net::ServerResponse show(const AdminRequest& request) const;

 private:
  using Act = Result<Revoked> (KeyActs::*)(std::string_view, const Actor&, std::string_view);
  using Now = void (KeyActs::*)(std::string_view, const Actor&, std::string_view);
  Task<net::ServerResponse> end(AdminRequest request, Act act, Now now);

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
  body.reserve(kSecretAnswerBytes);
  JsonWriter json(body);
  json.begin_object().field("key", made->text.reveal());
  write_key_members(json, made->info, parts_.clock.now());
  json.key("warnings").begin_array();
  for (const std::string& warning : made->warnings) json.value(warning);
  json.end_array().end_object();
  co_return json_answer(201, std::move(body));
}

// What ends a key or its pause: a name and a reason. `now` is done before anything can wait; null:
// it does not matter.
Task<net::ServerResponse> KeyRoutes::end(AdminRequest request, Act act, Now now) {
  auto why = read_why(request.http);
  if (!why) co_return std::move(why.error());
  struct Work {
    std::string name, why;
    Actor actor;
    std::optional<Result<Revoked>> done;
  };
  auto work = std::make_shared<Work>();
  work->name = std::move(request.names[0]);
  work->why = std::move(*why);
  work->actor = request.actor();
  KeyActs acts = parts_.acts;
  if (now != nullptr) (acts.*now)(work->name, work->actor, work->why);
  std::function<void()> todo = [acts = std::move(acts), work, act]() mutable {
    work->done.emplace((acts.*act)(work->name, work->actor, work->why));
  };
  net::Offload& thread = now != nullptr && parts_.urgent ? *parts_.urgent : parts_.offload;
  co_await thread.run(parts_.loop, std::move(todo));

  const Result<Revoked>& done = *work->done;
  if (!done) co_return key_change_error_answer(done.error(), "invalid_body");
  co_return revoked_answer(*done, parts_.keys, parts_.clock.now());
}

Task<net::ServerResponse> KeyRoutes::revoke(AdminRequest request) {
  if (!keys::valid_key_name(request.names[0])) co_return no_such_key();
  Task<net::ServerResponse> answer =
      end(std::move(request), &KeyActs::revoke, &KeyActs::revoke_now);
  co_return co_await answer;
}

Task<net::ServerResponse> KeyRoutes::block(AdminRequest request) {
  if (!keys::valid_key_name(request.names[0])) co_return no_such_key();
  Task<net::ServerResponse> answer = end(std::move(request), &KeyActs::block, &KeyActs::block_now);
  co_return co_await answer;
}

Task<net::ServerResponse> KeyRoutes::unblock(AdminRequest request) {
  if (!keys::valid_key_name(request.names[0])) co_return no_such_key();
  Task<net::ServerResponse> answer = end(std::move(request), &KeyActs::unblock, nullptr);
  co_return co_await answer;
}

Task<net::ServerResponse> KeyRoutes::revoke_mapping(AdminRequest request) {
  const std::string mapping = request.names[0];
  const bool known = keys::valid_key_name(mapping) && !parts_.keys.of_mapping(mapping).empty();
  if (!known) {
    co_return error_answer(404, "mapping_not_found", "No key was made through this mapping.");
  }
  Task<net::ServerResponse> answer =
      end(std::move(request), &KeyActs::revoke_mapping, &KeyActs::revoke_mapping_now);
  co_return co_await answer;
}

Task<net::ServerResponse> KeyRoutes::update(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  if (!keys::valid_key_name(request.names[0])) co_return no_such_key();
  Result<keys::KeyChange> change = parse_key_change(request.http.body, parts_.clock.now());
  if (!change) co_return error_answer(400, "invalid_key_change", change.error().what);
  struct Work {
    std::string name;
    keys::KeyChange change;
    Actor actor;
    std::optional<Result<Updated>> done;
  };
  auto work = std::make_shared<Work>();
  work->name = std::move(request.names[0]);
  work->change = std::move(*change);
  work->actor = request.actor();
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->done.emplace(acts.update(work->name, work->change, work->actor));
  };
  co_await parts_.offload.run(parts_.loop, std::move(act));

  const Result<Updated>& done = *work->done;
  if (!done) co_return key_change_error_answer(done.error(), "invalid_key_change");
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::UpdatedKey& one : done->keys) {
    json.raw(key_json(one.after, now, parts_.keys.dead_layer(one.after, now)));
  }
  json.end_array().key("warnings").begin_array();
  for (const keys::UpdatedKey& one : done->keys) {
    for (const std::string& warning : one.warnings) json.value(one.after.name + ": " + warning);
  }
  json.end_array().field("recorded", done->recorded).end_object();
  co_return json_answer(200, std::move(body));
}

net::ServerResponse KeyRoutes::list(const AdminRequest& request) const {
  const auto mapping = read_filter(request.http.query);
  if (!mapping) return error_answer(400, "invalid_filter", mapping.error().what);
  const UtcTime now = parts_.clock.now();
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const keys::KeyInfo& key :
       *mapping ? parts_.keys.of_mapping(**mapping) : parts_.keys.list()) {
    json.raw(key_json(key, now, parts_.keys.dead_layer(key, now)));
  }
  json.end_array().end_object();
  return json_answer(200, std::move(body));
}

net::ServerResponse KeyRoutes::show(const AdminRequest& request) const {
  if (!keys::valid_key_name(request.names[0])) return no_such_key();
  const Result<keys::KeyInfo> key = parts_.keys.show(request.names[0]);
  if (!key) return key_error_answer(key.error());
  const UtcTime now = parts_.clock.now();
  return json_answer(200, key_json(*key, now, parts_.keys.dead_layer(*key, now)));
}

}  // namespace

net::ServerResponse key_change_error_answer(const Error& error, std::string_view invalid) {
  if (error.code == Code::kInvalid) return error_answer(400, invalid, error.what);
  if (error.code == Code::kDenied) return error_answer(409, "key_not_active", error.what);
  return key_error_answer(error);
}

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
  if (error.what == keys::KeyRing::kClockAhead) {
    return error_answer(503, "clock_jumped",
                        "The clock jumped ahead: nothing that has an end is made by it. Set it "
                        "right; if it is right, ask again in 5 minutes.");
  }
  return error_answer(503, "store_unavailable", "The key store did not answer; nothing was done.");
}

void add_key_routes(Routes& routes, KeyRouteParts parts) {
  const auto keys = std::make_shared<KeyRoutes>(std::move(parts));
  routes.add({.method = "GET",
              .path = "/admin/v1/keys",
              .least = Role::kViewer,
              .act = {},
              .summary =
                  "All keys, or with `?mapping=NAME` those of one identity mapping, never their "
                  "text: `{\"data\":[...]}`.",
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
              .summary = "`{\"data\":[...],\"unchanged\":[KID],\"durable\",\"recorded\"}`; body "
                         "`{\"why\":\"...\"}` or "
                         "nothing.",
              .handle = handler(keys, &KeyRoutes::revoke),
              .records_itself = true});
  routes.add({.method = "PATCH",
              .path = "/admin/v1/keys/{key}",
              .least = Role::kOperator,
              .act = "key.update",
              .summary = "Changes all live keys of the name, or the one of the kid; what is absent "
                         "stays, null lifts. `{\"data\":[...],\"warnings\":[...],\"recorded\"}`.",
              .handle = handler(keys, &KeyRoutes::update),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/keys/{key}/block",
              .least = Role::kOperator,
              .act = "key.block",
              .summary = "Pauses them: as dead as revoked ones, until unblocked; answer and body "
                         "as for revoke.",
              .handle = handler(keys, &KeyRoutes::block),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/keys/{key}/unblock",
              .least = Role::kOperator,
              .act = "key.unblock",
              .summary = "Ends the pause; answer and body as for revoke.",
              .handle = handler(keys, &KeyRoutes::unblock),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/mappings/{mapping}/revoke",
              .least = Role::kOperator,
              .act = "mapping.revoke",
              .summary = "Revokes all live keys that were exchanged through this identity mapping; "
                         "answer and body as for revoke.",
              .handle = handler(keys, &KeyRoutes::revoke_mapping),
              .records_itself = true});
}

}  // namespace sallyport::admin
