// SPDX-License-Identifier: Apache-2.0
// Pausing and changing keys, and ending all of one mapping, each with its record.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "admin/act_record.h"
#include "admin/key_acts.h"
#include "admin/key_json.h"
#include "base/json_writer.h"
#include "base/log.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kKidsToldMax = 100;  // of one mapping; each key has a record of its own

std::string mapping_detail(std::string_view mapping, const Revoked& done, std::string_view why) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("before").begin_object();
  json.field("live", static_cast<std::uint64_t>(done.keys.size())).end_object();
  json.key("after").begin_object().field("mapping", mapping).field("durable", done.durable);
  json.field("revoked", static_cast<std::uint64_t>(done.keys.size())).key("kids").begin_array();
  for (std::size_t i = 0; i < std::min(done.keys.size(), kKidsToldMax); ++i) {
    json.value(done.keys[i].kid);
  }
  json.end_array().end_object();
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

}  // namespace

std::string KeyActs::json(const keys::KeyInfo& key) const {
  const UtcTime now = clock_.now();
  return key_json(key, now, ring_.dead_layer(key, now));
}

Result<Revoked> KeyActs::block(std::string_view kid_or_name, const Actor& actor,
                               std::string_view why) {
  std::map<std::string, std::string> before;
  Revoked done;
  for (const auto& [kid, key] : this->before(ring_.find(kid_or_name))) {
    before[kid] = json(key);
    if (key.blocked_at) done.unchanged.push_back(kid);
  }
  Result<std::vector<keys::KeyInfo>> blocked = ring_.block(kid_or_name, actor.name, why);
  if (blocked) {
    done.keys = std::move(*blocked);
  } else if (blocked.error().code == Code::kUnavailable && !before.empty()) {
    done.durable = false;
    for (keys::KeyInfo& key : ring_.find(kid_or_name)) {
      if (key.blocked_at && key.state != keys::KeyState::kRevoked) {
        done.keys.push_back(std::move(key));
      }
    }
  } else {
    return std::unexpected(blocked.error());
  }
  for (const keys::KeyInfo& key : done.keys) {
    Event made = act_event(clock_, "POST /admin/v1/keys/{key}/block", actor, "key.block");
    made.api_key_id = key.name;
    made.kid = key.kid;
    made.status = 200;
    const auto was = before.find(key.kid);
    made.detail = act_detail(was == before.end() ? "null" : was->second, json(key), why);
    if (record_durably(recorder_, std::move(made))) continue;
    done.recorded = false;
    log::error("admin.block_not_recorded", {{"kid", key.kid}, {"actor", actor.name}});
  }
  return done;
}

Result<Revoked> KeyActs::unblock(std::string_view kid_or_name, const Actor& actor,
                                 std::string_view why) {
  if (!recorder_.accepting()) return fail(Code::kUnavailable, kJournalSilent);
  std::map<std::string, keys::KeyInfo> before;
  for (keys::KeyInfo& key : ring_.find(kid_or_name)) before[key.kid] = std::move(key);
  Revoked done;
  Result<std::vector<keys::KeyInfo>> opened = ring_.unblock(kid_or_name, actor.name);
  if (!opened) return std::unexpected(opened.error());
  done.keys = std::move(*opened);
  for (const keys::KeyInfo& key : done.keys) {
    Event made = act_event(clock_, "POST /admin/v1/keys/{key}/unblock", actor, "key.unblock");
    made.api_key_id = key.name;
    made.kid = key.kid;
    made.status = 200;
    const auto was = before.find(key.kid);
    if (was != before.end() && !was->second.blocked_at) done.unchanged.push_back(key.kid);
    made.detail = act_detail(was == before.end() ? "null" : json(was->second), json(key), why);
    if (!record_durably(recorder_, std::move(made))) done.recorded = false;
  }
  if (done.recorded) return done;
  // Nothing comes back without a record: those that were blocked are again.
  for (const auto& [kid, was] : before) {
    if (!was.blocked_at || was.state == keys::KeyState::kRevoked) continue;
    const auto again = ring_.block(kid, actor.name, "the end of its pause was not recorded");
    if (!again) log::error("admin.unrecorded_unblock", {{"kid", kid}, {"actor", actor.name}});
  }
  return fail(Code::kUnavailable, kJournalSilent);
}

