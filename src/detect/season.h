// SPDX-License-Identifier: Apache-2.0
// What a key usually does at this hour of the week: the mean of its tokens by hour of the week
// (weight max(1/n, 1/4): four weeks), shrunk to the hour of the day on weekdays or weekends with
// two pseudo-observations, so that the first week already has a shape. Beside it the share of days
// on which the hour saw traffic (beta prior 0.5 : 2.5, decay 0.985 a day), how bursty the hours are
// (spread of log actual/expected, prior 0.8 with 6 pseudo-observations) and the slow level (a
// launch is learnt within hours). Negative-binomial tails would say the same as the log-normal
// residual, which is cheaper. Hours are UTC. Learns from home traffic alone (visitor_case.h).
#pragma once

#include <array>
#include <cstdint>

#include "detect/sighting.h"

namespace sallyport::detect {

class Season {
 public:
  // Closes the hours that are over, at most 48 of them: a key that was away longer did not become
  // quiet, it was away.
  void pass(Second now);
  void add(Second now, float tokens, float requests);  // after pass()

  // Tokens an hour that are normal now, never below `floor` of the mean hour; 0 while nothing is
  // known. `expected` looks ten minutes around, since people are early and jobs are late.
  float expected(Second now, float floor) const;
  float expected_last_hour(Second now, float floor) const;  // of the sliding hour that ends now
  float hour_mean() const { return hour_mean_; }
  float busy_mean() const { return busy_hours_ == 0 ? 0 : busy_mean_; }  // of hours with traffic

  float active_probability(Second now) const;      // that this hour, give or take one, sees traffic
  bool has_schedule() const { return contrast_; }  // some hour is active on at least half of days
  int active_hours() const { return active_hours_; }  // of a weekday, with p of at least 0.3
  float spread() const;  // s: standard deviation of log(actual / expected)
  float level() const;   // at most 3.5^0.8, at least 1
  float steady_requests() const { return steady_; }  // an hour, before the current one
  bool empty() const { return hours_ == 0; }
  std::uint32_t hours() const { return hours_; }
  float hour_of_week(
      std::size_t hour) const;  // for explain: expected tokens, hour 0 is Monday 0:00
  float active_share(std::size_t type, std::size_t hour) const;
  bool sane() const;  // of a state that was read from a file

 private:
  void close(std::uint32_t hour, float tokens, float requests);
  float at(std::uint32_t hour) const;  // expected tokens of that hour, unfloored

  std::array<std::uint16_t, 168> week_{};  // packed means
  std::array<std::uint8_t, 168> weeks_{};  // observations, at most 4
  std::array<std::array<std::uint16_t, 24>, 2> day_{};
  std::array<std::array<std::uint8_t, 24>, 2> days_{};  // observations, at most 14
  std::array<std::array<float, 24>, 2> active_{};
  std::array<std::array<float, 24>, 2> active_days_{};
  float hour_mean_ = 0, busy_mean_ = 0, level_ = 1;
  float spread_sum_ = 0, spread_count_ = 0;
  float steady_ = 0;
  float open_tokens_ = 0, open_requests_ = 0;
  std::uint32_t hour_ = 0;        // the open one, since 1970
  std::uint32_t hours_ = 0;       // closed
  std::uint32_t busy_hours_ = 0;  // of them with traffic
  std::uint32_t recent_ = 0;      // the last closed hours, bit 0 the last: had they traffic?
  std::uint8_t active_hours_ = 0;
  bool contrast_ = false;
};

}  // namespace sallyport::detect
