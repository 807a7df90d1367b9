// SPDX-License-Identifier: Apache-2.0
// How good were the findings? Compares them with a truth file: JSON lines
// {"kind":"attack"|"benign","shape","detectors":[..],"from","until","deadline","api_key_id"?,
// "ips"?}.
// Only high and critical findings count as alarms. One false alarm is one key (or address) and
// hour; the unit is false alarms per 100 key-days.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"

namespace sallyport::cli {

struct Truth {
  bool attack = false;
  std::string shape;
  std::vector<std::string> detectors;
  UtcTime from{}, until{}, deadline{};
  std::string api_key_id;  // empty: any
  std::set<std::string> ips;
  UtcTime found{};     // 1970: not yet
  bool named = false;  // by a detector of the list
};

class ReplayScore {
 public:
  static Result<ReplayScore> load(std::string_view text);

  void saw(const Event& event);  // a record of the log, for key-days
  void told(const Event& finding);
  bool has_missed() const;
  std::string text() const;
  std::string json() const;

 private:
  struct Totals {
    std::uint64_t attacks = 0, caught = 0, in_time = 0, named = 0;
    std::vector<double> seconds;
  };
  std::map<std::string, Totals> by_shape() const;
  double per_100_key_days(std::size_t count) const;

  std::vector<Truth> truths_;
  std::set<std::pair<std::string, std::int64_t>> key_days_;
  std::string last_key_;
  std::int64_t last_day_ = -1;
  std::set<std::pair<std::string, std::int64_t>> false_alarms_;  // subject, hour
  std::map<std::string, std::uint64_t> false_by_detector_, false_by_benign_;
};

}  // namespace sallyport::cli
