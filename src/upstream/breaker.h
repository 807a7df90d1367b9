// SPDX-License-Identifier: Apache-2.0
// Stops calls to an upstream that fails, and lets one through now and then to see whether it is
// back. One per upstream, shared by all threads. Time comes in as an argument (steady
// milliseconds).
//
//   closed --too many failures in the window--> open --after open_ms, one probe--> half_open
//   closed --the provider says the money is gone--> quota --after open_ms, one probe--> half_open
//   half_open --the probe was answered--> closed; failed--> open; no quota still--> quota
//
// A rate limit (429) is an answer of a healthy provider: it never opens the breaker.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "event/event.h"

namespace sallyport::upstream {

enum class BreakerState { kClosed, kOpen, kHalfOpen, kQuota };
std::string_view name(BreakerState state);

// How a call went, as far as it tells something about the upstream's health.
enum class Outcome {
  kAnswered,     // any answer that is not one of the following
  kServerError,  // 5xx, or an answer that is malformed or broke off
  kTimeout,
  kConnectFailed,
  kQuota,  // 429: money is gone
  kRate,   // 429: too fast
  kNone,   // nothing was learnt: the client went away, or our own credential failed
};

struct BreakerLimits {
  double error_rate = 0.5;  // share of failed calls in the window that opens it
  std::int64_t window_ms = 30'000;
  int calls_min = 20;             // fewer calls in the window prove nothing
  std::int64_t open_ms = 15'000;  // until the first probe
  friend bool operator==(const BreakerLimits&, const BreakerLimits&) = default;
};

struct BreakerChange {
  std::string upstream;
  BreakerState from = BreakerState::kClosed;
  BreakerState to = BreakerState::kClosed;
  const char* reason = "";
  std::int64_t calls = 0;     // in the window
  std::int64_t failures = 0;  // of them
};
// The record of a change.
Event make_event(const BreakerChange& change, UtcTime now);

class Breaker {
 public:
  // Called on the thread whose call caused the change, outside the lock; must not block.
  using Observer = std::function<void(const BreakerChange&)>;

  Breaker(std::string upstream, BreakerLimits limits, Observer observer);
  Breaker(const Breaker&) = delete;

  struct Permit {
    bool allowed = false;
    bool probe = false;        // to be handed back to report()
    std::int64_t wait_ms = 0;  // when refused: asking earlier is in vain
    BreakerState state = BreakerState::kClosed;
  };
  Permit admit(std::int64_t now_ms);
  // Once for each permit that was allowed; a stream that broke later may be reported once more
  // (kServerError, no probe).
  void report(Outcome outcome, bool probe, std::int64_t now_ms);

  BreakerState state() const { return state_.load(std::memory_order_relaxed); }
  const BreakerLimits& limits() const { return limits_; }

 private:
  static constexpr std::size_t kBuckets = 10;
  struct Bucket {
    std::int64_t slot = -1;
    std::int64_t calls = 0;
    std::int64_t failures = 0;
  };

  void count(bool failed, std::int64_t now_ms);
  Bucket sum(std::int64_t now_ms) const;
  std::optional<BreakerChange> judge(Outcome outcome, bool probe, std::int64_t now_ms);
  BreakerChange move_to(BreakerState to, const char* reason, std::int64_t now_ms);

  const std::string upstream_;
  const BreakerLimits limits_;
  const Observer observer_;
  std::atomic<BreakerState> state_{BreakerState::kClosed};  // written under the lock
  std::mutex mutex_;
  std::array<Bucket, kBuckets> buckets_;
  std::int64_t probe_at_ms_ = 0;  // open, quota: from when on a probe may go
  bool probing_ = false;          // half open: the probe is under way
};

}  // namespace sallyport::upstream
