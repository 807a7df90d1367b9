// SPDX-License-Identifier: Apache-2.0
#include "keys/rotation_schedule.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/json_writer.h"
#include "base/log.h"
#include "base/random.h"

namespace sallyport::keys {
namespace {

const KeyInfo* find(const std::vector<KeyInfo>& keys, std::string_view kid) {
  const auto at = std::ranges::find(keys, kid, &KeyInfo::kid);
  return at == keys.end() ? nullptr : &*at;
}

Event event_of(const KeyInfo& key, const Clock& clock, std::string_view action) {
  Event event;
  event.timestamp_utc = clock.now();
  event.kind = Kind::kAdmin;
  event.endpoint = "keys.rotate";
  event.request_id = make_request_id();
  event.api_key_id = key.name;
  event.kid = key.kid;
  event.actor = std::string(RotationSchedule::kActor);
  event.action = std::string(action);
  return event;
}

}  // namespace

RotationSchedule::RotationSchedule(const RotationConfig& config, Parts parts)
    : config_(config), parts_(parts) {}

Task<void> RotationSchedule::run(net::Loop& loop) {
  for (;;) {
    const std::size_t rotated = co_await look(loop);
    if (rotated > 0) log::info("keys.rotated", {{"keys", static_cast<std::uint64_t>(rotated)}});
    co_await loop.sleep_for(kLookEveryMs);
  }
}

Task<void> RotationSchedule::on_disk(net::Loop& loop, std::function<void()> act) {
  co_await parts_.disk.run(loop, std::move(act));
}

// A successor of ours that nobody got: the process ended before it was delivered, since a delivered
// one has given its predecessor an end within the grace.
bool RotationSchedule::undelivered(const KeyInfo& old, const std::vector<KeyInfo>& keys,
                                   UtcTime now, std::string& lost) const {
  if (old.state != KeyState::kRetiring || !old.replaced_by) return false;
  const KeyInfo* successor = find(keys, *old.replaced_by);
  if (successor == nullptr || successor->created_by != kActor) return false;
  if (successor->last_used_at || old.expires_at <= now + config_.grace) return false;
  if (successor->state == KeyState::kActive) lost = successor->kid;
  return successor->state == KeyState::kActive || successor->state == KeyState::kRevoked;
}

std::vector<KeyInfo> RotationSchedule::due(const std::vector<KeyInfo>& keys, UtcTime now) {
  std::vector<KeyInfo> out;
  if (config_.every.count() <= 0) return out;
  std::erase_if(not_before_, [&](const auto& entry) { return entry.second <= now; });
  for (const KeyInfo& key : keys) {
    if (out.size() == kPassMax) break;
    if (now >= key.expires_at || key.blocked_at || not_before_.contains(key.kid)) continue;
    if (!parts_.delivery.has_target(key.name, key.layer)) continue;
    std::string lost;
    const bool old_enough = key.state == KeyState::kActive && now - key.created_at >= config_.every;
    if (old_enough || undelivered(key, keys, now, lost)) out.push_back(key);
  }
  return out;
}

Task<std::size_t> RotationSchedule::look(net::Loop& loop) {
  struct Listed {
    std::vector<KeyInfo> keys;
  };
  const auto listed = std::make_shared<Listed>();
  std::function<void()> list = [listed, ring = &parts_.ring] { listed->keys = ring->list(); };
  co_await on_disk(loop, std::move(list));
  std::size_t rotated = 0;
  const UtcTime now = parts_.clock.now();
  const std::vector<KeyInfo> todo = due(listed->keys, now);
  for (const KeyInfo& key : todo) {
    std::string lost;
    if (undelivered(key, listed->keys, now, lost) && !lost.empty()) {
      co_await give_up(loop, key, *find(listed->keys, lost));
    }
    const bool done = co_await rotate(loop, key);
    if (done) ++rotated;
  }
  co_await watch_successors(loop, std::move(listed->keys));
  co_return rotated;
}

// Nobody got this successor, or nobody knows whether somebody did.
Task<void> RotationSchedule::give_up(net::Loop& loop, KeyInfo old, KeyInfo lost) {
  std::function<void()> revoke = [ring = &parts_.ring, kid = lost.kid] {
    (void)ring->revoke(kid, kActor, "its secret was not delivered");
  };
  co_await on_disk(loop, std::move(revoke));
  const Error why{Code::kUnavailable, "the process ended before the delivery was confirmed"};
  tell(old, lost, "", &why);
}

struct RotationSchedule::Work {
  KeyInfo old;
  std::optional<Result<RotatedKey>> made;
  std::optional<Result<KeyInfo>> retired;
};

// No rotation without a record, and no end for the old key before the new one has arrived.
Task<bool> RotationSchedule::rotate(net::Loop& loop, KeyInfo old) {
  if (!parts_.recorder.accepting()) co_return false;
  const auto work = std::make_shared<Work>();
  work->old = std::move(old);
  std::function<void()> make = [work, ring = &parts_.ring] {
    RotateOptions options;
    options.keep_old_end = true;
    work->made.emplace(ring->rotate(work->old.kid, options, kActor));
  };
  co_await on_disk(loop, std::move(make));
  if (!work->made || !*work->made) {
    const Error error =
        work->made ? work->made->error() : Error{Code::kUnavailable, "shutting down"};
    not_before_[work->old.kid] = parts_.clock.now() + kRetryAfter;
    tell(work->old, work->old, "", &error);
    co_return false;
  }
  const RotatedKey& made = **work->made;
  KeyDelivery::Parcel parcel{.secret = std::make_shared<const Secret>(made.text->clone()),
                             .kid = made.successor.kid,
                             .name = made.successor.name,
                             .layer = made.successor.layer,
                             .replaces = made.old.kid,
                             .expires_at = made.successor.expires_at,
                             .rotation_id = made.rotation_id};
  const Result<void> arrived = co_await parts_.delivery.deliver(loop, std::move(parcel));
  const bool well = arrived.has_value();
  const UtcTime ends_at = parts_.clock.now() + config_.grace;
  std::function<void()> settle = [work, ring = &parts_.ring, well, ends_at] {
    const RotatedKey& done = **work->made;
    if (well) {
      work->retired.emplace(ring->retire(done.old.kid, ends_at));
    } else {
      (void)ring->revoke(done.successor.kid, kActor, "its secret was not delivered");
    }
  };
  co_await on_disk(loop, std::move(settle));
  if (!well) not_before_[work->old.kid] = parts_.clock.now() + kRetryAfter;
  const KeyInfo& now_old = work->retired && *work->retired ? **work->retired : made.old;
  tell(now_old, made.successor, made.rotation_id, well ? nullptr : &arrived.error());
  co_return well;
}

void RotationSchedule::tell(const KeyInfo& old, const KeyInfo& successor,
                            std::string_view rotation_id, const Error* failure) {
  Event event = event_of(successor, parts_.clock, failure ? "key.rotate_failed" : "key.rotate");
  event.status = failure ? 502 : 200;
  if (failure) event.error = "not_delivered";
  std::string detail;
  JsonWriter json(detail);
  json.begin_object().field("rotation_id", rotation_id);
  json.key("before").begin_object().field("kid", old.kid).end_object();
  json.key("after")
      .begin_object()
      .field("kid", successor.kid)
      .field("old_ends_at", std::string_view(format_utc(old.expires_at)))
      .field("delivered", failure == nullptr)
      .end_object();
  if (failure) json.field("why", failure->what);
  json.end_object();
  event.detail = std::move(detail);
  parts_.recorder.record(std::move(event), Durability::kSynced, {});
  if (failure == nullptr) return;
  log::error("keys.rotation_failed", {{"name", old.name},
                                      {"kid", old.kid},
                                      {"reason", failure->what},
                                      {"effect", "the old key lives until its own end"}});
}

// The first use of a successor is worth a record: from then on the old key is not needed.
Task<void> RotationSchedule::watch_successors(net::Loop& loop, std::vector<KeyInfo> keys) {
  const UtcTime now = parts_.clock.now();
  std::unordered_map<std::string_view, const KeyInfo*> by_kid;
  for (const KeyInfo& key : keys) by_kid.emplace(key.kid, &key);
  std::set<std::string> current;
  std::vector<std::string> to_end;
  for (const KeyInfo& old : keys) {
    if (old.state != KeyState::kRetiring || !old.replaced_by || now >= old.expires_at) continue;
    const auto at = by_kid.find(*old.replaced_by);
    if (at == by_kid.end() || !at->second->last_used_at) continue;
    const KeyInfo& successor = *at->second;
    current.insert(successor.kid);
    if (config_.end_early) to_end.push_back(old.kid);
    if (first_look_ || seen_.contains(successor.kid)) continue;
    Event event = event_of(successor, parts_.clock, "key.first_use");
    event.status = 200;
    std::string detail;
    JsonWriter(detail).begin_object().field("replaces", old.kid).end_object();
    event.detail = std::move(detail);
    parts_.recorder.record(std::move(event), Durability::kWritten, {});
  }
  seen_ = std::move(current);
  first_look_ = false;
  for (const std::string& kid : to_end) {
    std::function<void()> end = [ring = &parts_.ring, kid, now] { (void)ring->retire(kid, now); };
    co_await on_disk(loop, std::move(end));
  }
}

}  // namespace sallyport::keys
