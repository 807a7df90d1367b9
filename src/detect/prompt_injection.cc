// SPDX-License-Identifier: Apache-2.0
#include "detect/prompt_injection.h"

#include <algorithm>
#include <cmath>

namespace sallyport::detect {
namespace {

constexpr float kFade = 3'600;
constexpr float kUsualPer100KeyDays = 0.2F;
constexpr std::uint32_t kKeyDaysMin = 20;
constexpr float kScoreUnknown = 0.85F, kMargin = 0.1F;

std::size_t bin_of(float score) {
  return std::min<std::size_t>(39, static_cast<std::size_t>(score * 40));
}

// Does the gateway see answered warnings of about this score now and then anyway? A margin, because
// the next false alarm of a scorer is often a little above the last.
bool usual(float score, const InjectionScores& scores) {
  if (scores.key_days < kKeyDaysMin) return score < kScoreUnknown;
  std::uint32_t count = 0;
  for (std::size_t i = bin_of(std::max(0.0F, score - kMargin)); i < scores.answered.size(); ++i)
    count += scores.answered[i];
  return static_cast<float>(count) * 100 >
         kUsualPer100KeyDays * static_cast<float>(scores.key_days);
}

}  // namespace

Maybe PromptInjection::observe(const Sighting& s, const Injection& injection,
                               InjectionScores& scores) {
  const bool block = injection.verdict == "block", alert = injection.verdict == "alert";
  if (!block && !alert) return std::nullopt;
  const float kept = std::exp(-static_cast<float>(std::min(s.now - last_, kDay)) / kFade);
  last_ = s.now;
  blocked_ *= kept;
  nats_ *= kept;
  warned_ *= kept;
  const auto score = static_cast<float>(std::clamp(injection.score, 0.0, 1.0));
  Verdict verdict;
  verdict.family = Family::kPromptInjection;
  const bool answered = s.works();
  if (answered && (block || !usual(score, scores))) {
    verdict.score = 5.5 + 2 * score;
    verdict.severity = Severity::kHigh;
    verdict.words = "an injection was let through and answered";
  } else {
    (answered ? warned_ : blocked_) += 1;
    nats_ += answered ? 0.3F * score : 0.6F + 0.4F * score;
    verdict.score = std::min(8.0F, nats_);
    verdict.severity =
        nats_ >= 5.5F && blocked_ > 2 * warned_ ? Severity::kHigh : Severity::kMedium;
    verdict.words = answered ? "injections were suspected, again and again"
                             : "injections were blocked, again and again";
  }
  if (answered && alert) ++scores.answered[bin_of(score)];
  if (verdict.score < 3) return std::nullopt;
  verdict.add("guard_score", score);
  verdict.add("blocked_1h", blocked_);
  verdict.add("warned_1h", warned_);
  verdict.add("answered", answered ? 1 : 0);
  return verdict;
}

}  // namespace sallyport::detect
