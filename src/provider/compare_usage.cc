// SPDX-License-Identifier: Apache-2.0
// The comparison itself: sums in, verdicts out.
#include <algorithm>

#include "provider/reconcile.h"

namespace sallyport::provider {
namespace {

struct Sums {
  UsageSum theirs, ours;                        // less what was told of them
  std::int64_t ours_wide = 0, ours_narrow = 0;  // tokens, with and without the edges
  std::int64_t calls_wide = 0;                  // all that were asked, whatever came of them
  std::int64_t uncertain_requests = 0, uncertain_tokens = 0;
  bool countable = true;   // the provider counts no more requests than calls
  std::int64_t grown = 0;  // of theirs: what came late to minutes that were told
  std::int64_t batch_tokens = 0;
  std::map<UtcTime, ToldMinute> minutes;  // of the window, as they stand
};

UtcTime time_of(std::int64_t seconds) { return UtcTime(std::chrono::seconds(seconds)); }

std::int64_t calls_of(const UsageMinute& one) {
  return one.requests + one.unknown_requests + one.later_requests;
}

void add(UsageSum& sum, const UsageMinute& one) {
  sum.input += one.input;
  sum.output += one.output;
  sum.requests += calls_of(one);
  sum.nano_usd += one.cost.nano;
}

void add(UsageSum& sum, const UsageSum& other) {
  sum.input += other.input;
  sum.output += other.output;
  sum.requests += other.requests;
  sum.nano_usd += other.nano_usd;
}

// What came since: a figure that has shrunk is no news.
UsageSum since(const UsageSum& now, const UsageSum& told) {
  return {.input = std::max<std::int64_t>(now.input - told.input, 0),
          .output = std::max<std::int64_t>(now.output - told.output, 0),
          .requests = std::max<std::int64_t>(now.requests - told.requests, 0),
          .nano_usd = std::max<std::int64_t>(now.nano_usd - told.nano_usd, 0)};
}

double above(std::int64_t amount, double tolerance) {
  return static_cast<double>(amount) * (1 + tolerance);
}

bool is_key(const std::string& id) { return id.starts_with("key_"); }
bool is_account(const std::string& id) { return id.starts_with("svc_acct_"); }

// Usage under nobody's name may be that of exchanged tokens, if the provider does not tell their
// service account: then all of ours stand against it together. True if any did.
bool fold_accounts(std::map<std::string, Sums>& keys, std::set<std::string>& folded) {
  const auto nameless = keys.find("");
  if (nameless == keys.end() || nameless->second.theirs.requests == 0) return false;
  if (nameless->second.calls_wide > 0) return false;  // a static key without a name of its own
  for (auto& [id, sums] : keys) {
    if (!is_account(id) || sums.theirs.requests > 0 || sums.calls_wide == 0) continue;
    Sums& all = nameless->second;
    add(all.ours, sums.ours);
    all.ours_wide += sums.ours_wide;
    all.ours_narrow += sums.ours_narrow;
    all.calls_wide += sums.calls_wide;
    all.uncertain_requests += sums.uncertain_requests;
    all.uncertain_tokens += sums.uncertain_tokens;
    all.countable = all.countable && sums.countable;
    folded.insert(id);
  }
  return !folded.empty();
}

// The window and what of it was told before.
class Comparison {
 public:
  Comparison(UtcTime from, UtcTime to, const CompareRules& rules)
      : from_(from), to_(to), rules_(rules), known_(rules.known) {
    for (const std::string& key : rules.known) keys_[key];  // idle ones are shown too
    for (const auto& [key, last] : rules.batches) batches_[key].insert(last);
  }

  void take(const std::vector<UsageMinute>& ours) {
    std::map<std::pair<std::string, UtcTime>, UsageMinute> sums;
    for (const UsageMinute& one : ours) {
      if (one.provider_key_id != kAnyProviderKey) known_.insert(one.provider_key_id);
      if (one.batches > 0) batches_[one.provider_key_id].insert(one.minute);
      if (one.minute < from_ - kLater - kEdge || one.minute >= to_ + kEdge) continue;
      const bool any = one.provider_key_id == kAnyProviderKey;
      take_uncertain(any ? any_ : keys_[one.provider_key_id], one);
      if (any || one.minute < from_ - kEdge) continue;
      UsageMinute& sum = sums[{one.provider_key_id, one.minute}];
      sum.minute = one.minute;
      sum.input += one.input;
      sum.output += one.output;
      sum.cost.nano += one.cost.nano;
      sum.requests += calls_of(one);
    }
    for (const auto& [at, sum] : sums) take_known(at.first, sum);
  }

