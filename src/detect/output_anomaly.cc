// SPDX-License-Identifier: Apache-2.0
#include "detect/output_anomaly.h"

#include <algorithm>
#include <cmath>

#include "detect/key_state.h"

namespace sallyport::detect {
namespace {

constexpr float kFade = 90 * 60;  // seconds
constexpr float kThreshold = 10;
constexpr float kExceeds = 1.6F;  // sd
constexpr std::array<float, 2> kShares{0.08F, 0.6F};
constexpr std::uint32_t kAnswersMin = 50;

float normal(float z, float mean, float sd) {
  const float u = (z - mean) / sd;
  return std::exp(-0.5F * u * u) / sd;
}

}  // namespace

Maybe OutputAnomaly::observe(const Sighting& s, const KeyState& key) {
  if (!s.works()) return std::nullopt;
  const float kept = std::exp(-static_cast<float>(std::min(s.now - last_, kDay)) / kFade);
  last_ = s.now;
  flagged_ *= kept;
  if (const Maybe found = flags(s)) return found;
  const Size& usual = key.profile.output;
  if (s.tokens_output <= 0 || usual.count() < kAnswersMin || key.age(s.now) < 2 * kDay) {
    return std::nullopt;
  }
  const float sd = std::max(usual.sd(), 0.25F);
  const float off = std::log(1 + s.tokens_output) - usual.mean();
  const float z = off / sd;
  const float f0 = 0.96F * normal(z, 0, 1) + 0.04F * normal(z, 0, 2.2F) + 1e-12F;
  const float f1 = normal(std::min(z, 2.6F), 2.6F, 0.9F);  // what is longer still is no less a sign
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    const float step = std::log((1 - kShares[i]) + kShares[i] * f1 / f0);
    sums_[i] = std::max(0.0F, sums_[i] * kept + std::min(step, 3.0F));
  }
  exceedances_ *= kept;
  exceedance_logs_ *= kept;
  if (z > kExceeds) {
    exceedances_ += 1;
    exceedance_logs_ += off;
  }
  const float sum = std::max(sums_[0], sums_[1]);
  if (sum < kThreshold || z <= kExceeds || exceedances_ < 2.5F) return std::nullopt;
  const float times = std::exp(exceedance_logs_ / exceedances_);
  if (times < 4.5F * std::exp(0.7F * sd) || exceedances_ < (times >= 10 ? 2.5F : 3.5F)) {
    return std::nullopt;
  }
  Verdict verdict;
  verdict.family = Family::kOutputAnomaly;
  verdict.score = 5.5 + std::min(3.0F, 0.2F * (sum - kThreshold));
  verdict.severity = Severity::kHigh;
  verdict.words = "gets answers many times as long as usual";
  verdict.add("cusum", sum);
  verdict.add("threshold", kThreshold);
  verdict.add("times_usual_length", times);
  verdict.add("long_answers", exceedances_);
  verdict.add("usual_tokens_output", std::exp(usual.mean()) - 1);
  verdict.add("sd_of_log", sd);
  return verdict;
}

// Flags are rare; a burst of them is one for a person to read, not yet a theft.
Maybe OutputAnomaly::flags(const Sighting& s) {
  flagged_usual_ += 0.005F * ((s.flagged ? 1.0F : 0.0F) - flagged_usual_);
  if (!s.flagged) return std::nullopt;
  flagged_ += 1;
  if (flagged_ < 5 || flagged_usual_ > 0.2F) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kOutputAnomaly;
  verdict.score = 3.0 + std::min(2.0F, 0.1F * flagged_);
  verdict.severity = Severity::kMedium;
  verdict.words = "gets answers that checks flag, again and again";
  verdict.add("flagged_answers", flagged_);
  verdict.add("usual_share", flagged_usual_);
  return verdict;
}

}  // namespace sallyport::detect
