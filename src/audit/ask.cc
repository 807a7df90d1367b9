// SPDX-License-Identifier: Apache-2.0
#include "audit/ask.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>
#include <utility>

#include "audit/ask_baseline.h"
#include "audit/ask_score.h"
#include "audit/ask_use.h"
#include "audit/ask_window.h"

namespace sallyport::audit {
namespace {

constexpr std::array kQuestions = {Question::kKeys, Question::kIps, Question::kCost,
                                   Question::kInjection};
constexpr std::chrono::hours kSpanMax{31 * 24};
constexpr double kFirstLook = 1;  // points at which a key is looked at more closely
constexpr std::int64_t kFailures = 14;
constexpr std::size_t kNamedKeys = 5;

class Asking {
 public:
  Asking(const ColumnSnapshot& snapshot, const AskSpec& spec, std::size_t threads)
      : snapshot_(snapshot), spec_(spec), threads_(threads) {}

  Result<AskAnswer> run() {
    auto window = read_window(snapshot_, spec_, threads_);
    if (!window) return std::unexpected(window.error());
    window_ = std::move(*window);
    begin();
    if (!only(Question::kInjection)) {
      auto baseline = read_baseline(snapshot_, spec_, busiest_, threads_);
      if (!baseline) return std::unexpected(baseline.error());
      baseline_ = std::move(*baseline);
      out_.past_records = baseline_.records;
    }
    if (spec_.asks(Question::kKeys) || spec_.asks(Question::kIps)) {
      if (auto done = keys_and_ips(); !done) return std::unexpected(done.error());
    }
    if (spec_.asks(Question::kCost)) costs();
    if (spec_.asks(Question::kInjection)) {
      if (auto done = injections(); !done) return std::unexpected(done.error());
    }
    unknown();
    return std::move(out_);
  }

 private:
  bool only(Question question) const {
    return spec_.questions.size() == 1 && spec_.questions.front() == question;
  }

  void begin() {
    out_.at = spec_.at;
    out_.from = spec_.at - spec_.since;
    out_.baseline_from = out_.from - spec_.baseline;
    for (const Question question : kQuestions) {
      if (spec_.asks(question)) out_.questions.push_back(question);
    }
    out_.records = window_.records;
    out_.fold = window_.fold;
    out_.end_seq = snapshot_.end_seq;
    out_.until = snapshot_.until;
    out_.open = snapshot_.open.size();
    out_.missing = snapshot_.missing;
    std::vector<std::pair<std::int64_t, std::string>> by_use;
    for (const auto& [key, now] : window_.keys) {
      if (!key.empty()) by_use.emplace_back(-now.requests, key);
    }
    std::ranges::sort(by_use);
    out_.keys_seen = by_use.size();
    if (by_use.size() > kAskKeysMax) {
      out_.keys_unexamined = by_use.size() - kAskKeysMax;
      by_use.resize(kAskKeysMax);
    }
    for (auto& [use, key] : by_use) busiest_.push_back(std::move(key));
  }

  KeyFacts facts(const std::string& key, const PastUse* use) const {
    return {.key = key,
            .now = window_.keys.at(key),
            .past = baseline_.keys.at(key),
            .window = window_,
            .spec = spec_,
            .use = use};
  }

  Result<void> keys_and_ips() {
    std::vector<KeyFinding> found;
    for (const std::string& key : busiest_) found.push_back(judge_key(facts(key, nullptr)));
    const auto worse = [](const auto& a, const auto& b) { return a.score > b.score; };
    sort(found, worse);
    std::vector<std::string> suspects;
    for (const KeyFinding& finding : found) {
      if (finding.score >= kFirstLook && suspects.size() < kAskSuspectsMax) {
        suspects.push_back(finding.key);
      }
    }
    std::map<std::string, IpFacts> ips = addresses();
    std::set<std::string> failing;
    for (const auto& [ip, fact] : ips) {
      if (fact.sum.refused >= kFailures && failing.size() < kAskSuspectsMax) failing.insert(ip);
    }
    PastUse use;
    if (!suspects.empty() || !failing.empty()) {
      auto read = read_use(snapshot_, spec_, window_, suspects, failing, threads_);
      if (!read) return std::unexpected(read.error());
      use = std::move(*read);
    }
    for (std::size_t i = 0; i < suspects.size(); ++i) {
      found[i] = judge_key(facts(suspects[i], &use));
    }
    sort(found, worse);
    if (spec_.asks(Question::kIps)) judge_ips(found, ips, use);
    if (!spec_.asks(Question::kKeys)) return {};
    for (KeyFinding& finding : found) {
      if (out_.keys.size() == spec_.shown || finding.judgement == Judgement::kUsual) break;
      if (finding.sources.size() > spec_.shown) finding.sources.resize(spec_.shown);
      out_.keys.push_back(std::move(finding));
    }
    return {};
  }

