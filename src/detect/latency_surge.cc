// SPDX-License-Identifier: Apache-2.0
#include "detect/latency_surge.h"

#include <algorithm>
#include <cmath>

namespace sallyport::detect {
namespace {
constexpr float kFast = 1 / 12.0F, kTimes = 1.386F /* ln 4 */, kSds = 4;
constexpr std::uint32_t kCountMin = 200, kMemory = 400;
}  // namespace

Maybe LatencySurge::observe(const Sighting& s) {
  if (s.latency_ms < 0 || !s.works()) return std::nullopt;
  const float x = std::log(1 + static_cast<float>(s.latency_ms));
  if (count_ == 0) mean_ = fast_ = x;
  fast_ += kFast * (x - fast_);
  const float sd = std::sqrt(variance_ + 0.04F);
  // The average of a dozen has a quarter of the spread of one.
  const bool surge = count_ >= kCountMin && fast_ - mean_ > kTimes &&
                     fast_ - mean_ > kSds * sd * std::sqrt(kFast / 2);
  if (count_ < kMemory) ++count_;
  const float weight = 1.0F / static_cast<float>(count_);
  const float off = std::clamp(x - mean_, -3 * sd - 1, 3 * sd + 1);
  mean_ += weight * off;
  variance_ += weight * (off * off - variance_);
  if (!surge) return std::nullopt;
  Verdict verdict;
  verdict.family = Family::kLatencySurge;
  verdict.score = std::min(5.0F, 3 + (fast_ - mean_ - kTimes));
  verdict.severity = Severity::kMedium;
  verdict.words = "waits many times as long as usual for its answers";
  verdict.add("latency_ms_now", std::exp(fast_));
  verdict.add("latency_ms_usual", std::exp(mean_));
  verdict.add("sd_of_log", sd);
  return verdict;
}

}  // namespace sallyport::detect
