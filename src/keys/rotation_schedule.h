// SPDX-License-Identifier: Apache-2.0
// The gate replaces keys by itself, where a new secret has a way to its owner: made, delivered,
// recorded, and only then is the old key given its end. A delivery that fails leaves the old key as
// it was, until its own end, and makes a record; the secret that nobody got is revoked. Whether a
// secret arrived that was on its way when the process ended nobody knows: it works on, and is
// replaced as if it had. Also records when a successor is first used, and may end its predecessor
// then.
#pragma once

#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "event/ports/recorder.h"
#include "keys/delivery_config.h"
#include "keys/key_delivery.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::keys {

class RotationSchedule {
 public:
  static constexpr std::int64_t kLookEveryMs = 30'000;
  static constexpr std::size_t kPassMax = 64;     // keys of one target in one look; the rest later
  static constexpr std::size_t kTargetsMax = 16;  // served at one time; each one key at a time
  // After a failed delivery, for the whole target: what does not answer is left alone.
  static constexpr std::chrono::milliseconds kRetryAfter = std::chrono::minutes(10);
  static constexpr std::chrono::milliseconds kArrivalMax = std::chrono::minutes(5);
  static constexpr std::string_view kActor = "rotation";

  // All outlive the schedule.
  struct Parts {
    KeyRing& ring;
    const KeyDelivery& delivery;
    net::Offload& disk;
    Recorder& recorder;
    const Clock& clock;
  };
  RotationSchedule(const RotationConfig& config, Parts parts);

  // Looks every 30 s; never ends. Spawn it on one loop, which must drop its tasks before this dies.
  Task<void> run(net::Loop& loop);

  // One look, and the end of what it began; the number of keys that were replaced. Targets are
  // served side by side: one that does not answer delays no other.
  Task<std::size_t> look(net::Loop& loop);

 private:
  struct Work;
  struct Round {  // what one look began
    std::size_t open = 0, rotated = 0;
    std::coroutine_handle<> waiter;  // of look(), until `open` is 0
  };
  struct Ended;  // awaitable: the round is over
  using Targets = std::map<std::size_t, std::vector<KeyInfo>>;

  Task<void> begin(net::Loop& loop, std::shared_ptr<Round> round);
  Targets due(const std::vector<KeyInfo>& keys, UtcTime now);
  const KeyInfo* to_replace(const KeyInfo& key, const std::vector<KeyInfo>& keys,
                            UtcTime now) const;
  Task<void> serve(net::Loop& loop, std::size_t target, std::vector<KeyInfo> keys,
                   std::shared_ptr<Round> round);
  Task<bool> rotate(net::Loop& loop, std::size_t target, KeyInfo old);
  Task<void> finish(net::Loop& loop, std::shared_ptr<Work> work);
  Task<void> on_disk(net::Loop& loop, std::function<void()> act);
  Event rotated(const KeyInfo& old, const KeyInfo& successor, std::string_view rotation_id,
                UtcTime old_ends_at, const Error* failure) const;
  void tell_failure(const KeyInfo& old, const KeyInfo& successor, std::string_view rotation_id,
                    const Error& failure);
  Task<void> watch_successors(net::Loop& loop, std::vector<KeyInfo> keys);

  const RotationConfig config_;
  Parts parts_;
  std::map<std::string, UtcTime> not_before_;  // by kid: not made, not tried again until then
  std::map<std::size_t, UtcTime> rests_;       // by target: did not take the last one
  std::set<std::size_t> busy_;                 // targets being served
  std::set<std::string> arrived_;              // kids whose secrets arrived, as this process knows
  std::vector<std::shared_ptr<Work>> unrecorded_;  // arrived; their records are tried again
  std::set<std::string> seen_;  // kids whose first use was recorded, or was before us
  bool first_look_ = true;
};

}  // namespace sallyport::keys
