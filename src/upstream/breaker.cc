// SPDX-License-Identifier: Apache-2.0
#include "upstream/breaker.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"

namespace sallyport::upstream {
namespace {

constexpr std::int64_t kProbeRetryMs = 1'000;  // what a caller is told while a probe is under way

bool is_failure(Outcome outcome) {
  return outcome == Outcome::kServerError || outcome == Outcome::kTimeout ||
         outcome == Outcome::kConnectFailed;
}

const char* reason(Outcome outcome) {
  switch (outcome) {
    case Outcome::kServerError:
      return "server_errors";
    case Outcome::kTimeout:
      return "timeouts";
    case Outcome::kConnectFailed:
      return "connect_failures";
    case Outcome::kQuota:
      return "quota";
    case Outcome::kAnswered:
    case Outcome::kRate:
      return "answered";
    case Outcome::kNone:
      return "none";
  }
  return "none";
}

}  // namespace

std::string_view name(BreakerState state) {
  switch (state) {
    case BreakerState::kClosed:
      return "closed";
    case BreakerState::kOpen:
      return "open";
    case BreakerState::kHalfOpen:
      return "half_open";
    case BreakerState::kQuota:
      return "quota";
  }
  return "closed";
}

Event make_event(const BreakerChange& change, UtcTime now) {
  Event event;
  event.timestamp_utc = now;
  event.kind = Kind::kBreaker;
  event.upstream = change.upstream;
  event.action = "breaker_" + std::string(name(change.to));
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  json.field("from", name(change.from));
  json.field("to", name(change.to));
  json.field("reason", change.reason);
  json.field("calls", change.calls);
  json.field("failures", change.failures);
  json.end_object();
  event.detail = std::move(detail);
  return event;
}

Breaker::Breaker(std::string upstream, BreakerLimits limits, Observer observer)
    : upstream_(std::move(upstream)), limits_(limits), observer_(std::move(observer)) {}

Breaker::Permit Breaker::admit(std::int64_t now_ms) {
  if (state() == BreakerState::kClosed) return {.allowed = true};  // the usual case takes no lock

  std::optional<BreakerChange> change;
  Permit permit;
  {
    const std::lock_guard lock(mutex_);
    permit.state = state();
    if (permit.state == BreakerState::kClosed) {
      permit.allowed = true;
    } else if (permit.state == BreakerState::kHalfOpen) {
      permit.allowed = permit.probe = !probing_;
      permit.wait_ms = kProbeRetryMs;
      probing_ = true;
    } else if (now_ms >= probe_at_ms_) {
      change = move_to(BreakerState::kHalfOpen, "probe", now_ms);
      permit.allowed = permit.probe = probing_ = true;
    } else {
      permit.wait_ms = probe_at_ms_ - now_ms;
    }
  }
  if (change && observer_) observer_(*change);
  return permit;
}

void Breaker::report(Outcome outcome, bool probe, std::int64_t now_ms) {
  std::optional<BreakerChange> change;
  {
    const std::lock_guard lock(mutex_);
    change = judge(outcome, probe, now_ms);
  }
  if (change && observer_) observer_(*change);
}

std::optional<BreakerChange> Breaker::judge(Outcome outcome, bool probe, std::int64_t now_ms) {
  if (probe && state() == BreakerState::kHalfOpen) {
    probing_ = false;
    if (outcome == Outcome::kNone) return std::nullopt;  // the next call probes
    if (outcome == Outcome::kQuota) return move_to(BreakerState::kQuota, reason(outcome), now_ms);
    if (is_failure(outcome)) return move_to(BreakerState::kOpen, reason(outcome), now_ms);
    BreakerChange change = move_to(BreakerState::kClosed, reason(outcome), now_ms);
    buckets_ = {};
    return change;
  }
  // Calls that began before the breaker opened say nothing new.
  if (state() != BreakerState::kClosed || outcome == Outcome::kNone || outcome == Outcome::kRate) {
    return std::nullopt;
  }
  count(is_failure(outcome), now_ms);
  if (outcome == Outcome::kQuota) return move_to(BreakerState::kQuota, reason(outcome), now_ms);
  if (!is_failure(outcome)) return std::nullopt;
  const Bucket total = sum(now_ms);
  const double failed = static_cast<double>(total.failures);
  if (total.calls < limits_.calls_min ||
      failed < limits_.error_rate * static_cast<double>(total.calls)) {
    return std::nullopt;
  }
  return move_to(BreakerState::kOpen, reason(outcome), now_ms);
}

BreakerChange Breaker::move_to(BreakerState to, const char* why, std::int64_t now_ms) {
  const Bucket total = sum(now_ms);
  BreakerChange change{upstream_, state(), to, why, total.calls, total.failures};
  if (to == BreakerState::kOpen || to == BreakerState::kQuota) {
    probe_at_ms_ = now_ms + limits_.open_ms;
  }
  state_.store(to, std::memory_order_relaxed);
  return change;
}

void Breaker::count(bool failed, std::int64_t now_ms) {
  const std::int64_t slot = now_ms / std::max<std::int64_t>(1, limits_.window_ms / kBuckets);
  Bucket& bucket = buckets_[static_cast<std::size_t>(slot) % kBuckets];
  if (bucket.slot != slot) bucket = {slot, 0, 0};
  ++bucket.calls;
  if (failed) ++bucket.failures;
}

Breaker::Bucket Breaker::sum(std::int64_t now_ms) const {
  const std::int64_t slot = now_ms / std::max<std::int64_t>(1, limits_.window_ms / kBuckets);
  Bucket total;
  for (const Bucket& bucket : buckets_) {
    if (bucket.slot < 0 || bucket.slot <= slot - static_cast<std::int64_t>(kBuckets)) continue;
    total.calls += bucket.calls;
    total.failures += bucket.failures;
  }
  return total;
}

}  // namespace sallyport::upstream