Result<Updated> KeyActs::update(std::string_view kid_or_name, const keys::KeyChange& change,
                                const Actor& actor) {
  if (!recorder_.accepting()) return fail(Code::kUnavailable, kJournalSilent);
  for (const keys::KeyInfo& key : ring_.find(kid_or_name)) {
    if (!change.restrictions.contains("budgets")) break;
    const Result<keys::KeyInfo> after = keys::changed(key, change);
    if (!after) return std::unexpected(after.error());
    const Result<void> kept = budgets_kept(recorder_, after->restrictions, "the key " + key.name);
    if (!kept) return std::unexpected(kept.error());
  }
  Result<std::vector<keys::UpdatedKey>> updated = ring_.update(kid_or_name, change, actor.name);
  if (!updated) return std::unexpected(updated.error());
  Updated done;
  done.keys = std::move(*updated);
  for (const keys::UpdatedKey& one : done.keys) {
    Event made = act_event(clock_, "PATCH /admin/v1/keys/{key}", actor, "key.update");
    made.api_key_id = one.after.name;
    made.kid = one.after.kid;
    made.status = 200;
    made.detail = act_detail(json(one.before), json(one.after));
    if (record_durably(recorder_, std::move(made))) continue;
    done.recorded = false;
    log::error("admin.update_not_recorded", {{"kid", one.after.kid}, {"actor", actor.name}});
  }
  return done;
}

Result<Revoked> KeyActs::revoke_mapping(std::string_view mapping, const Actor& actor,
                                        std::string_view why) {
  std::map<std::string, std::string> before;  // those that live
  for (const auto& [kid, key] : this->before(ring_.of_mapping(mapping))) {
    const std::string_view status = keys::status(key, clock_.now());
    if (status != "revoked" && status != "expired") before[kid] = json(key);
  }
  Revoked done;
  Result<std::vector<keys::KeyInfo>> revoked = ring_.revoke_mapping(mapping, actor.name, why);
  if (!revoked && revoked.error().code != Code::kUnavailable) {
    return std::unexpected(revoked.error());
  }
  done.durable = revoked.has_value();
  std::set<std::string> ended;  // those that lived, and what another process had just made
  for (const auto& [kid, was] : before) ended.insert(kid);
  if (revoked) {
    for (const keys::KeyInfo& key : *revoked) ended.insert(key.kid);
  }
  for (keys::KeyInfo& key : ring_.of_mapping(mapping)) {
    if (ended.contains(key.kid)) done.keys.push_back(std::move(key));
  }
  constexpr const char* kEndpoint = "POST /admin/v1/mappings/{mapping}/revoke";
  for (const keys::KeyInfo& key : done.keys) {
    Event made = act_event(clock_, kEndpoint, actor, "key.revoke");
    made.api_key_id = key.name;
    made.kid = key.kid;
    made.status = 200;
    const auto was = before.find(key.kid);
    made.detail = act_detail(was == before.end() ? "null" : was->second, json(key), why);
    recorder_.record(std::move(made), Durability::kWritten, {});
  }
  Event made = act_event(clock_, kEndpoint, actor, "mapping.revoke");
  made.status = 200;
  made.detail = mapping_detail(mapping, done, why);
  if (record_durably(recorder_, std::move(made))) return done;
  done.recorded = false;
  log::error("admin.revocation_not_recorded", {{"mapping", mapping}, {"actor", actor.name}});
  return done;
}

}  // namespace sallyport::admin
