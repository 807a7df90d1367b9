// SPDX-License-Identifier: Apache-2.0
// The gate replaces keys by itself, where a new secret has a way to its owner: made, delivered, and
// only then is the old key given its end. A delivery that fails leaves the old key as it was, until
// its own end, and makes a record; the secret that nobody got is revoked. Also records when a
// successor is first used, and may end its predecessor then.
#pragma once

#include <cstdint>
#include <map>
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
  static constexpr std::size_t kPassMax = 64;  // rotations begun in one look; the rest comes next
  static constexpr std::chrono::milliseconds kRetryAfter = std::chrono::minutes(10);
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

  // One look: what is due is rotated, one key after the other. The number of those that were.
  Task<std::size_t> look(net::Loop& loop);

 private:
  struct Work;
  std::vector<KeyInfo> due(const std::vector<KeyInfo>& keys, UtcTime now);
  bool undelivered(const KeyInfo& old, const std::vector<KeyInfo>& keys, UtcTime now,
                   std::string& lost) const;
  Task<bool> rotate(net::Loop& loop, KeyInfo old);
  Task<void> on_disk(net::Loop& loop, std::function<void()> act);
  Task<void> give_up(net::Loop& loop, KeyInfo old, KeyInfo lost);
  void tell(const KeyInfo& old, const KeyInfo& successor, std::string_view rotation_id,
            const Error* failure);
  Task<void> watch_successors(net::Loop& loop, std::vector<KeyInfo> keys);

  const RotationConfig config_;
  Parts parts_;
  std::map<std::string, UtcTime> not_before_;  // by kid: failed, not tried again until then
  std::set<std::string> seen_;  // kids whose first use was recorded, or was before us
  bool first_look_ = true;
};

}  // namespace sallyport::keys
