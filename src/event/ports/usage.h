// SPDX-License-Identifier: Apache-2.0
// What passed through the gate, summed per provider key and minute. Asked by `provider`, which
// compares it with the provider's own figures; answered by `meter`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/money.h"

namespace sallyport {

struct UsageMinute {
  std::string provider_key_id;
  UtcTime minute{};         // its beginning; a call counts in the minute it came in
  std::int64_t input = 0;   // tokens, cached ones among them
  std::int64_t output = 0;  // tokens
  std::int64_t requests = 0;
  NanoUsd cost;
};

class OwnUsage {
 public:
  virtual ~OwnUsage() = default;
  // All minutes of [from, to) that have calls of the completions kind (chat, responses,
  // completions); in no order. Any thread; takes a lock that a request may wait for a moment.
  virtual std::vector<UsageMinute> minutes(UtcTime from, UtcTime to) const = 0;
  // Before this the sums do not hold all calls: the process began, or minutes were dropped.
  virtual UtcTime complete_since() const = 0;
};

}  // namespace sallyport
