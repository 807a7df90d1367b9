// SPDX-License-Identifier: Apache-2.0
// The comparison itself: sums in, verdicts out.
#include <algorithm>

#include "provider/reconcile.h"

namespace sallyport::provider {
namespace {

struct Sums {
  UsageSum theirs, ours;
  std::int64_t ours_wide = 0, ours_narrow = 0;  // tokens, with and without the edges
};

UtcTime time_of(std::int64_t seconds) { return UtcTime(std::chrono::seconds(seconds)); }

void add(UsageSum& sum, const UsageMinute& one) {
  sum.input += one.input;
  sum.output += one.output;
  sum.requests += one.requests;
  sum.nano_usd += one.cost.nano;
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
  if (nameless->second.ours_wide > 0) return false;  // a static key without a name of its own
  for (auto& [id, sums] : keys) {
    if (!is_account(id) || sums.theirs.requests > 0 || sums.ours_wide == 0) continue;
    Sums& all = nameless->second;
    all.ours.input += sums.ours.input;
    all.ours.output += sums.ours.output;
    all.ours.requests += sums.ours.requests;
    all.ours_wide += sums.ours_wide;
    all.ours_narrow += sums.ours_narrow;
    folded.insert(id);
  }
  return !folded.empty();
}

void judge_usage(ReconcileRow& row, const Sums& sums, double tolerance) {
  const std::int64_t theirs = sums.theirs.tokens();
  if (static_cast<double>(theirs) > above(sums.ours_wide, tolerance)) {
    row.verdict = Verdict::kBypass;
    row.excess_tokens = theirs - sums.ours.tokens();
  } else if (above(theirs, tolerance) < static_cast<double>(sums.ours_narrow)) {
    row.verdict = Verdict::kUsageDrift;
    row.excess_tokens = theirs - sums.ours.tokens();
  }
}

}  // namespace

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAgrees:
      return "agrees";
    case Verdict::kBypass:
      return "gateway_bypass";
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
  std::map<std::string, Sums> keys;
  for (const std::string& key : rules.known) keys[key];  // idle ones are shown too
  const auto start_of = [&](const std::string& key) {
    const auto told = rules.told_until.find(key);
    return told == rules.told_until.end() ? from : std::max(from, told->second);
  };
  for (const UsageMinute& one : ours) {
    const UtcTime start = start_of(one.provider_key_id);
    Sums& sums = keys[one.provider_key_id];
    const std::int64_t tokens = one.input + one.output;
    if (one.minute >= start && one.minute < to) add(sums.ours, one);
    if (one.minute >= start - kEdge && one.minute < to + kEdge) sums.ours_wide += tokens;
    if (one.minute >= start + kEdge && one.minute < to - kEdge) sums.ours_narrow += tokens;
  }
  std::set<std::string> known = rules.known;
  for (const auto& [key, sums] : keys) known.insert(key);
  for (const UsageResult& one : theirs) {
    const UtcTime minute = time_of(one.start_time_s);
    if (minute < start_of(one.api_key_id) || minute >= to) continue;
    if (!rules.every_key && !known.contains(one.api_key_id)) continue;
    UsageSum& sum = keys[one.api_key_id].theirs;
    sum.input += one.input_tokens;
    sum.output += one.output_tokens;
    sum.requests += one.requests;
  }
  std::set<std::string> folded;
  const bool nameless_is_ours = fold_accounts(keys, folded);
  Reconciliation result{.from = from, .to = to, .rows = {}};
  for (const auto& [key, sums] : keys) {
    ReconcileRow row{.provider_key_id = key, .theirs = sums.theirs, .ours = sums.ours};
    row.known = known.contains(key) || (key.empty() && nameless_is_ours);
    // Our name for a key is only the provider's id where the configuration says so.
    const bool comparable = is_key(key) || (is_account(key) && !folded.contains(key)) ||
                            (key.empty() && nameless_is_ours);
    if (row.known && !comparable) {
      row.verdict = Verdict::kNotComparable;
    } else {
      judge_usage(row, sums, rules.tolerance);
    }
    result.rows.push_back(std::move(row));
  }
  return result;
}

Reconciliation compare_costs(const std::vector<CostResult>& theirs,
                             const std::vector<UsageMinute>& ours, UtcTime from, UtcTime to,
                             const CompareRules& rules) {
  std::map<std::string, Sums> keys;
  for (const UsageMinute& one : ours) {
    if (one.minute >= from && one.minute < to) add(keys[one.provider_key_id].ours, one);
  }
  for (const CostResult& one : theirs) {
    const auto at = keys.find(one.api_key_id);
    const UtcTime day = time_of(one.start_time_s);
    if (at == keys.end() || one.other_currency || day < from || day >= to) continue;
    at->second.theirs.nano_usd += one.nano_usd;
  }
  Reconciliation result{.from = from, .to = to, .rows = {}};
  for (const auto& [key, sums] : keys) {
    if (!is_key(key)) continue;  // costs are told by key alone
    ReconcileRow row{.provider_key_id = key, .theirs = sums.theirs, .ours = sums.ours};
    const std::int64_t a = sums.theirs.nano_usd, b = sums.ours.nano_usd;
    const bool differ = above(a, rules.tolerance) < static_cast<double>(b) ||
                        static_cast<double>(a) > above(b, rules.tolerance);
    if (differ) row.verdict = Verdict::kPriceDrift;
    result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace sallyport::provider
