// SPDX-License-Identifier: Apache-2.0
// The four questions of an incident, asked of the columns: which key looks stolen, from where, what
// does it cost, was there injection. A span of time (the window) is compared with what came before
// it (the baseline). Every judgement is a sum of reasons with their points, in nats as in the
// detectors; what cannot be known is named as such. It only reads: alarms are the detectors' work.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "audit/address_network.h"
#include "audit/column_scan.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/money.h"

namespace sallyport::audit {

enum class Question { kKeys, kIps, kCost, kInjection };
std::string_view name(Question question);
std::optional<Question> parse_question(std::string_view text);

enum class Judgement { kUsual, kNotable, kHigh, kCritical };  // below 3, from 3, 5.5, 9 points
std::string_view name(Judgement judgement);
Judgement judge(double score);

struct BudgetLine {
  std::string unit, per, amount, spent;
  std::int64_t share = 0;  // per cent
};

struct AskSpec {
  std::vector<Question> questions = {};  // empty: all four
  UtcTime at{};                          // the end of the window, excluded; usually now
  std::chrono::milliseconds since = std::chrono::minutes(5);     // the window's length
  std::chrono::milliseconds baseline = std::chrono::hours(336);  // before the window; at most 31 d
  std::optional<std::string> key = {};                           // api_key_id: of this one alone
  std::size_t shown = 10;                                        // entries of a list
  // Pairs of key and address in the window; beyond it addresses are told apart by their /24 (IPv6:
  // /64), then by /16 and /32. Some 350 bytes each and thread.
  std::size_t sources_max = 150'000;
  // What a key may spend, if somebody knows.
  std::function<std::vector<BudgetLine>(const std::string& key)> budgets = {};

  bool asks(Question question) const {
    return questions.empty() || std::ranges::find(questions, question) != questions.end();
  }
};

struct Reason {
  std::string word;  // stable: new_country, new_network, ...
  double points = 0;
  std::string text;
};

// One address in the window.
struct Source {
  std::string ip;
  std::optional<std::string> geo, asn, network;
  std::int64_t requests = 0, refused = 0;  // refused: 401 and 403
  bool is_new = false;                     // the key was never used from this network before
  bool new_address = false;                // nor from this address; only told of suspicious keys
};

struct KeyFinding {
  std::string key;
  double score = 0;
  Judgement judgement = Judgement::kUsual;
  std::vector<Reason> reasons;
  std::int64_t requests = 0, expected = 0;
  std::int64_t past_requests = 0;
  double past_days = 0;
  std::vector<Source> sources;
};

struct IpFinding {
  Source source;
  double score = 0;
  Judgement judgement = Judgement::kUsual;
  std::vector<Reason> reasons;
  std::vector<std::string> keys;  // some of those that were used or claimed from here
  std::size_t keys_count = 0;
};

struct CostFinding {
  std::string key;  // empty: of all keys together
  NanoUsd spent{}, expected{}, greatest_hour{};
  NanoUsd per_day{};  // if it went on like this
  std::int64_t unpriced = 0, refused_by_budget = 0;
  double score = 0;
  Judgement judgement = Judgement::kUsual;
  std::vector<Reason> reasons;
  std::vector<BudgetLine> budgets;
};

struct InjectionFinding {
  std::string key;
  std::int64_t attempts = 0, stopped = 0, got_through = 0, open = 0;
  std::int64_t score_max = 0;           // thousandths
  std::vector<std::string> categories;  // some
  std::vector<std::string> ips;         // some
  std::vector<std::uint64_t> seqs;      // of some that got through
  Judgement judgement = Judgement::kUsual;
};

struct AskAnswer {
  UtcTime from{}, at{}, baseline_from{};
  std::int64_t records = 0, past_records = 0;
  std::vector<Question> questions;
  // Worst first, at most AskSpec::shown; the counts are of all there are.
  std::vector<KeyFinding> keys;
  std::vector<IpFinding> ips;
  std::vector<CostFinding> costs;  // the first is the sum of all
  std::vector<InjectionFinding> injections;
  std::size_t keys_seen = 0, ips_seen = 0;
  std::size_t keys_unexamined = 0;  // beyond the limit of one answer
  std::int64_t injection_scored = 0;
  double injection_per_hour_before = 0;
  AddressFold fold = AddressFold::kNone;  // how closely addresses are told apart
  std::vector<std::string> unknown;       // in words
  std::uint64_t end_seq = 1;
  std::optional<UtcTime> until;  // what the answer holds up to
  std::size_t open = 0;
  std::vector<std::string> missing;

  Judgement worst() const;
};

// kInvalid: the spans are not between a second and 31 days. kCorrupt names a damaged file.
Result<AskAnswer> ask(const ColumnSnapshot& snapshot, const AskSpec& spec, std::size_t threads = 2);

std::string ask_json(const AskAnswer& answer);
// A short report for a terminal.
std::string ask_text(const AskAnswer& answer);

}  // namespace sallyport::audit
