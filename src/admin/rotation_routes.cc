// SPDX-License-Identifier: Apache-2.0
#include "admin/rotation_routes.h"

#include <functional>
#include <optional>
#include <utility>

#include "admin/envelope.h"
#include "admin/key_json.h"
#include "admin/key_routes.h"
#include "admin/secret_answer.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/secret.h"
#include "keys/derived_token.h"

namespace sallyport::admin {
namespace {

struct RotateBody {
  keys::RotateOptions options;
  bool deliver = false;
  std::string why;
};

std::unexpected<Error> wrong(std::string_view member, const char* what) {
  return fail(Code::kInvalid, std::string(member) + " must be " + what);
}

Result<void> read_member(std::string_view member, const JsonValue& value, RotateBody& into) {
  const auto text = value.string();
  if (member == "overlap" || member == "life") {
    const auto duration = text ? parse_duration(*text) : std::nullopt;
    if (!duration) return wrong(member, "a duration such as \"10m\"");
    if (member == "life") into.options.life = duration;
    if (member == "overlap") into.options.overlap = *duration;
    return {};
  }
  if (member == "deliver") {
    const auto truth = value.boolean();
    if (!truth) return wrong(member, "true or false");
    into.deliver = *truth;
    return {};
  }
  if (member != "rotation_id" && member != "why") {
    return fail(Code::kInvalid,
                "a member is not known; there are overlap, life, rotation_id, "
                "deliver, why");
  }
  if (!text || text->empty()) return wrong(member, "text");
  if (member == "why") into.why = text->substr(0, keys::kTextBytesMax);
  if (member == "rotation_id") into.options.rotation_id = *text;
  return {};
}

Result<RotateBody> read_rotate(std::string_view json) {
  RotateBody body;
  if (json.empty()) return body;
  const Result<JsonValue> document = JsonValue::parse(json);
  if (!document || !document->is_object()) {
    return fail(Code::kInvalid, "the body is not a JSON object");
  }
  for (const auto& [member, value] : document->members()) {
    const Result<void> read = read_member(member, value, body);
    if (!read) return std::unexpected(read.error());
  }
  return body;
}

// What a derived token is worth of itself; whether its key lives stands beside it.
void write_token(JsonWriter& json, const keys::Whose& whose) {
  std::string_view status = keys::name(whose.token_fault);
  if (whose.token_fault == keys::KeyFault::kNone) status = "active";
  if (whose.token_fault == keys::KeyFault::kTokenRevoked) status = "revoked";
  if (whose.token_fault == keys::KeyFault::kTokenExpired) status = "expired";
  json.key("token").begin_object().field("status", status).key("expires_at");
  if (whose.token_expires_at) {
    json.value(format_utc(*whose.token_expires_at));
  } else {
    json.null();
  }
  json.end_object();
}

net::ServerResponse rotation_error(const Error& error) {
  if (error.code == Code::kInvalid) return error_answer(400, "invalid_rotation", error.what);
  if (error.code == Code::kDenied) return error_answer(409, "not_rotatable", error.what, "key");
  if (error.what == RotationActs::kOldIsDead) {
    return error_answer(503, "journal_unavailable",
                        "The journal cannot write: the old key is dead all the same, and the new "
                        "one is revoked. Create another key when the journal writes again.");
  }
  const bool silent = error.code == Code::kUnavailable && error.what != KeyActs::kJournalSilent &&
                      error.what != keys::KeyRing::kClockAhead;
  if (silent) {
    return error_answer(503, "store_unavailable",
                        "The key store did not answer: nothing was rotated, and the old key works "
                        "on. Revoking needs no store: it ends the key at once.");
  }
  return key_error_answer(error);
}

class RotationRoutes {
 public:
  explicit RotationRoutes(RotationRouteParts parts) : parts_(std::move(parts)) {}
  Task<net::ServerResponse> rotate(AdminRequest request);
  Task<net::ServerResponse> revoke_token(AdminRequest request);
  Task<net::ServerResponse> which(AdminRequest request);

 private:
  // Owned by the work, which may outlive the coroutine when the server stops.
  struct Rotating {
    std::string key;
    RotateBody body;
    Actor actor;
    std::optional<Result<keys::RotatedKey>> done;
  };
  Task<net::ServerResponse> deliver(std::shared_ptr<Rotating> work);
  Task<void> run(std::function<void()> act);
  net::ServerResponse answer(const keys::RotatedKey& rotated, bool delivered) const;

