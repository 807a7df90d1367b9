// SPDX-License-Identifier: Apache-2.0
#include "detect/error_surge.h"

#include <algorithm>
#include <cmath>

namespace sallyport::detect {
namespace {
constexpr float kFade = 900, kBound = 12, kShare = 0.3F, kErrorsMin = 10;
}

Maybe ErrorSurge::observe(const Sighting& s) {
  if (s.status == 0 || s.limited) return std::nullopt;
  const bool error = s.failed && s.status != 401 && s.status != 403;
  const float kept = std::exp(-static_cast<float>(std::min(s.now - last_, kDay)) / kFade);
  last_ = s.now;
  requests_ = requests_ * kept + 1;
  errors_ = errors_ * kept + (error ? 1.0F : 0.0F);
  usual_ += 0.001F * ((error ? 1.0F : 0.0F) - usual_);
  if (!error || errors_ < kErrorsMin) return std::nullopt;
  const float share = std::min(errors_ / requests_, 0.999F),
              usual = std::clamp(usual_, 0.01F, 0.99F);
  if (share < kShare || share <= usual) return std::nullopt;
  const float bound = requests_ * (share * std::log(share / usual) +
                                   (1 - share) * std::log((1 - share) / (1 - usual)));
  if (bound < kBound) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kErrorSurge;
  verdict.score = std::min(5.0F, 3 + 0.05F * (bound - kBound));
  verdict.severity = Severity::kMedium;
  verdict.words = "fails far more often than usual";
  verdict.add("errors_15min", errors_);
  verdict.add("requests_15min", requests_);
  verdict.add("usual_share", usual);
  verdict.add("chernoff_nats", bound);
  return verdict;
}

}  // namespace sallyport::detect
