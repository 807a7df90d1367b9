// SPDX-License-Identifier: Apache-2.0
#include "keys/rotation_schedule.h"

#include <algorithm>
#include <future>
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
    auto round = std::make_shared<Round>();
    co_await begin(loop, std::move(round));
    co_await loop.sleep_for(kLookEveryMs);
  }
}

// If the loop drops its tasks meanwhile, those that would wake the waiter go with it.
struct RotationSchedule::Ended {
  Round& round;
  bool await_ready() const noexcept { return round.open == 0; }
  void await_suspend(std::coroutine_handle<> waiter) const noexcept { round.waiter = waiter; }
  void await_resume() const noexcept {}
};

Task<std::size_t> RotationSchedule::look(net::Loop& loop) {
  const auto round = std::make_shared<Round>();
  co_await begin(loop, round);
  const Ended over{*round};
  co_await over;
  co_return round->rotated;
}

Task<void> RotationSchedule::on_disk(net::Loop& loop, std::function<void()> act) {
  co_await parts_.disk.run(loop, std::move(act));
}

// What has to be replaced if this key is looked at: itself, at its age; its successor, if nobody
// knows whether that arrived; itself again, if that was given up. An old key whose successor
// arrived has an end soon after its making.
const KeyInfo* RotationSchedule::to_replace(const KeyInfo& key, const std::vector<KeyInfo>& keys,
                                            UtcTime now) const {
  if (key.state == KeyState::kActive) {
    return now < key.expires_at && now - key.created_at >= config_.every ? &key : nullptr;
  }
  if (key.state != KeyState::kRetiring || !key.replaced_by) return nullptr;
  const KeyInfo* const successor = find(keys, *key.replaced_by);
  if (successor == nullptr || successor->created_by != kActor || successor->last_used_at ||
      arrived_.contains(successor->kid) ||
      key.expires_at <= successor->created_at + config_.grace + kArrivalMax) {
    return nullptr;
  }
  if (successor->state == KeyState::kRevoked) return &key;
  return successor->state == KeyState::kActive ? successor
                                               : nullptr;  // else it is looked at itself
}

RotationSchedule::Targets RotationSchedule::due(const std::vector<KeyInfo>& keys, UtcTime now) {
  Targets out;
  if (config_.every.count() <= 0) return out;
  const auto over = [now](const auto& entry) { return entry.second <= now; };
  std::erase_if(not_before_, over);
  std::erase_if(rests_, over);
  std::set<std::string_view> taken;
  for (const KeyInfo& key : keys) {
    const KeyInfo* const wanted = to_replace(key, keys, now);
    if (wanted == nullptr || now >= wanted->expires_at || wanted->blocked_at) continue;
    if (not_before_.contains(wanted->kid)) continue;
    const auto target = parts_.delivery.target(wanted->name, wanted->layer);
    if (!target || busy_.contains(*target) || rests_.contains(*target)) continue;
    if (!out.contains(*target) && out.size() + busy_.size() >= kTargetsMax) continue;
    std::vector<KeyInfo>& of = out[*target];
    if (of.size() < kPassMax && taken.insert(wanted->kid).second) of.push_back(*wanted);
  }
  return out;
}

Task<void> RotationSchedule::begin(net::Loop& loop, std::shared_ptr<Round> round) {
  const auto unrecorded = std::exchange(unrecorded_, {});
  for (const std::shared_ptr<Work>& work : unrecorded) co_await finish(loop, work);

  struct Listed {
    std::vector<KeyInfo> keys;
  };
  const auto listed = std::make_shared<Listed>();
  std::function<void()> list = [listed, ring = &parts_.ring] { listed->keys = ring->list(); };
  co_await on_disk(loop, std::move(list));
  std::set<std::string> unused;  // once a secret was used, the ring knows that it arrived
  for (const KeyInfo& key : listed->keys) {
    if (!key.last_used_at && arrived_.contains(key.kid)) unused.insert(key.kid);
  }
  arrived_ = std::move(unused);
  Targets targets = due(listed->keys, parts_.clock.now());
  for (auto& [target, keys] : targets) {
    busy_.insert(target);
    ++round->open;
    loop.spawn(serve(loop, target, std::move(keys), round));
  }
  co_await watch_successors(loop, std::move(listed->keys));
}

