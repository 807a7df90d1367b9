// SPDX-License-Identifier: Apache-2.0
#include "detect/records.h"

#include <algorithm>
#include <cmath>

#include "detect/packed.h"

namespace sallyport::detect {
namespace {
constexpr float kPriorSd = 0.4F, kPriorDays = 4;
}

bool Records::pass(Second now) {
  const std::uint32_t day = now / kDay;
  if (day_ == 0) day_ = day;
  if (day <= day_) return false;
  close();
  // Days without a word count as rows without traffic, so that old records fade.
  const std::uint32_t quiet = std::min<std::uint32_t>(day - day_ - 1, kDays);
  for (std::uint32_t i = 1; i <= quiet; ++i) {
    daily_tokens_[(day_ + i) % kDays] = {};
    daily_requests_[(day_ + i) % kDays] = {};
  }
  day_ = day;
  return true;
}

void Records::add(std::size_t span, const Sums& sums) {
  today_tokens_[span] = std::max(today_tokens_[span], sums.tokens);
  today_requests_[span] = std::max(today_requests_[span], sums.requests);
}

void Records::close() {
  record_limited_ = std::max(record_limited_ * 0.95F, today_limited_);
  today_limited_ = 0;
  days_ = 0;
  for (std::size_t span = 0; span < kSpans; ++span) {
    daily_tokens_[day_ % kDays][span] = pack(today_tokens_[span]);
    daily_requests_[day_ % kDays][span] = pack(today_requests_[span]);
    today_tokens_[span] = today_requests_[span] = 0;
    float most = 0, requests = 0, sum = 0, squares = 0, count = 0;
    for (std::size_t i = 0; i < kDays; ++i) {
      const float value = unpack(daily_tokens_[i][span]);
      requests = std::max(requests, unpack(daily_requests_[i][span]));
      if (value <= 0) continue;
      most = std::max(most, value);
      const float log = std::log(value);
      sum += log, squares += log * log, count += 1;
    }
    record_tokens_[span] = most;
    record_requests_[span] = requests;
    log_mean_[span] = count > 0 ? sum / count : 0;
    const float deviation =
        count > 0 ? std::max(0.0F, squares - count * log_mean_[span] * log_mean_[span]) : 0;
    log_sd_[span] = std::sqrt((deviation + kPriorDays * kPriorSd * kPriorSd) /
                              (std::max(count, 1.0F) - 1 + kPriorDays));
    if (span == k5Min) days_ = static_cast<std::uint32_t>(count);
  }
}

float Records::z(std::size_t span, float tokens) const {
  if (days_ == 0 || tokens <= 0 || log_sd_[span] <= 0) return 0;
  return (std::log(tokens) - log_mean_[span]) / log_sd_[span];
}

bool Records::sane() const {
  bool all = days_ <= kDays && std::isfinite(record_limited_) && std::isfinite(today_limited_);
  for (std::size_t span = 0; span < kSpans; ++span) {
    for (const float x : {today_tokens_[span], today_requests_[span], record_tokens_[span],
                          record_requests_[span], log_sd_[span]}) {
      all = all && std::isfinite(x) && x >= 0;
    }
    all = all && std::isfinite(log_mean_[span]);
  }
  return all;
}

}  // namespace sallyport::detect
