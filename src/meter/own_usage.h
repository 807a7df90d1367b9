// SPDX-License-Identifier: Apache-2.0
// Sums of what passed, per provider key and minute: implements event/ports/usage.h. Each gate
// thread has its own shard, so its lock is nobody else's but for the moment in which somebody
// reads.
//
// The stage stands before the meter on the way in, and so after it when the exchange is over: what
// it counts is settled. It refuses nothing and writes nothing of the exchange.
//
// Calls whose usage nobody tells (broken off, failed, gone on in the background, still under way)
// are counted apart, with the most that they can have used.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event/event.h"
#include "event/ports/usage.h"
#include "exchange/stage.h"
#include "meter/most_used.h"

namespace sallyport::meter {

class OwnUsageSums final : public OwnUsage {
 public:
  static constexpr std::chrono::hours kKept{50};     // a whole day and its reconciliation
  static constexpr std::size_t kCellsMax = 200'000;  // of a shard; the oldest minutes go first

  // `began`: from when on every call is counted here.
  explicit OwnUsageSums(UtcTime began);

  // One for each way of a gate thread. Shares the sums, which may end before it.
  std::unique_ptr<Stage> stage();

  // A request of the past, read from the journal at the start: one that finished, or an intent
  // without an outcome, which a dead process left. Then `complete_since` moves back to `since`. Any
  // thread.
  void add(const Event& event);
  void complete_since(UtcTime since);

  std::vector<UsageMinute> minutes(UtcTime from, UtcTime to) const override;
  UtcTime complete_since() const override;

 private:
  using Cells = std::map<std::pair<UtcTime, std::string>, UsageMinute>;
  struct Open {  // a call under way
    UtcTime minute{};
    std::string key;  // kAnyProviderKey until the provider answered
    MostUsed most;
  };
  struct Shard {
    std::mutex mutex;
    Cells cells;
    std::unordered_map<const Exchange*, Open> open;  // as many as the thread has exchanges
    UtcTime dropped_until{};                         // minutes before were let go
    void add(const UsageMinute& one);
    void take(Shard& ended);
    void add_locked(const UsageMinute& one);  // whoever holds the mutex
  };
  class Count;
  std::shared_ptr<Shard> make_shard();

  mutable std::mutex mutex_;
  UtcTime complete_since_;
  std::vector<std::shared_ptr<Shard>> shards_;  // the first is of the past and of ended threads
};

}  // namespace sallyport::meter
