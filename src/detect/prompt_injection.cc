// SPDX-License-Identifier: Apache-2.0
#include "detect/prompt_injection.h"

#include <algorithm>
#include <cmath>

namespace sallyport::detect {
namespace {
constexpr float kFade = 3'600;
}

Maybe PromptInjection::observe(const Sighting& s, const Injection& injection) {
  const bool block = injection.verdict == "block", alert = injection.verdict == "alert";
  if (!block && !alert) return std::nullopt;
  const float kept = std::exp(-static_cast<float>(std::min(s.now - last_, kDay)) / kFade);
  last_ = s.now;
  blocked_ *= kept;
  nats_ *= kept;
  const auto score = static_cast<float>(std::clamp(injection.score, 0.0, 1.0));
  Verdict verdict;
  verdict.family = Family::kPromptInjection;
  if (s.works()) {
    verdict.score = 5.5 + 2 * score;
    verdict.severity = Severity::kHigh;
    verdict.words = "an injection was let through and answered";
  } else {
    blocked_ += 1;
    nats_ += 0.6F + 0.4F * score;
    if (nats_ < 3) return std::nullopt;
    verdict.score = std::min(8.0F, nats_);
    verdict.severity = nats_ >= 5.5F ? Severity::kHigh : Severity::kMedium;
    verdict.words = "injections were blocked, again and again";
  }
  verdict.add("guard_score", score);
  verdict.add("blocked_1h", blocked_);
  verdict.add("answered", s.works() ? 1 : 0);
  return verdict;
}

}  // namespace sallyport::detect
