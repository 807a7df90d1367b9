// SPDX-License-Identifier: Apache-2.0
// What was usual before the window, for the keys that were seen in it.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "audit/ask.h"
#include "audit/ask_window.h"

namespace sallyport::audit {

inline constexpr std::size_t kAskKeysMax = 16'384;  // examined in one answer: the busiest

// From one country and network, with success.
struct PastPlace {
  static constexpr std::int64_t kEnough = 6;  // requests that make a place a key's own
  std::int64_t first_ms = INT64_MAX;
  std::int64_t requests = 0;  // beyond kEnough a lower bound
};

struct PastKey {
  std::int64_t first_ms = INT64_MAX, last_ms = INT64_MIN;
  std::int64_t requests = 0, cost = 0;
  std::int64_t hour_requests_max = 0, hour_cost_max = 0;
  // By hour of the day (UTC).
  std::array<std::int64_t, 24> requests_by_hour{}, cost_by_hour{};
  std::array<std::uint32_t, 24> days_by_hour{};  // a bit for each day that hour saw traffic
  std::uint32_t days = 0;                        // a bit for each day there was any
  std::map<std::string, std::map<std::string, PastPlace>> places;  // country ("": none), network

  double span_days() const;
};

struct Baseline {
  std::map<std::string, PastKey> keys;  // of those asked for
  PastKey total;                        // of all keys; no places
  std::int64_t records = 0;
  std::int64_t first_ms = INT64_MAX;
};

// Of finished requests with one of `keys`, or with any key where `keys` says so; money of all.
Result<Baseline> read_baseline(const ColumnSnapshot& snapshot, const AskSpec& spec,
                               const std::vector<std::string>& keys, std::size_t threads);

}  // namespace sallyport::audit
