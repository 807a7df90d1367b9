// SPDX-License-Identifier: Apache-2.0
// Findings against the truth: what was caught and when, and which alarms were false and why.
//
// A finding counts when its severity is high or critical. It is right when it names the attack's
// key or one of its addresses (an attack without a key: its detector is enough), between the first
// line and an hour after the last, and its detector is one of those the truth allows. Right place
// and time under another name is neither caught nor a false alarm, but told. Everything else is a
// false alarm, counted once for each key (else address, else detector) and hour.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace sallyport::traffic {

struct TruthEvent {
  bool attack = false;
  std::string shape;
  std::vector<std::string> detectors;
  UtcTime from{};
  UtcTime until{};
  UtcTime deadline{};
  std::string api_key_id;
  std::vector<IpAddress> addresses;
  std::string dimensions = "{}";  // JSON, as it stood in the truth
};

struct Alarm {
  UtcTime time{};
  std::string detector;
  bool high = false;
  std::string api_key_id;
  std::string ip;
};

struct Caught {
  std::optional<std::int64_t> after_ms;  // of the first right finding
  std::string detector;
  bool in_time = false;
  bool right_ip = false;    // and it named one of the addresses: what a block would hit
  bool other_name = false;  // somebody said high of the right key, but not why
  bool below_high = false;  // the right name, at most medium
};

struct FalseAlarm {
  Alarm alarm;
  std::string benign;  // the shape of what was going on
};

struct Score {
  std::vector<TruthEvent> attacks;
  std::vector<Caught> caught;  // beside `attacks`
  std::vector<FalseAlarm> false_alarms;
  double key_days = 0;
  std::int64_t findings = 0;
};

Result<std::vector<TruthEvent>> read_truth(std::istream& in);
Result<std::vector<Alarm>> read_findings(std::istream& in);
// Sum over the keys of the days from first to last line, begun days count. Lines are those of the
// log; a line that is none is skipped.
double count_key_days(std::istream& log);

Score score(const std::vector<TruthEvent>& truth, const std::vector<Alarm>& alarms,
            double key_days);

std::string score_table(const Score& score);
std::string score_json(const Score& score);

}  // namespace sallyport::traffic