  std::map<std::string, IpFacts> addresses() const {
    std::map<std::string, IpFacts> ips;
    for (const auto& [key, now] : window_.keys) {
      for (const auto& [id, source] : now.sources) {
        if (id.ip.empty()) continue;
        IpFacts& fact = ips[id.ip];
        fact.ip = id.ip;
        fact.sum.place = source.place;
        fact.sum.requests += source.requests;
        fact.sum.refused += source.refused;
        fact.sum.claimed.insert(source.claimed.begin(), source.claimed.end());
        if (!key.empty() && (fact.keys.empty() || fact.keys.back() != key)) {
          fact.keys.push_back(key);
        }
      }
    }
    return ips;
  }

  void judge_ips(const std::vector<KeyFinding>& keys, std::map<std::string, IpFacts>& ips,
                 const PastUse& use) {
    for (const KeyFinding& key : keys) {  // the worst first
      if (key.judgement == Judgement::kUsual) break;
      for (const Source& source : key.sources) {
        const auto found = ips.find(source.ip);
        if (!source.is_new || found == ips.end() || found->second.worst_key) continue;
        found->second.worst_key = &key;
      }
    }
    out_.ips_seen = ips.size();
    std::vector<IpFinding> found;
    for (auto& [ip, fact] : ips) {
      fact.welcome = use.welcome.contains(ip);
      IpFinding finding = judge_ip(fact);
      if (finding.judgement == Judgement::kUsual) continue;
      if (finding.keys.size() > kNamedKeys) finding.keys.resize(kNamedKeys);
      found.push_back(std::move(finding));
    }
    sort(found, [](const IpFinding& a, const IpFinding& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.source.requests > b.source.requests;
    });
    if (found.size() > spec_.shown) found.resize(spec_.shown);
    out_.ips = std::move(found);
  }

  void costs() {
    WindowKey all;
    for (const auto& [key, now] : window_.keys) {
      all.requests += now.requests;
      all.cost += now.cost;
      all.unpriced += now.unpriced;
      all.budget_refused += now.budget_refused;
    }
    std::vector<CostFinding> found;
    for (const std::string& key : busiest_) {
      found.push_back(judge_cost(key, window_.keys.at(key), baseline_.keys.at(key), spec_));
    }
    sort(found, [](const CostFinding& a, const CostFinding& b) {
      if (a.score != b.score) return a.score > b.score;
      return a.spent > b.spent;
    });
    if (found.size() > spec_.shown) found.resize(spec_.shown);
    if (!spec_.key) found.insert(found.begin(), judge_cost("", all, baseline_.total, spec_));
    for (CostFinding& finding : found) {
      if (spec_.budgets && !finding.key.empty()) finding.budgets = spec_.budgets(finding.key);
    }
    out_.costs = std::move(found);
  }

  Result<void> injections() {
    out_.injection_scored = window_.scored;
    for (const auto& [key, now] : window_.keys) {
      if (now.injection.attempts == 0) continue;
      out_.injections.push_back(judge_injection(key, now.injection));
    }
    sort(out_.injections, [](const InjectionFinding& a, const InjectionFinding& b) {
      if (a.judgement != b.judgement) return a.judgement > b.judgement;
      return a.attempts > b.attempts;
    });
    if (out_.injections.size() > spec_.shown) out_.injections.resize(spec_.shown);
    const auto before = past_attempts(snapshot_, spec_, threads_);
    if (!before) return std::unexpected(before.error());
    const double hours = std::chrono::duration<double, std::ratio<3600>>(spec_.baseline).count();
    out_.injection_per_hour_before = static_cast<double>(*before) / hours;
    return {};
  }