Task<void> RotationSchedule::serve(net::Loop& loop, std::size_t target, std::vector<KeyInfo> keys,
                                   std::shared_ptr<Round> round) {
  for (KeyInfo& key : keys) {
    if (rests_.contains(target)) break;
    const bool done = co_await rotate(loop, target, std::move(key));
    if (done) ++round->rotated;
  }
  if (round->rotated > 0) {
    log::info("keys.rotated", {{"keys", static_cast<std::uint64_t>(round->rotated)}});
  }
  busy_.erase(target);
  if (--round->open == 0 && round->waiter) std::exchange(round->waiter, {}).resume();
}

struct RotationSchedule::Work {
  KeyInfo old;
  std::optional<Result<RotatedKey>> made;
  bool recorded = false;
};

// No rotation without a record, and no end for the old key before the new one has arrived.
Task<bool> RotationSchedule::rotate(net::Loop& loop, std::size_t target, KeyInfo old) {
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
    tell_failure(work->old, work->old, "", error);
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
  if (arrived) {
    arrived_.insert(made.successor.kid);
    co_await finish(loop, work);
    co_return true;
  }
  rests_[target] = parts_.clock.now() + kRetryAfter;
  // Dead here at once; the ring goes on until it is so in the store.
  std::function<void()> give_up = [work, ring = &parts_.ring] {
    (void)ring->revoke((*work->made)->successor.kid, kActor, "its secret was not delivered");
  };
  co_await on_disk(loop, std::move(give_up));
  tell_failure(made.old, made.successor, made.rotation_id, arrived.error());
  co_return false;
}

namespace {

// False when the journal did not take it. Blocks up to 5 s.
bool record_durably(Recorder& recorder, Event event) {
  const auto answered = std::make_shared<std::promise<bool>>();
  std::future<bool> answer = answered->get_future();
  recorder.record(std::move(event), Durability::kSynced,
                  [answered](Result<std::uint64_t> seq) { answered->set_value(seq.has_value()); });
  return answer.wait_for(std::chrono::seconds(5)) == std::future_status::ready && answer.get();
}

// The key that was replaced, and those before it that still live because of a delivery of which
// nobody knows whether it was one.
std::vector<std::string> replaced(const KeyRing& ring, const RotatedKey& made) {
  std::vector<std::string> kids{made.old.kid};
  const std::vector<KeyInfo> keys = ring.find(made.old.name);
  for (std::size_t i = 0; i < kids.size(); ++i) {
    for (const KeyInfo& key : keys) {
      if (key.state == KeyState::kRetiring && key.replaced_by == kids[i]) kids.push_back(key.kid);
    }
  }
  return kids;
}

}  // namespace

// The new secret is where it belongs: recorded, then the old key gets its end. Without a record
// both live, and the record is tried again with the next look.
Task<void> RotationSchedule::finish(net::Loop& loop, std::shared_ptr<Work> work) {
  const RotatedKey& made = **work->made;
  const UtcTime ends_at = parts_.clock.now() + config_.grace;
  auto event = std::make_shared<Event>(
      rotated(made.old, made.successor, made.rotation_id, ends_at, nullptr));
  std::function<void()> settle = [work, event, ends_at, ring = &parts_.ring,
                                  recorder = &parts_.recorder] {
    work->recorded = record_durably(*recorder, std::move(*event));
    if (!work->recorded) return;
    for (const std::string& kid : replaced(*ring, **work->made)) {
      const Result<KeyInfo> retired = ring->retire(kid, ends_at);
      if (retired) continue;
      log::warn("keys.end_not_durable", {{"kid", kid}, {"reason", retired.error().what}});
    }
  };
  co_await on_disk(loop, std::move(settle));
  if (work->recorded) co_return;
  log::error("keys.rotation_not_recorded",
             {{"kid", made.successor.kid}, {"effect", "the old key lives on until it is"}});
  unrecorded_.push_back(std::move(work));
}

Event RotationSchedule::rotated(const KeyInfo& old, const KeyInfo& successor,
                                std::string_view rotation_id, UtcTime old_ends_at,
                                const Error* failure) const {
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
      .field("old_ends_at", std::string_view(format_utc(std::min(old.expires_at, old_ends_at))))
      .field("delivered", failure == nullptr)
      .end_object();
  if (failure) json.field("why", failure->what);
  json.end_object();
  event.detail = std::move(detail);
  return event;
}

void RotationSchedule::tell_failure(const KeyInfo& old, const KeyInfo& successor,
                                    std::string_view rotation_id, const Error& failure) {
  parts_.recorder.record(rotated(old, successor, rotation_id, old.expires_at, &failure),
                         Durability::kSynced, {});
  log::error("keys.rotation_failed", {{"name", old.name},
                                      {"kid", old.kid},
                                      {"reason", failure.what},
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
