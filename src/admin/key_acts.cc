// SPDX-License-Identifier: Apache-2.0
#include "admin/key_acts.h"

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "admin/act_record.h"
#include "admin/key_json.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::admin {
namespace {

constexpr auto kJournalPatience = std::chrono::seconds(5);

std::string created_detail(const keys::KeyInfo& key, UtcTime now, std::string_view why) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("before").null().key("after").raw(key_json(key, now));
  if (!why.empty()) json.field("why", why);
  json.end_object();
  return out;
}

std::string revoked_detail(std::string_view status_before, std::string_view why, bool durable) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("before").begin_object().field("status", status_before).end_object();
  json.key("after")
      .begin_object()
      .field("status", "revoked")
      .field("durable", durable)
      .end_object();
  json.field("why", why).end_object();
  return out;
}

}  // namespace

Event KeyActs::event(std::string endpoint, const Actor& actor, std::string action) const {
  Event event;
  event.timestamp_utc = clock_.now();
  event.kind = Kind::kAdmin;
  event.endpoint = std::move(endpoint);
  event.request_id = make_request_id();
  event.ip = actor.ip;
  event.actor = actor.name;
  event.action = std::move(action);
  return event;
}

bool KeyActs::record(Event event) {
  // Shared with the recorder's thread, which may answer after we have gone.
  const auto answered = std::make_shared<std::promise<bool>>();
  std::future<bool> answer = answered->get_future();
  recorder_.record(std::move(event), Durability::kSynced,
                   [answered](Result<std::uint64_t> seq) { answered->set_value(seq.has_value()); });
  return answer.wait_for(kJournalPatience) == std::future_status::ready && answer.get();
}

Result<keys::CreatedKey> KeyActs::create(const keys::KeySpec& spec, const Actor& actor,
                                         std::string_view why) {
  if (!recorder_.accepting()) return fail(Code::kUnavailable, kJournalSilent);
  const Result<void> kept = budgets_kept(recorder_, spec.restrictions, "the key " + spec.name);
  if (!kept) return std::unexpected(kept.error());
  Result<keys::CreatedKey> created = ring_.create(spec, actor.name);
  if (!created) return created;
  Event made = event("POST /admin/v1/keys", actor, "key.create");
  made.api_key_id = created->info.name;
  made.kid = created->info.kid;
  made.status = 201;
  made.detail = created_detail(created->info, clock_.now(), why);
  if (record(std::move(made))) return created;
  // Nobody has seen the key: it dies unused, so that no key lives without a record.
  const auto revoked = ring_.revoke(created->info.kid, actor.name, "creation was not recorded");
  if (!revoked) log::error("admin.unrecorded_key_lives", {{"kid", created->info.kid}});
  return fail(Code::kUnavailable, kJournalSilent);
}

std::map<std::string, keys::KeyInfo> KeyActs::before(const std::vector<keys::KeyInfo>& keys) const {
  std::map<std::string, keys::KeyInfo> out;
  for (const keys::KeyInfo& key : keys) {
    const auto was = was_.find(key.kid);
    out.emplace(key.kid, was == was_.end() ? key : was->second);
  }
  return out;
}

void KeyActs::remember(const std::vector<keys::KeyInfo>& keys) {
  for (const keys::KeyInfo& key : keys) was_.emplace(key.kid, key);
}

void KeyActs::revoke_now(std::string_view kid_or_name, const Actor& actor, std::string_view why) {
  remember(ring_.find(kid_or_name));
  ring_.revoke_now(kid_or_name, actor.name, why);
}

void KeyActs::revoke_mapping_now(std::string_view mapping, const Actor& actor,
                                 std::string_view why) {
  remember(ring_.of_mapping(mapping));
  ring_.revoke_mapping_now(mapping, actor.name, why);
}

void KeyActs::block_now(std::string_view kid_or_name, const Actor& actor, std::string_view why) {
  remember(ring_.find(kid_or_name));
  ring_.block_now(kid_or_name, actor.name, why);
}

Result<Revoked> KeyActs::revoke(std::string_view kid_or_name, const Actor& actor,
                                std::string_view why) {
  // One that is not known here may be another process's: the ring asks the store first.
  const auto were = this->before(ring_.find(kid_or_name));
  const auto status_before = [&](const keys::KeyInfo& key) {
    const auto was = were.find(key.kid);
    return was == were.end() ? std::string_view("active") : keys::status(was->second, clock_.now());
  };

  Revoked done;
  Result<std::vector<keys::KeyInfo>> revoked = ring_.revoke(kid_or_name, actor.name, why);
  if (revoked) {
    done.keys = std::move(*revoked);
  } else if (revoked.error().code == Code::kUnavailable && !were.empty()) {
    done.durable = false;
    done.keys = ring_.find(kid_or_name);
  } else {
    return std::unexpected(revoked.error());
  }
  for (const keys::KeyInfo& key : done.keys) {
    if (status_before(key) == "revoked") done.unchanged.push_back(key.kid);
    Event made = event("POST /admin/v1/keys/" + key.name + "/revoke", actor, "key.revoke");
    made.api_key_id = key.name;
    made.kid = key.kid;
    made.status = 200;
    made.detail = revoked_detail(status_before(key), why, done.durable);
    if (!record(std::move(made))) {
      done.recorded = false;
      log::error("admin.revocation_not_recorded", {{"kid", key.kid}, {"actor", actor.name}});
    }
  }
  return done;
}

}  // namespace sallyport::admin