  void take(const std::vector<UsageResult>& theirs) {
    std::map<std::pair<std::string, UtcTime>, UsageSum> sums;
    for (const UsageResult& one : theirs) {
      const UtcTime minute = time_of(one.start_time_s);
      if (minute < from_ || minute >= to_) continue;
      if (!rules_.every_key && !known_.contains(one.api_key_id)) continue;
      if (one.batch && of_our_batch(one.api_key_id, minute)) {
        keys_[one.api_key_id].batch_tokens += one.input_tokens + one.output_tokens;
        continue;
      }
      add(sums[{one.api_key_id, minute}],
          UsageSum{
              .input = one.input_tokens, .output = one.output_tokens, .requests = one.requests});
    }
    for (const auto& [at, sum] : sums) {
      Sums& key = keys_[at.first];
      key.minutes[at.second].theirs = sum;
      const ToldMinute* told = told_of(at.first, at.second);
      const UsageSum fresh = told ? since(sum, told->theirs) : sum;
      add(key.theirs, fresh);
      if (told) key.grown += fresh.tokens();
    }
  }

  Reconciliation result() {
    std::set<std::string> folded;
    const bool nameless_is_ours = fold_accounts(keys_, folded);
    Reconciliation result{.from = from_, .to = to_, .rows = {}};
    for (auto& [key, sums] : keys_) {
      ReconcileRow row{.provider_key_id = key, .theirs = sums.theirs, .ours = sums.ours};
      row.batch_tokens = sums.batch_tokens;
      row.known = known_.contains(key) || (key.empty() && nameless_is_ours);
      // Our name for a key is only the provider's id where the configuration says so.
      const bool comparable = is_key(key) || (is_account(key) && !folded.contains(key)) ||
                              (key.empty() && nameless_is_ours);
      if (row.known && !comparable) {
        row.verdict = Verdict::kNotComparable;
      } else {
        judge(row, sums);
      }
      result.rows.push_back(std::move(row));
    }
    return result;
  }

 private:
  // Calls that told no usage: with the edges, and an hour more where they may go on.
  void take_uncertain(Sums& sums, const UsageMinute& one) const {
    sums.uncertain_requests += one.later_requests;
    sums.uncertain_tokens += one.later_tokens;
    sums.calls_wide += one.later_requests;
    if (one.several_requests > 0) sums.countable = false;
    if (one.minute < from_ - kEdge) return;
    sums.uncertain_requests += one.unknown_requests;
    sums.uncertain_tokens += one.unknown_tokens;
    sums.calls_wide += one.requests + one.unknown_requests + one.refused_requests;
  }

  void take_known(const std::string& key, const UsageMinute& sum) {
    Sums& sums = keys_[key];
    UsageSum now;
    add(now, sum);
    const bool inside = sum.minute >= from_ && sum.minute < to_;
    if (inside) sums.minutes[sum.minute].ours = now;
    if (const ToldMinute* told = told_of(key, sum.minute)) now = since(now, told->ours);
    if (inside) add(sums.ours, now);
    sums.ours_wide += now.tokens();
    const bool narrow = sum.minute >= from_ + kEdge && sum.minute < to_ - kEdge;
    if (narrow) sums.ours_narrow += now.tokens();
  }

  const ToldMinute* told_of(const std::string& key, UtcTime minute) const {
    const auto at = rules_.told.find(key);
    if (at == rules_.told.end()) return nullptr;
    const auto found = at->second.minutes.find(minute);
    return found == at->second.minutes.end() ? nullptr : &found->second;
  }

  bool of_our_batch(const std::string& key, UtcTime minute) const {
    for (const std::string& name : {key, std::string(kAnyProviderKey)}) {
      const auto at = batches_.find(name);
      if (at == batches_.end() || (name != key && !known_.contains(key))) continue;
      const auto first = at->second.lower_bound(minute - kBatchLasts);
      if (first != at->second.end() && *first <= minute + kEdge) return true;
    }
    return false;
  }

