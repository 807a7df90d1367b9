// SPDX-License-Identifier: Apache-2.0
// What passed through the gate, summed per provider key and minute. Asked by `provider`, which
// compares it with the provider's own figures; answered by `meter`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "event/money.h"

namespace sallyport {

// In the place of a key: it may have been any of ours. Of a call that a dead process left.
inline constexpr std::string_view kAnyProviderKey = "*";

struct UsageMinute {
  std::string provider_key_id = {};
  UtcTime minute{};           // its beginning; a call counts in the minute it came in
  std::int64_t input = 0;     // tokens, cached ones among them
  std::int64_t output = 0;    // tokens
  std::int64_t requests = 0;  // whose usage was told: these are the sums above
  NanoUsd cost = {};

  // Calls that were asked and whose usage nobody told us (broken off, failed, still under way), and
  // the most that they can have used.
  std::int64_t unknown_requests = 0;
  std::int64_t unknown_tokens = 0;
  // The same of calls that the provider may work on when it has answered (background, runs), or in
  // several requests to the model (its own tools): an hour, as far as we know.
  std::int64_t later_requests = 0;
  std::int64_t later_tokens = 0;
  std::int64_t several_requests = 0;  // of all: the provider may count more than one for each
  std::int64_t refused_requests = 0;  // answered 4xx: not billed, and perhaps counted
  std::int64_t batches = 0;           // begun; what they use comes within a day
};

class OwnUsage {
 public:
  virtual ~OwnUsage() = default;
  // All minutes of [from, to) that have calls which the provider's usage of completions may hold
  // (chat, responses, completions, runs, batches); in no order, a minute more than once. Any
  // thread; takes a lock that a request may wait for a moment.
  virtual std::vector<UsageMinute> minutes(UtcTime from, UtcTime to) const = 0;
  // Before this the sums do not hold all calls: the process began, or minutes were dropped.
  virtual UtcTime complete_since() const = 0;
};

}  // namespace sallyport
