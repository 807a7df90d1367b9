// SPDX-License-Identifier: Apache-2.0
#include "detect/slow_ramp.h"

#include <algorithm>
#include <cmath>

#include "detect/key_state.h"
#include "detect/peers.h"

namespace sallyport::detect {
namespace {
constexpr float kThreshold = 0.7F;
constexpr Second kStepMax = 900;
constexpr std::uint32_t kYoung = 8 * kDay;
}  // namespace

Maybe SlowRamp::observe(const Sighting& s, KeyState& key, const Peers& peers) {
  const float dt = static_cast<float>(std::min(s.now - last_, kStepMax)) / kHour;
  last_ = s.now;
  if (key.records.days() < 3) return std::nullopt;
  const float expected = key.season.expected_last_hour(s.now, 0.3F);
  const Sums hour = key.windows.sums(k1Hour, s.now);
  if (expected <= 0 || hour.tokens <= 0) return std::nullopt;
  const float extra = 0.8F * std::max(0.0F, key.season.spread() - 0.5F);
  const float log_ratio = std::log(hour.tokens / expected);
  sum_ = std::max(0.0F, sum_ + (log_ratio - std::log(5.5F) - extra) * dt);
  if (sum_ == 0) risen_ = s.now;
  const float record = key.record(k1Hour, peers.usual_record(k1Hour, false));
  if (s.now - risen_ < kHour) return std::nullopt;  // what is faster is not slow (token_spike.h)
  if (sum_ < kThreshold || record <= 0 || hour.requests < 20) return std::nullopt;
  const float times = hour.tokens / record;
  const float least = key.age(s.now) < kYoung ? 2.5F : 1.5F;
  if (times < least * std::exp(extra)) return std::nullopt;

  Verdict verdict;
  verdict.family = Family::kSlowRamp;
  verdict.score = 5.5 + std::min(3.0F, sum_ - kThreshold);
  verdict.severity = Severity::kHigh;
  verdict.words = "has grown for hours, far beyond its record";
  verdict.add("cusum_log_hours", sum_);
  verdict.add("tokens_hour", hour.tokens);
  verdict.add("expected_tokens_hour", expected);
  verdict.add("record_tokens_hour", record);
  verdict.add("spread", key.season.spread());
  return verdict;
}

}  // namespace sallyport::detect
