// SPDX-License-Identifier: Apache-2.0
// The provider's usage compared with ours, per provider key: what it billed and did not pass here
// is a bypass (somebody has the key), what passed here and it does not know is drift. Minutes at
// the edges of the window count in our favour both ways, since the two clocks and the two ideas of
// "when" differ; what is younger than the allowed lag is not looked at yet. Calls whose usage
// nobody told us are taken to have used the most they can before anybody is accused.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/ports/provider_usage.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "event/ports/usage.h"
#include "net/offload.h"
#include "provider/admin_client.h"
#include "provider/config.h"

namespace sallyport::provider {

struct UsageSum {
  std::int64_t input = 0, output = 0, requests = 0, nano_usd = 0;
  std::int64_t tokens() const { return input + output; }
};

enum class Verdict {
  kAgrees,
  kBypass,         // they have more than passed here
  kUncertain,      // they have more, and calls of ours that told no usage may explain it
  kUsageDrift,     // they have fewer tokens than passed here
  kPriceDrift,     // same tokens, another price
  kNotComparable,  // the record's name of the key is not the provider's id (key_...)
};
std::string_view name(Verdict verdict);

// What stood in a minute when its difference was told.
struct ToldMinute {
  UsageSum theirs, ours;
};
struct ToldKey {
  std::map<UtcTime, ToldMinute> minutes;
  std::int64_t missing_tokens = 0;  // of theirs, told as drift: they may come yet
};
using Told = std::map<std::string, ToldKey>;

struct ReconcileRow {
  std::string provider_key_id;
  bool known = true;  // a key of ours
  UsageSum theirs, ours;
  Verdict verdict = Verdict::kAgrees;
  std::int64_t excess_tokens = 0;  // theirs minus ours, of any difference
  // Calls of ours that told no usage, and the most that they can have used.
  std::int64_t uncertain_requests = 0, uncertain_tokens = 0;
  std::int64_t batch_tokens = 0;  // of theirs, by batches that went through here; not compared
  ToldKey told = {};              // what to remember when this is told
};

struct Reconciliation {
  UtcTime from{}, to{};
  std::vector<ReconcileRow> rows;  // by key id
  bool has(Verdict verdict) const;
};

struct CompareRules {
  double tolerance = 0.02;
  bool every_key = false;                       // also those that nobody here knows
  std::set<std::string> known = {};             // keys of ours that may have had no traffic
  Told told = {};                               // only what came beyond it counts
  std::map<std::string, UtcTime> batches = {};  // the last one of each key, where ours has none
};
inline constexpr std::chrono::minutes kEdge{2};
inline constexpr std::chrono::minutes kLater{60};     // calls that go on after their answer
inline constexpr std::chrono::hours kBatchLasts{26};  // a day, and what its end may be late

// `ours` holds at least the minutes of [from - kLater - kEdge, to + kEdge).
Reconciliation compare_usage(const std::vector<UsageResult>& theirs,
                             const std::vector<UsageMinute>& ours, UtcTime from, UtcTime to,
                             const CompareRules& rules);
// Money of one whole day: only of keys that both know, and only what `usage`, the provider's usage
// of that day, shows to be of calls that we count, in as many tokens as we do. The rest of a bill
// (embeddings, sound, searches, storage) has nothing here to stand against.
Reconciliation compare_costs(const std::vector<CostResult>& theirs,
                             const std::vector<UsageResult>& usage,
                             const std::vector<UsageMinute>& ours, UtcTime from, UtcTime to,
                             const CompareRules& rules);

// All outlive the reconciler and its tasks.
struct ReconcileParts {
  net::Loop& loop;
  net::Offload& disk;
  const Clock& clock;
  Recorder& recorder;
  SettingStore& settings;
  const OwnUsage& usage;
};

class Reconciler final : public ProviderUsage, public std::enable_shared_from_this<Reconciler> {
 public:
  using Known = std::function<std::vector<std::string>()>;  // ids of our keys; loop's thread
  static constexpr std::chrono::hours kLookBack{1};
  static constexpr std::chrono::hours kCostsLag{6};       // after the end of a day
  static constexpr std::size_t kToldMax = 1'000;          // keys remembered as told
  static constexpr std::size_t kToldMinutesMax = 20'000;  // of all of them

  Reconciler(ReconcileParts parts, std::shared_ptr<const AdminClient> client,
             ReconcileConfig config, std::vector<std::string> projects, Known known);

  void start();
  void stop() { stopped_ = true; }

  // Compares now; nothing is recorded. kInvalid: we do not have all of that window, or it is empty.
  Task<Result<Reconciliation>> compare(UtcTime from, UtcTime to);
  // The window of the last hour that may be compared now; empty (from == to) right after a start.
  std::pair<UtcTime, UtcTime> window() const;
  // One round of the schedule: compare, record what differs.
  Task<void> round();

  std::optional<ProviderSpend> last(std::string_view provider_key_id) const override;

 private:
  using Self = std::shared_ptr<Reconciler>;
  static Task<void> keep(Self self);
  CompareRules rules() const;
  void note_batches(const std::vector<UsageMinute>& ours);
  void tell(const Reconciliation& result);
  void tell_row(const Reconciliation& result, const ReconcileRow& row);
  void tell_unavailable(const Error& error);
  Task<void> costs_round();
  Task<void> compare_day(std::vector<CostResult> costs, UtcTime day);
  void forget_old();
  Task<void> load();
  Task<void> save();

  ReconcileParts parts_;
  const std::shared_ptr<const AdminClient> client_;
  const ReconcileConfig config_;
  const std::vector<std::string> projects_;
  const Known known_;
  bool stopped_ = false;
  bool loaded_ = false;
  bool unavailable_told_ = false;
  Told told_;
  std::map<std::string, UtcTime> batches_;  // the last one of each key
  UtcTime costs_told_{};                    // the end of the last day whose money was compared
  UtcTime costs_next_{};

  mutable std::mutex spend_mutex_;  // asked from the gate's threads
  std::map<std::string, NanoUsd, std::less<>> spend_;
  std::optional<UtcTime> spend_at_;
};

}  // namespace sallyport::provider
