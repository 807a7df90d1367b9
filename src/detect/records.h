// SPDX-License-Identifier: Apache-2.0
// The greatest of each of the last 14 days, per window: tokens and requests over 5 min, 15 min, 1 h
// and 6 h. Extreme-value thinking at the cost of 14 numbers: log daily maxima are nearly Gumbel, so
// z = (log x - mean) / sd says how unlikely a maximum is; the sd is shrunk to 0.4 with 4
// pseudo-days. (Peaks over a threshold, as SPOT does, want a thousand points of each key first.)
#pragma once

#include <array>
#include <cstdint>

#include "detect/windows.h"

namespace sallyport::detect {

class Records {
 public:
  // True when a day was closed: what others derive from records changes then.
  bool pass(Second now);
  void add(std::size_t span, const Sums& sums);  // after pass(); of home traffic

  float tokens(std::size_t span) const { return record_tokens_[span]; }  // past days only
  float requests(std::size_t span) const { return record_requests_[span]; }
  float limited() const { return record_limited_; }  // refusals by rate in ten minutes
  void add_limited(float count) {
    today_limited_ = count > today_limited_ ? count : today_limited_;
  }
  float z(std::size_t span, float tokens) const;
  std::uint32_t days() const { return days_; }  // with traffic, at most 14
  bool sane() const;

 private:
  static constexpr std::size_t kDays = 14;
  void close();

  std::array<std::array<std::uint16_t, kSpans>, kDays> daily_tokens_{}, daily_requests_{};
  std::array<float, kSpans> today_tokens_{}, today_requests_{};
  std::array<float, kSpans> record_tokens_{}, record_requests_{}, log_mean_{}, log_sd_{};
  float today_limited_ = 0, record_limited_ = 0;
  std::uint32_t day_ = 0;
  std::uint32_t days_ = 0;
};

}  // namespace sallyport::detect