  RotationRouteParts parts_;
};

Task<void> RotationRoutes::run(std::function<void()> act) {
  co_await parts_.offload.run(parts_.loop, std::move(act));
}

net::ServerResponse RotationRoutes::answer(const keys::RotatedKey& rotated, bool delivered) const {
  const UtcTime now = parts_.clock.now();
  std::string body;
  body.reserve(kSecretAnswerBytes);
  JsonWriter json(body);
  json.begin_object()
      .field("rotation_id", rotated.rotation_id)
      .field("repeated", rotated.repeated())
      .field("delivered", delivered)
      .field("durable", rotated.durable);
  if (rotated.text && !delivered) json.field("key", rotated.text->reveal());
  json.key("old").raw(key_json(rotated.old, now));
  json.key("successor").raw(key_json(rotated.successor, now));
  json.end_object();
  return json_answer(rotated.repeated() ? 200 : 201, std::move(body));
}

Task<net::ServerResponse> RotationRoutes::rotate(AdminRequest request) {
  if (!request.http.body.empty()) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  }
  Result<RotateBody> body = read_rotate(request.http.body);
  if (!body) co_return error_answer(400, "invalid_rotation", body.error().what);
  auto work = std::make_shared<Rotating>();
  work->key = std::move(request.names[0]);
  work->body = std::move(*body);
  work->actor = request.actor();
  if (work->body.deliver) {
    const Result<keys::KeyInfo> key = parts_.keys.show(work->key);
    const bool known =
        key && parts_.delivery != nullptr && parts_.delivery->has_target(key->name, key->layer);
    if (key && !known) {
      co_return error_answer(400, "no_delivery_target", "keys.deliver has no target for this key.");
    }
    // The old key ends when the new one has arrived, not before: but for an incident, where whoever
    // stole it would have that time.
    work->body.options.keep_old_end = work->body.options.overlap.count() > 0;
  }
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->done.emplace(acts.rotate(work->key, work->body.options, work->actor, work->body.why));
  };
  co_await run(std::move(act));
  const Result<keys::RotatedKey>& done = *work->done;
  if (!done) co_return rotation_error(done.error());
  if (!work->body.deliver || done->repeated()) co_return answer(*done, false);
  net::ServerResponse delivered = co_await deliver(std::move(work));
  co_return delivered;
}

Task<net::ServerResponse> RotationRoutes::deliver(std::shared_ptr<Rotating> work) {
  keys::RotatedKey& rotated = **work->done;
  keys::KeyDelivery::Parcel parcel{.secret = std::make_shared<const Secret>(rotated.text->clone()),
                                   .kid = rotated.successor.kid,
                                   .name = rotated.successor.name,
                                   .layer = rotated.successor.layer,
                                   .replaces = rotated.old.kid,
                                   .expires_at = rotated.successor.expires_at,
                                   .rotation_id = rotated.rotation_id};
  const Result<void> arrived = co_await parts_.delivery->deliver(parts_.loop, std::move(parcel));
  const bool well = arrived.has_value();
  const std::string why = well ? "" : arrived.error().what;
  std::function<void()> act = [clock = &parts_.clock, acts = parts_.acts, work, well,
                               why]() mutable {
    keys::RotatedKey& made = **work->done;
    if (!well) {
      acts.withdraw(made, work->actor, why);
    } else if (work->body.options.keep_old_end) {
      acts.end_old(made, clock->now() + work->body.options.overlap);
    }
  };
  co_await run(std::move(act));
  if (!arrived) {
    co_return error_answer(502, "not_delivered",
                           std::string("The new key could not be delivered and is revoked; ") +
                               (work->body.options.keep_old_end ? "the old one keeps its end. "
                                                                : "the old one is dead. ") +
                               why);
  }
  co_return answer(rotated, true);
}

