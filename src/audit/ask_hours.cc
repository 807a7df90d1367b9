// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_hours.h"

#include <algorithm>

namespace sallyport::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

// The hours of `from` are others than those of `into`.
void merge(PastKey& into, const PastKey& from) {
  into.first_ms = std::min(into.first_ms, from.first_ms);
  into.last_ms = std::max(into.last_ms, from.last_ms);
  into.requests = wrapping_add(into.requests, from.requests);
  into.cost = wrapping_add(into.cost, from.cost);
  into.hour_requests_max = std::max(into.hour_requests_max, from.hour_requests_max);
  into.hour_cost_max = std::max(into.hour_cost_max, from.hour_cost_max);
  for (std::size_t hour = 0; hour < into.requests_by_hour.size(); ++hour) {
    into.requests_by_hour[hour] =
        wrapping_add(into.requests_by_hour[hour], from.requests_by_hour[hour]);
    into.cost_by_hour[hour] = wrapping_add(into.cost_by_hour[hour], from.cost_by_hour[hour]);
    into.days_by_hour[hour] |= from.days_by_hour[hour];
  }
  into.days |= from.days;
}

}  // namespace

void HourSums::next(std::int64_t hour) {
  if (head_.hour != kNone) {
    fold(tail_, between_);
  } else {
    head_ = tail_;  // nothing, where this is the first
  }
  tail_ = {.hour = hour};
}

void HourSums::add(const HourSums& later) {
  for (const Hour* hour : {&later.head_, &later.tail_}) {
    if (hour->hour != kNone) add(hour->hour, hour->requests, hour->cost);
  }
  merge(between_, later.between_);
}

PastKey HourSums::finish() const {
  PastKey out = between_;
  fold(head_, out);
  fold(tail_, out);
  return out;
}

void HourSums::fold(const Hour& hour, PastKey& into) const {
  if (hour.requests == 0) return;
  const auto of_day = static_cast<std::size_t>(hour.hour % 24);
  const std::uint32_t day = 1u << ((hour.hour - first_hour_) / 24 % 32);
  into.first_ms = std::min(into.first_ms, hour.hour * kHourMs);
  into.last_ms = std::max(into.last_ms, (hour.hour + 1) * kHourMs);
  into.requests = wrapping_add(into.requests, hour.requests);
  into.cost = wrapping_add(into.cost, hour.cost);
  into.hour_requests_max = std::max(into.hour_requests_max, hour.requests);
  into.hour_cost_max = std::max(into.hour_cost_max, hour.cost);
  into.requests_by_hour[of_day] = wrapping_add(into.requests_by_hour[of_day], hour.requests);
  into.cost_by_hour[of_day] = wrapping_add(into.cost_by_hour[of_day], hour.cost);
  into.days_by_hour[of_day] |= day;
  into.days |= day;
}

}  // namespace sallyport::audit
