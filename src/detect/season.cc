// SPDX-License-Identifier: Apache-2.0
#include "detect/season.h"

#include <algorithm>
#include <cmath>

#include "detect/packed.h"

namespace sallyport::detect {
namespace {

constexpr std::uint32_t kGapHoursMax = 48;
constexpr float kPseudoWeeks = 2;
constexpr float kClip = 2.5F;
constexpr float kPriorSpread = 0.8F, kPriorCount = 6;
constexpr float kDecayADay = 0.985F;

// 1970-01-01 was a Thursday; hour 0 of our week is Monday 0:00.
std::size_t hour_of_week_of(std::uint32_t hour) { return (hour + 72) % 168; }
std::size_t day_type(std::uint32_t hour) { return hour_of_week_of(hour) >= 120 ? 1 : 0; }

}  // namespace

void Season::pass(Second now) {
  const std::uint32_t hour = now / kHour;
  if (hour_ == 0) hour_ = hour;
  if (hour <= hour_) return;
  close(hour_, open_tokens_, open_requests_);
  open_tokens_ = open_requests_ = 0;
  const std::uint32_t quiet = std::min(hour - hour_ - 1, kGapHoursMax);
  for (std::uint32_t i = 1; i <= quiet; ++i) close(hour_ + i, 0, 0);
  if (hour - hour_ - 1 > kGapHoursMax) recent_ = 0;
  hour_ = hour;
}

void Season::add(Second, float tokens, float requests) {
  open_tokens_ += tokens;
  open_requests_ += requests;
}

void Season::close(std::uint32_t hour, float tokens, float requests) {
  const std::size_t how = hour_of_week_of(hour), type = day_type(hour), hod = hour % 24;
  const float before = std::max(at(hour), 0.3F * hour_mean_);
  const bool known = hours_ >= 24 && at(hour) >= 0.3F * hour_mean_ && hour_mean_ > 0;
  if (known && tokens > 0) {
    const float r = std::clamp(std::log(tokens / before), -kClip, kClip);
    spread_sum_ = spread_sum_ * 0.995F + r * r;
    spread_count_ = spread_count_ * 0.995F + 1;
  }
  if (known) level_ += 0.1F * (std::min(tokens / before, 20.0F) - level_);

  weeks_[how] = static_cast<std::uint8_t>(std::min(4, weeks_[how] + 1));
  const float mean = unpack(week_[how]);
  week_[how] = pack(mean + (tokens - mean) / static_cast<float>(weeks_[how]));
  days_[type][hod] = static_cast<std::uint8_t>(std::min(14, days_[type][hod] + 1));
  const float daily = unpack(day_[type][hod]);
  day_[type][hod] = pack(daily + (tokens - daily) / static_cast<float>(days_[type][hod]));

  ++hours_;
  hour_mean_ += (tokens - hour_mean_) / static_cast<float>(std::min(hours_, 336u));
  if (tokens > 0) {
    ++busy_hours_;
    busy_mean_ += (tokens - busy_mean_) / static_cast<float>(std::min(busy_hours_, 100u));
  }
  steady_ += (requests - steady_) / 24;

  // The hour before is judged now that its neighbours are known.
  recent_ = (recent_ << 1) | (tokens > 0 || requests > 0 ? 1u : 0u);
  const std::uint32_t judged = hour - 1;
  const std::size_t t = day_type(judged), h = judged % 24;
  active_[t][h] = active_[t][h] * kDecayADay + ((recent_ & 7u) != 0 ? 1.0F : 0.0F);
  active_days_[t][h] = active_days_[t][h] * kDecayADay + 1;
  if (hod == 0) {
    contrast_ = false;
    active_hours_ = 0;
    for (std::size_t i = 0; i < 24; ++i) {
      contrast_ = contrast_ || active_share(0, i) >= 0.5F;
      active_hours_ += active_share(0, i) >= 0.3F ? 1 : 0;
    }
  }
}

float Season::at(std::uint32_t hour) const {
  const std::size_t how = hour_of_week_of(hour), type = day_type(hour), hod = hour % 24;
  float daily = unpack(day_[type][hod]);
  if (days_[type][hod] == 0) {
    daily = days_[1 - type][hod] == 0 ? hour_mean_ : unpack(day_[1 - type][hod]);
  }
  const float weeks = weeks_[how];
  return (weeks * unpack(week_[how]) + kPseudoWeeks * daily) / (weeks + kPseudoWeeks);
}

float Season::expected(Second now, float floor) const {
  constexpr Second kAround = 600;
  float most = at(now / kHour);
  if ((now - kAround) / kHour != now / kHour) most = std::max(most, at((now - kAround) / kHour));
  if ((now + kAround) / kHour != now / kHour) most = std::max(most, at((now + kAround) / kHour));
  return std::max(most, floor * hour_mean_);
}

float Season::expected_last_hour(Second now, float floor) const {
  const float share = static_cast<float>(now % kHour) / static_cast<float>(kHour);
  const float mixed = share * at(now / kHour) + (1 - share) * at(now / kHour - 1);
  return std::max(mixed, floor * hour_mean_);
}

float Season::active_share(std::size_t type, std::size_t hour) const {
  return (active_[type][hour] + 0.5F) / (active_days_[type][hour] + 3);
}

float Season::active_probability(Second now) const {
  const std::uint32_t hour = now / kHour;
  // On its first weekend nobody knows yet how a key spends weekends.
  const std::size_t type = day_type(hour);
  const bool known = active_days_[type][hour % 24] >= 1.9F;
  return active_share(known ? type : 1 - type, hour % 24);
}

float Season::spread() const {
  return std::sqrt((spread_sum_ + kPriorCount * kPriorSpread * kPriorSpread) /
                   (spread_count_ + kPriorCount));
}

float Season::level() const { return std::pow(std::clamp(level_, 1.0F, 3.5F), 0.8F); }

float Season::hour_of_week(std::size_t hour) const {
  return at(static_cast<std::uint32_t>(hour) + 96);  // 96 hours after 1970 began it was Monday
}

bool Season::sane() const {
  const auto fine = [](float x) { return std::isfinite(x) && x >= 0; };
  bool all = fine(hour_mean_) && fine(busy_mean_) && fine(level_) && fine(spread_sum_) &&
             fine(spread_count_) && fine(steady_) && fine(open_tokens_) && fine(open_requests_);
  for (std::size_t t = 0; t < 2; ++t) {
    for (std::size_t h = 0; h < 24; ++h) {
      all = all && fine(active_[t][h]) && fine(active_days_[t][h]);
    }
  }
  return all;
}

}  // namespace sallyport::detect