  void judge(ReconcileRow& row, const Sums& sums) const {
    const auto told = rules_.told.find(row.provider_key_id);
    const bool before = told != rules_.told.end();
    // What was told as missing and came is no excess.
    const std::int64_t came = before ? std::min(sums.grown, told->second.missing_tokens) : 0;
    const std::int64_t theirs = sums.theirs.tokens() - came;
    const Sums nobody;
    const Sums& any = row.known ? any_ : nobody;
    row.uncertain_requests = sums.uncertain_requests + any.uncertain_requests;
    row.uncertain_tokens = sums.uncertain_tokens + any.uncertain_tokens;
    const double most = above(sums.ours_wide + row.uncertain_tokens, rules_.tolerance);
    const bool explained = row.uncertain_requests > 0 && static_cast<double>(theirs) <= most;
    // However much each call used: more calls than were made here are somebody else's.
    const bool counted = sums.countable && any.countable && !before;
    const std::int64_t calls = sums.calls_wide + any.calls_wide;
    const bool more_calls =
        counted && static_cast<double>(sums.theirs.requests) > above(calls, rules_.tolerance);
    if (static_cast<double>(theirs) > above(sums.ours_wide, rules_.tolerance)) {
      row.verdict = explained && !more_calls ? Verdict::kUncertain : Verdict::kBypass;
    } else if (above(sums.theirs.tokens(), rules_.tolerance) <
               static_cast<double>(sums.ours_narrow)) {
      row.verdict = Verdict::kUsageDrift;
    }
    if (row.verdict == Verdict::kAgrees) return;
    row.excess_tokens = theirs - sums.ours.tokens();
    if (row.verdict == Verdict::kUncertain) return;
    if (before) row.told = told->second;
    for (const auto& [minute, figures] : sums.minutes) row.told.minutes[minute] = figures;
    row.told.missing_tokens -= came;
    if (row.verdict == Verdict::kUsageDrift) row.told.missing_tokens -= row.excess_tokens;
  }

  const UtcTime from_, to_;
  const CompareRules& rules_;
  std::map<std::string, Sums> keys_;
  Sums any_;  // of calls whose key is not known
  std::set<std::string> known_;
  std::map<std::string, std::set<UtcTime>> batches_;
};

// Of "gpt-4o-2024-08-06, input": the model.
std::string model_of_item(const std::string& item) { return item.substr(0, item.find(", ")); }

// What a key used in a day, as the provider tells it.
struct DayUsage {
  std::int64_t tokens = 0;
  std::set<std::string> models;
  bool batches = false;
};

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAgrees:
      return "agrees";
    case Verdict::kBypass:
      return "gateway_bypass";
    case Verdict::kUncertain:
      return "uncertain";
    case Verdict::kUsageDrift:
      return "usage_drift";
    case Verdict::kPriceDrift:
      return "price_drift";
    case Verdict::kNotComparable:
      return "not_comparable";
  }
  return "unknown";
}

bool Reconciliation::has(Verdict verdict) const {
  return std::ranges::find(rows, verdict, &ReconcileRow::verdict) != rows.end();
}

Reconciliation compare_usage(const std::vector<UsageResult>& theirs,
                             const std::vector<UsageMinute>& ours, UtcTime from, UtcTime to,
                             const CompareRules& rules) {
  Comparison comparison(from, to, rules);
  comparison.take(ours);  // first: it says which keys are ours
  comparison.take(theirs);
  return comparison.result();
}

Reconciliation compare_costs(const std::vector<CostResult>& theirs,
                             const std::vector<UsageResult>& usage,
                             const std::vector<UsageMinute>& ours, UtcTime from, UtcTime to,
                             const CompareRules& rules) {
  std::map<std::string, UsageSum> keys;
  for (const UsageMinute& one : ours) {
    const bool inside = one.minute >= from && one.minute < to;
    if (inside && is_key(one.provider_key_id)) add(keys[one.provider_key_id], one);
  }
  std::map<std::string, DayUsage> days;
  for (const UsageResult& one : usage) {
    const UtcTime start = time_of(one.start_time_s);
    if (start < from || start >= to) continue;
    DayUsage& day = days[one.api_key_id];
    day.batches |= one.batch;
    day.tokens += one.input_tokens + one.output_tokens;
    day.models.insert(one.model);
  }
  std::map<std::string, UsageSum> billed;  // only what is of calls that are counted here
  for (const CostResult& one : theirs) {
    const UtcTime start = time_of(one.start_time_s);
    if (one.other_currency || start < from || start >= to) continue;
    if (!days[one.api_key_id].models.contains(model_of_item(one.line_item))) continue;
    billed[one.api_key_id].nano_usd += one.nano_usd;
  }
  const auto apart = [&](std::int64_t a, std::int64_t b) {
    return above(a, rules.tolerance) < static_cast<double>(b) ||
           static_cast<double>(a) > above(b, rules.tolerance);
  };
  Reconciliation result{.from = from, .to = to, .rows = {}};
  for (const auto& [key, sum] : keys) {  // costs are told by key alone
    ReconcileRow row{.provider_key_id = key, .theirs = billed[key], .ours = sum};
    const DayUsage& day = days[key];
    // Other tokens cost other money: that is told as a difference of usage. Batches cost half.
    const bool same = billed.contains(key) && !day.batches && !apart(day.tokens, sum.tokens());
    if (!same || row.theirs.nano_usd == 0) {
      row.verdict = Verdict::kNotComparable;
    } else if (apart(row.theirs.nano_usd, sum.nano_usd)) {
      row.verdict = Verdict::kPriceDrift;
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace sallyport::provider
