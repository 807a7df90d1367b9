// SPDX-License-Identifier: Apache-2.0
#include "admin/rotation_acts.h"

#include <algorithm>
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
  // Recorded before the old key gets its end; but one that is in wrong hands dies first.
  const bool at_once = !options.keep_old_end && options.overlap.count() == 0;
  keys::RotateOptions first = options;
  first.keep_old_end = !at_once;
  Result<keys::RotatedKey> rotated = ring_.rotate(kid_or_name, first, actor.name);
  if (!rotated || rotated->repeated()) return rotated;  // what was done before has its record
  const UtcTime ends_at = clock_.now() + options.overlap;
  const bool gives_end = !options.keep_old_end && !at_once;
  keys::RotatedKey planned{.rotation_id = rotated->rotation_id,
                           .old = rotated->old,
                           .successor = rotated->successor,
                           .text = {}};
  if (gives_end) planned.old.expires_at = std::min(planned.old.expires_at, ends_at);

  Event made = act_event(clock_, "POST /admin/v1/keys/{key}/rotate", actor, "key.rotate");
  made.api_key_id = rotated->successor.name;
  made.kid = rotated->successor.kid;
  made.status = 201;
  made.detail = rotated_detail(*before, planned, why, clock_.now());
  if (record_durably(recorder_, std::move(made))) {
    if (gives_end) end_old(*rotated, ends_at);
    return rotated;
  }
  // Nobody has seen the successor: it dies unused.
  const auto revoked =
      ring_.revoke(rotated->successor.kid, actor.name, "the rotation was not recorded");
  if (!revoked) log::error("admin.unrecorded_key_lives", {{"kid", rotated->successor.kid}});
  return fail(Code::kUnavailable, at_once ? kOldIsDead : KeyActs::kJournalSilent);
}

void RotationActs::end_old(keys::RotatedKey& rotated, UtcTime ends_at) {
  const Result<keys::KeyInfo> ended = ring_.retire(rotated.old.kid, ends_at);
  rotated.durable = ended.has_value();
  const Result<keys::KeyInfo> now = ended ? ended : ring_.show(rotated.old.kid);
  if (now) rotated.old = *now;
  if (ended) return;
  log::error("admin.end_not_durable", {{"kid", rotated.old.kid},
                                       {"reason", ended.error().what},
                                       {"effect", "it is in force in this process"}});
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