Task<net::ServerResponse> RotationRoutes::revoke_token(AdminRequest request) {
  std::string why;
  if (!request.http.body.empty()) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
    const Result<JsonValue> body = JsonValue::parse(request.http.body);
    const auto given = body ? body->at("why") : std::nullopt;
    if (!body || !body->is_object() || body->members().size() > (given ? 1U : 0U)) {
      co_return error_answer(400, "invalid_body", "Send {\"why\":\"...\"} or nothing.");
    }
    why = given ? given->string().value_or("") : "";
  }
  struct Work {
    std::string key, tid, why;
    Actor actor;
    std::optional<Result<RevokedToken>> done;
  };
  auto work = std::make_shared<Work>();
  work->key = std::move(request.names[0]);
  work->tid = std::move(request.names[1]);
  work->why = why.substr(0, keys::kTextBytesMax);
  work->actor = request.actor();
  parts_.keys.revoke_token_now(work->key, work->tid, work->actor.name, work->why);
  std::function<void()> act = [acts = parts_.acts, work]() mutable {
    work->done.emplace(acts.revoke_token(work->key, work->tid, work->actor, work->why));
  };
  net::Offload& thread = parts_.urgent ? *parts_.urgent : parts_.offload;
  co_await thread.run(parts_.loop, std::move(act));
  const Result<RevokedToken>& done = *work->done;
  if (!done) co_return key_error_answer(done.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("kid", done->kid).key("kids").begin_array();
  for (const std::string& kid : done->kids) json.value(kid);
  json.end_array()
      .field("tid", done->tid)
      .field("durable", done->durable)
      .field("recorded", done->recorded)
      .end_object();
  co_return json_answer(200, std::move(body));
}

// Whose secret is this? The secret comes in the body and goes nowhere: not into the answer, not
// into the record, which tells only whose it was.
Task<net::ServerResponse> RotationRoutes::which(AdminRequest request) {
  if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  const Result<JsonValue> body = JsonValue::parse(request.http.body);
  const auto member = body ? body->at("secret") : std::nullopt;
  const auto secret = member ? member->string() : std::nullopt;
  wipe(request.http.body);
  if (!secret || body->members().size() != 1) {
    co_return error_answer(400, "invalid_body", "Send {\"secret\":\"...\"}.");
  }
  const Result<keys::Whose> whose = parts_.keys.whose(*secret);
  if (!whose) co_return key_error_answer(whose.error());
  const Result<keys::KeyInfo> key =
      whose->genuine ? parts_.keys.show(whose->kid) : fail(Code::kNotFound, "not ours");
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("ours", whose->genuine);
  if (whose->genuine) json.field("kid", whose->kid).field("tid", whose->tid);
  if (whose->genuine && whose->tid) write_token(json, *whose);
  if (!whose->genuine && !whose->kid.empty()) json.field("claimed_kid", whose->kid);
  const UtcTime now = parts_.clock.now();
  if (key) json.key("key").raw(key_json(*key, now, parts_.keys.dead_layer(*key, now)));
  json.end_object();
  if (key) {
    request.told->api_key_id = key->name;
    request.told->kid = key->kid;
  }
  co_return json_answer(200, std::move(out));
}

}  // namespace

void add_rotation_routes(Routes& routes, RotationRouteParts parts) {
  const auto rotation = std::make_shared<RotationRoutes>(std::move(parts));
  routes.add({.method = "POST",
              .path = "/admin/v1/keys/{key}/rotate",
              .least = Role::kOperator,
              .act = "key.rotate",
              .summary =
                  "201, `{\"rotation_id\",\"key\",\"old\",\"successor\"}`: a new secret under "
                  "the same name; 200 without `key` for a `rotation_id` of before.",
              .handle = handler(rotation, &RotationRoutes::rotate),
              .records_itself = true});
  routes.add({.method = "POST",
              .path = "/admin/v1/keys/{key}/tokens/{tid}/revoke",
              .least = Role::kOperator,
              .act = "token.revoke",
              .summary =
                  "`{\"kid\",\"tid\",\"durable\",\"recorded\"}`: one derived token, and what "
                  "was narrowed from it.",
              .handle = handler(rotation, &RotationRoutes::revoke_token),
              .records_itself = true});
  routes.add(
      {.method = "POST",
       .path = "/admin/v1/keys/which",
       .least = Role::kOperator,
       .act = "key.which",
       .summary =
           "`{\"ours\",\"kid\",\"tid\",\"token\",\"key\"}`: whose secret `{\"secret\":\"...\"}` "
           "is, dead or alive.",
       .handle = handler(rotation, &RotationRoutes::which)});
}

}  // namespace sallyport::admin
