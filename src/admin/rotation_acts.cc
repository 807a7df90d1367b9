// SPDX-License-Identifier: Apache-2.0
#include "admin/rotation_acts.h"

#include <utility>

#include "admin/act_record.h"
#include "admin/key_json.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::admin {
namespace {

std::string rotated_detail(const keys::KeyInfo& before, const keys::RotatedKey& rotated,
                           std::string_view why, UtcTime now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("rotation_id", rotated.rotation_id);
  json.key("before").raw(key_json(before, now));
  json.key("after").begin_object();
  json.key("old").raw(key_json(rotated.old, now));
  json.key("successor").raw(key_json(rotated.successor, now));
  json.end_object();
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

std::string token_detail(std::string_view tid, std::string_view why, bool durable) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("before").null().key("after").begin_object();
  json.field("tid", tid).field("status", "revoked").field("durable", durable).end_object();
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

}  // namespace

Result<keys::RotatedKey> RotationActs::rotate(std::string_view kid_or_name,
                                              const keys::RotateOptions& options,
                                              const Actor& actor, std::string_view why) {
  if (!recorder_.accepting()) return fail(Code::kUnavailable, KeyActs::kJournalSilent);
  const Result<keys::KeyInfo> before = ring_.show(kid_or_name);
  if (!before) return std::unexpected(before.error());
  Result<keys::RotatedKey> rotated = ring_.rotate(kid_or_name, options, actor.name);
  if (!rotated || rotated->repeated()) return rotated;  // what was done before has its record

  Event made = act_event(clock_, "POST /admin/v1/keys/{key}/rotate", actor, "key.rotate");
  made.api_key_id = rotated->successor.name;
  made.kid = rotated->successor.kid;
  made.status = 201;
  made.detail = rotated_detail(*before, *rotated, why, clock_.now());
  if (record_durably(recorder_, std::move(made))) return rotated;
  // Nobody has seen the successor: it dies unused. The old key keeps the end it was given.
  const auto revoked =
      ring_.revoke(rotated->successor.kid, actor.name, "the rotation was not recorded");
  if (!revoked) log::error("admin.unrecorded_key_lives", {{"kid", rotated->successor.kid}});
  return fail(Code::kUnavailable, KeyActs::kJournalSilent);
}

void RotationActs::withdraw(const keys::RotatedKey& rotated, const Actor& actor,
                            std::string_view why) {
  const std::string& kid = rotated.successor.kid;
  const auto revoked = ring_.revoke(kid, actor.name, "not delivered");
  const keys::RotatedKey now{.rotation_id = rotated.rotation_id,
                             .old = ring_.show(rotated.old.kid).value_or(rotated.old),
                             .successor = ring_.show(kid).value_or(rotated.successor),
                             .text = {}};
  Event made = act_event(clock_, "POST /admin/v1/keys/{key}/rotate", actor, "key.rotate_failed");
  made.api_key_id = rotated.successor.name;
  made.kid = kid;
  made.status = 502;
  made.error = "not_delivered";
  made.detail = rotated_detail(rotated.successor, now, why, clock_.now());
  if (!record_durably(recorder_, std::move(made)) || !revoked) {
    log::error("admin.rotation_not_withdrawn", {{"kid", kid}, {"actor", actor.name}});
  }
}

Result<RevokedToken> RotationActs::revoke_token(std::string_view kid_or_name, std::string_view tid,
                                                const Actor& actor, std::string_view why) {
  const Result<keys::KeyInfo> parent = ring_.show(kid_or_name);
  if (!parent) return std::unexpected(parent.error());
  RevokedToken done{.kid = parent->kid, .tid = std::string(tid)};
  const auto revoked = ring_.revoke_token(parent->kid, tid, actor.name, why);
  if (!revoked && revoked.error().code != Code::kUnavailable) {
    return std::unexpected(revoked.error());
  }
  done.durable = revoked.has_value();
  Event made =
      act_event(clock_, "POST /admin/v1/keys/{key}/tokens/{tid}/revoke", actor, "token.revoke");
  made.api_key_id = parent->name;
  made.kid = parent->kid;
  made.tid = done.tid;
  made.status = 200;
  made.detail = token_detail(tid, why, done.durable);
  done.recorded = record_durably(recorder_, std::move(made));
  if (!done.recorded) {
    log::error("admin.revocation_not_recorded", {{"kid", done.kid}, {"actor", actor.name}});
  }
  return done;
}

}  // namespace sallyport::admin