  // Honest words about what this answer cannot know.
  void unknown() {
    auto& words = out_.unknown;
    if (window_.records == 0) {
      words.emplace_back("there is no request in this span: an empty log says nothing");
      return;
    }
    const bool places = spec_.asks(Question::kKeys) || spec_.asks(Question::kIps);
    if (places && window_.with_geo == 0) {
      words.emplace_back(
          "countries: no record of this span names one (no geography database, or "
          "private addresses)");
    }
    if (places && window_.with_asn == 0) {
      words.emplace_back(
          "networks: no record of this span names one; the /16 (IPv6: /32) of the "
          "address is taken for it");
    }
    if (places && window_.fold != AddressFold::kNone) {
      words.push_back(fmt::format(
          "single addresses: there are too many; they are told apart by their {} and by place",
          window_.fold == AddressFold::kSubnet ? "/24 (IPv6: /64)" : "/16 (IPv6: /32)"));
    }
    if (!only(Question::kInjection)) past_unknown();
    if (spec_.asks(Question::kInjection) && window_.scored == 0) {
      words.emplace_back(
          "injection: no request of this span was scored (the guard is off, or saw "
          "no text)");
    }
    if (spec_.asks(Question::kCost) && !spec_.budgets) {
      words.emplace_back("budgets: only the running server knows them");
    }
    if (out_.keys_unexamined > 0) {
      words.push_back(
          fmt::format("{} keys that were used least were not examined", out_.keys_unexamined));
    }
  }

  void past_unknown() {
    if (baseline_.records == 0) {
      out_.unknown.emplace_back("what is usual: there is no record before this span");
      return;
    }
    const std::int64_t from = out_.from.time_since_epoch().count();
    const double days = static_cast<double>(from - baseline_.first_ms) / 86'400'000.0;
    if (days < 7) {
      out_.unknown.push_back(
          fmt::format("what is usual: only {:.1f} days lie before this span", days));
    }
    std::int64_t unpriced = 0;
    for (const auto& [key, now] : window_.keys) unpriced += now.unpriced;
    if (spec_.asks(Question::kCost) && unpriced > 0) {
      out_.unknown.push_back(fmt::format("cost: {} successful requests have no price", unpriced));
    }
  }

  // In place and without a buffer, equal ones in their order.
  template <class T, class Before>
  static void sort(std::vector<T>& items, Before before) {
    std::vector<std::size_t> order(items.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
      if (before(items[a], items[b])) return true;
      return !before(items[b], items[a]) && a < b;
    });
    std::vector<T> sorted;
    sorted.reserve(items.size());
    for (const std::size_t at : order) sorted.push_back(std::move(items[at]));
    items = std::move(sorted);
  }

  const ColumnSnapshot& snapshot_;
  const AskSpec& spec_;
  const std::size_t threads_;
  Window window_;
  Baseline baseline_;
  std::vector<std::string> busiest_;
  AskAnswer out_;
};

}  // namespace

std::string_view name(Question question) {
  switch (question) {
    case Question::kKeys:
      return "keys";
    case Question::kIps:
      return "ips";
    case Question::kCost:
      return "cost";
    case Question::kInjection:
      return "injection";
  }
  return "?";
}

std::optional<Question> parse_question(std::string_view text) {
  for (const Question question : kQuestions) {
    if (name(question) == text) return question;
  }
  return std::nullopt;
}

std::string_view name(Judgement judgement) {
  switch (judgement) {
    case Judgement::kUsual:
      return "usual";
    case Judgement::kNotable:
      return "notable";
    case Judgement::kHigh:
      return "high";
    case Judgement::kCritical:
      return "critical";
  }
  return "?";
}

Judgement AskAnswer::worst() const {
  Judgement worst = Judgement::kUsual;
  const auto look = [&](const auto& findings) {
    for (const auto& finding : findings) worst = std::max(worst, finding.judgement);
  };
  look(keys);
  look(ips);
  look(costs);
  look(injections);
  return worst;
}

Result<AskAnswer> ask(const ColumnSnapshot& snapshot, const AskSpec& spec, std::size_t threads) {
  const auto bad = [](std::chrono::milliseconds span) {
    return span < std::chrono::seconds(1) || span > kSpanMax;
  };
  if (bad(spec.since) || bad(spec.baseline)) {
    return fail(Code::kInvalid, "a span is between a second and 31 days");
  }
  return Asking(snapshot, spec, std::max<std::size_t>(threads, 1)).run();
}

}  // namespace sallyport::audit
