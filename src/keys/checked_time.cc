// SPDX-License-Identifier: Apache-2.0
#include "keys/checked_time.h"

#include "base/log.h"

namespace sallyport::keys {
namespace {

std::int64_t ms(UtcTime time) { return time.time_since_epoch().count(); }
UtcTime utc(std::int64_t ms) { return UtcTime(std::chrono::milliseconds(ms)); }

}  // namespace

CheckedTime::CheckedTime(const Clock& clock)
    : clock_(clock),
      offset_ms_(ms(clock.now()) - clock.steady_us() / 1000),
      latest_ms_(0),
      bound_ms_(ms(clock.now()) + kStepMaxMs) {}

std::int64_t CheckedTime::borne_out_ms() const { return offset_ms_ + steady_ms(); }

UtcTime CheckedTime::latest(UtcTime now) const {
  std::int64_t seen = latest_ms_.load(std::memory_order_relaxed);
  if (ms(now) <= seen) return utc(seen);
  if (ms(now) > bound_ms_.load(std::memory_order_relaxed)) {  // once a minute, or it is a step
    const std::int64_t bound = borne_out_ms() + kStepMaxMs;
    bound_ms_.store(bound, std::memory_order_relaxed);
    if (ms(now) > bound) return now;
  }
  while (ms(now) > seen) {
    if (latest_ms_.compare_exchange_weak(seen, ms(now), std::memory_order_relaxed)) return now;
  }
  return utc(seen);
}

UtcTime CheckedTime::confirmed() const {
  const std::int64_t now = ms(clock_.now()), borne_out = borne_out_ms();
  return utc(now > borne_out + kStepMaxMs ? borne_out : now);
}

bool CheckedTime::ahead() const { return ms(clock_.now()) > borne_out_ms() + kStepMaxMs; }

bool CheckedTime::behind() const {
  return ms(clock_.now()) + kBehindMs < latest_ms_.load(std::memory_order_relaxed);
}

void CheckedTime::look() {
  const std::int64_t by = ms(clock_.now()) - borne_out_ms();
  if (by <= kStepMaxMs) {
    if (by > 0) offset_ms_ += by;  // small steps are how clocks are kept right
    if (ahead_since_us_) log::info("keys.clock_right_again");
    ahead_since_us_.reset();
    return;
  }
  const std::int64_t now_us = clock_.steady_us();
  if (!ahead_since_us_) {
    ahead_since_us_ = now_us;
    log::error("keys.clock_jumped_ahead",
               {{"by_s", by / 1000},
                {"effect",
                 "keys that end by that clock are refused while it stands; no new ones "
                 "are made until it has stood for 5 minutes"}});
    return;
  }
  if (now_us - *ahead_since_us_ < kBelieveUs) return;
  offset_ms_ += by;
  ahead_since_us_.reset();
  log::warn("keys.clock_believed", {{"by_s", by / 1000}});
}

}  // namespace sallyport::keys
