// SPDX-License-Identifier: Apache-2.0
// What the calls of the data API used, by minute, key and model: the Usage and Costs endpoints. A
// call counts in the minute it began; a stream under way shows what it generated so far.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sim/admin_directory.h"
#include "sim/admin_query.h"

namespace sallyport::sim {

// One line of the ledger is the sum of all calls that are alike in this.
struct UsageKey {
  std::int64_t minute_s = 0;  // seconds since 1970, a multiple of 60
  std::string endpoint = {};  // of the Usage API: "completions"
  std::string key_id = {}, project = {}, user = {}, model = {};
  std::uint64_t visible_from = 0;  // polls that must have been answered before it is seen
  auto operator<=>(const UsageKey&) const = default;
};

struct UsageSums {
  std::int64_t input = 0, output = 0, cached = 0;  // tokens
  std::int64_t units = 0;                          // images, characters, seconds
  std::int64_t requests = 0;

  UsageSums& operator+=(const UsageSums& other);
};

class UsageLedger {
 public:
  static constexpr std::size_t kLinesMax = 100'000;  // the oldest minutes are forgotten

  explicit UsageLedger(const SimOptions& options);

  // `bill` may grow until the call ends; the ledger looks at it whenever somebody asks.
  void charge(std::int64_t at_s, const Caller& caller, std::string_view model,
              std::shared_ptr<const Bill> bill);
  // What somebody used without a call.
  void add(std::int64_t at_s, const Caller& caller, std::string_view endpoint,
           std::string_view model, const UsageSums& sums);

  // GET /v1/organization/usage/{endpoint}. 404 if there is no such endpoint.
  Answer usage(std::string_view endpoint, const Query& query, std::int64_t now);
  Answer costs(const Query& query, std::int64_t now);

  std::size_t lag_polls = 0;  // polls of either that do not see a call yet

 private:
  struct Open {
    UsageKey key;
    std::shared_ptr<const Bill> bill;
  };
  UsageKey key_of(std::int64_t at_s, const Caller& caller, std::string_view endpoint,
                  std::string_view model) const;
  void put(UsageKey key, const UsageSums& sums);
  void fold();
  // All lines of [from, to) that a poll may see, calls under way among them.
  std::vector<std::pair<UsageKey, UsageSums>> lines(std::int64_t from, std::int64_t to) const;
  double input_usd(std::string_view model) const;
  double output_usd(std::string_view model) const;

  const double input_usd_per_million_, output_usd_per_million_;
  std::deque<Open> open_;  // not yet in lines_
  std::map<UsageKey, UsageSums> lines_;
  std::uint64_t polls_ = 0;
};

}  // namespace sallyport::sim
