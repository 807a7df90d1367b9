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
  if (!rotated.also_ended.empty()) {
    json.key("also_ended").begin_array();
    for (const keys::KeyInfo& key : rotated.also_ended) json.value(key.kid);
    json.end_array();
  }
  json.end_object();
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

std::string token_detail(const RevokedToken& done, std::string_view why) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("before").null().key("after").begin_object();
  json.field("tid", done.tid).field("status", "revoked").field("durable", done.durable);
  json.key("kids").begin_array();
  for (const std::string& kid : done.kids) json.value(kid);
  json.end_array().end_object();
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

// Where a token of these keys is dead; `shown` if none of them lives.
std::vector<std::string> live_kids(const std::vector<keys::KeyInfo>& keys,
                                   const keys::KeyInfo& shown, UtcTime now) {
  std::vector<std::string> kids;
  for (const keys::KeyInfo& key : keys) {
    if (key.state != keys::KeyState::kRevoked && now < key.expires_at) kids.push_back(key.kid);
  }
  if (kids.empty()) kids.push_back(shown.kid);
  return kids;
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
                           .also_ended = rotated->also_ended,
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
  RevokedToken done{.kid = {}, .tid = std::string(tid), .kids = {}};
  const auto revoked = ring_.revoke_token(kid_or_name, tid, actor.name, why);
  const Result<keys::KeyInfo> parent = ring_.show(kid_or_name);
  if (!revoked && (revoked.error().code != Code::kUnavailable || !parent)) {
    return std::unexpected(revoked.error());
  }
  if (!parent) return std::unexpected(parent.error());
  done.durable = revoked.has_value();
  if (revoked) {
    for (const keys::TokenRevocation& one : *revoked) done.kids.push_back(one.kid);
  } else {
    done.kids = live_kids(ring_.find(kid_or_name), *parent, clock_.now());
  }
  done.kid = done.kids.front();
  Event made =
      act_event(clock_, "POST /admin/v1/keys/{key}/tokens/{tid}/revoke", actor, "token.revoke");
  made.api_key_id = parent->name;
  made.kid = done.kid;
  made.tid = done.tid;
  made.status = 200;
  made.detail = token_detail(done, why);
  done.recorded = record_durably(recorder_, std::move(made));
  if (!done.recorded) {
    log::error("admin.revocation_not_recorded", {{"kid", done.kid}, {"actor", actor.name}});
  }
  return done;
}

}  // namespace sallyport::admin
