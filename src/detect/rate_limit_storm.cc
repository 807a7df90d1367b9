// SPDX-License-Identifier: Apache-2.0
#include "detect/rate_limit_storm.h"

#include <algorithm>
#include <cmath>

#include "detect/key_state.h"

namespace sallyport::detect {
namespace {
constexpr float kFade = 600;
constexpr float kHomeMin = 250, kHomeAttempts = 4;
constexpr float kUnheardAttempts = 2, kRecordFloor = 25;
constexpr float kVisitorMin = 40, kVisitorAttempts = 1.5F;
}  // namespace

Maybe RateLimitStorm::observe(const Sighting& s, KeyState& key, bool visitor) {
  if (!s.limited) return std::nullopt;
  const float kept = std::exp(-static_cast<float>(std::min(s.now - last_, kDay)) / kFade);
  last_ = s.now;
  home_ *= kept;
  visitor_ *= kept;
  float& count = visitor ? visitor_ : home_;
  count += s.requests;
  if (!visitor) key.records.add_limited(home_);
  const float least = std::max(visitor ? kVisitorMin : kHomeMin, 2 * key.records.limited());
  if (count < least) return std::nullopt;
  const float attempts = key.windows.sums(k15Min, s.now).requests;
  const float quick = key.windows.sums(k5Min, s.now).requests;
  const bool unheard = count >= 10 * std::max(kRecordFloor, key.records.limited());
  const float times = visitor ? kVisitorAttempts : unheard ? kUnheardAttempts : kHomeAttempts;
  if (attempts < times * key.records.requests(k15Min) &&
      quick < times * key.records.requests(k5Min)) {
    return std::nullopt;
  }

  Verdict verdict;
  verdict.family = Family::kRateLimitStorm;
  verdict.score = 5.5 + std::log(count / least);
  verdict.severity = key.records.days() < 2 ? Severity::kMedium : Severity::kHigh;
  verdict.words = "is refused for its rate in bulk and goes on";
  verdict.add("refusals_10min", count);
  verdict.add("record_refusals_10min", key.records.limited());
  verdict.add("attempts_15min", attempts);
  verdict.add("record_attempts_15min", key.records.requests(k15Min));
  verdict.add("visitor", visitor ? 1 : 0);
  return verdict;
}

}  // namespace sallyport::detect
