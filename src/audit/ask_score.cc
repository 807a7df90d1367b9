// SPDX-License-Identifier: Apache-2.0
#include "audit/ask_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <set>

namespace sallyport::audit {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
// A place is the key's own when it came in the key's first 12 hours, or was there 20 hours before
// the window and for some requests: a thief of this morning is not at home by noon.
constexpr std::int64_t kTrustMs = 12 * kHourMs;
constexpr std::int64_t kAdoptedMs = 20 * kHourMs;
// Below this a past says nothing.
constexpr std::int64_t kPastRequests = 20;
constexpr double kPastDays = 1;
constexpr std::int64_t kSwitchMs = kHourMs;  // nobody changes the country in less
constexpr double kContextMax = 4.6, kContextAlternates = 8, kContextMachine = 6.8;
constexpr std::int64_t kRateRequests = 15;
constexpr double kQuietHour = 0.12;      // of the mean hour: what a silent hour counts at least
constexpr NanoUsd kCostMin{10'000'000};  // a cent

double hours(const AskSpec& spec) {
  return static_cast<double>(spec.since.count()) / static_cast<double>(kHourMs);
}

// What `by_hour` lets expect of the window.
double expected(const std::array<std::int64_t, 24>& by_hour, const PastKey& past,
                const AskSpec& spec) {
  const double days = std::max(1.0, past.span_days());
  std::int64_t sum = 0;
  for (const std::int64_t n : by_hour) sum += n;
  const double mean = static_cast<double>(sum) / days / 24;
  double total = 0;
  std::int64_t at = (spec.at - spec.since).time_since_epoch().count();
  const std::int64_t end = spec.at.time_since_epoch().count();
  while (at < end) {
    const std::int64_t next = std::min(end, (at / kHourMs + 1) * kHourMs);
    const auto of_day = static_cast<std::size_t>(at / kHourMs % 24);
    const double here = static_cast<double>(by_hour[of_day]) / days;
    total += std::max(here, kQuietHour * mean) * static_cast<double>(next - at) /
             static_cast<double>(kHourMs);
    at = next;
  }
  return total;
}

std::string list(const std::vector<std::string>& words, std::size_t max = 5) {
  std::string out;
  for (std::size_t i = 0; i < std::min(max, words.size()); ++i) {
    out += (out.empty() ? "" : ", ") + words[i];
  }
  if (words.size() > max) out += fmt::format(" and {} more", words.size() - max);
  return out;
}

class KeyJudge {
 public:
  explicit KeyJudge(const KeyFacts& facts) : f_(facts) {}

  KeyFinding finding() {
    out_.key = f_.key;
    out_.requests = f_.now.requests;
    out_.past_requests = f_.past.requests;
    out_.past_days = f_.past.span_days();
    out_.expected = std::llround(expected(f_.past.requests_by_hour, f_.past, f_.spec));
    known_ = f_.past.requests >= kPastRequests && out_.past_days >= kPastDays;
    find_home();
    find_visitors();
    if (known_) {
      context();
      off_hours();
      rate();
      models();
    } else {
      out_.reasons.push_back({"no_past", 0,
                              fmt::format("only {} requests in {:.1f} days before: nothing to "
                                          "compare with",
                                          f_.past.requests, out_.past_days)});
    }
    refusals();
    for (const Reason& reason : out_.reasons) out_.score += reason.points;
    out_.score = std::max(0.0, out_.score);
    out_.judgement = judge(out_.score);
    return std::move(out_);
  }

 private:
  std::int64_t window_ms() const { return (f_.spec.at - f_.spec.since).time_since_epoch().count(); }

  bool is_home(const PastPlace& place) const {
    if (place.first_ms <= f_.past.first_ms + kTrustMs) return true;
    return place.requests >= PastPlace::kEnough && place.first_ms <= window_ms() - kAdoptedMs;
  }

  void find_home() {
    for (const auto& [geo, networks] : f_.past.places) {
      for (const auto& [network, place] : networks) {
        if (!is_home(place)) continue;
        home_networks_.insert(geo + " " + network);
        if (home_countries_.empty() || home_countries_.back() != geo) {
          home_countries_.push_back(geo);
        }
      }
    }
  }

  void find_visitors() {
    for (const auto& [id, now] : f_.now.sources) {
      Source source{.ip = id.ip,
                    .geo = now.place.geo,
                    .asn = now.place.asn,
                    .network = now.place.network,
                    .requests = now.requests,
                    .refused = now.refused};
      const std::string geo = now.place.geo.value_or("");
      const std::string place = geo + " " + now.place.network_id;
      source.is_new = known_ && !home_networks_.contains(place);
      if (f_.use != nullptr) {
        const auto used = f_.use->ips.find(f_.key);
        source.new_address = known_ && (used == f_.use->ips.end() || !used->second.contains(id.ip));
      }
      if (source.is_new) {
        visitors_ += now.requests;
        visitor_refusals_ += now.refused;
        const bool abroad = std::ranges::find(home_countries_, geo) == home_countries_.end();
        if (abroad && !geo.empty()) note(new_countries_, geo);
        if (new_seen_.insert(now.place.network_id).second) {
          new_networks_.push_back(now.place.network_id);
        }
      }
      out_.sources.push_back(std::move(source));
    }
    std::ranges::sort(out_.sources, [](const Source& a, const Source& b) {
      if (a.is_new != b.is_new) return a.is_new;
      if (a.requests != b.requests) return a.requests > b.requests;
      return a.ip < b.ip;
    });
  }
  static void note(std::vector<std::string>& into, const std::string& word) {
    if (std::ranges::find(into, word) == into.end()) into.push_back(word);
  }

  // Where it comes from. Newness alone never says that a key is stolen: people travel.
  void context() {
    if (visitors_ == 0) return;
    const double days = out_.past_days;
    const auto further = [](std::size_t n) { return n > 0 ? static_cast<double>(n - 1) : 0.0; };
    std::vector<Reason> found;
    if (!new_countries_.empty()) {
      const double rare = -std::log((0.2 + further(home_countries_.size())) / (2 + days));
      found.push_back({"new_country", 0.8 * std::clamp(rare, 0.0, 4.0),
                       fmt::format("{} requests from {}; in {:.0f} days it came from {}", visitors_,
                                   list(new_countries_), days, home())});
    } else {
      const double rare = -std::log((0.5 + further(home_networks_.size())) / (2 + days));
      found.push_back(
          {"new_network", 0.45 * std::clamp(rare, 0.0, 3.2),
           fmt::format("{} requests from {}, never used before", visitors_, list(new_networks_))});
    }
    const double many =
        std::min(6.0, 1.3 * further(new_networks_.size()) + 1.0 * further(new_countries_.size()));
    if (many > 0) {
      found.push_back({"many_places", many,
                       fmt::format("from {} new networks and {} new countries at once",
                                   new_networks_.size(), new_countries_.size())});
    }
    const bool alternates = change_of_place(found);
    const bool abroad_machine = machine(found);
    double most = kContextMax;
    if (alternates && f_.now.switches >= 2) most = kContextAlternates;
    if (abroad_machine) most = std::max(most, kContextMachine);
    double sum = 0;
    for (const Reason& reason : found) sum += reason.points;
    if (sum > most) {
      found.push_back({"context_limit", most - sum,
                       "where it comes from counts no more than this without how it behaves"});
    }
    if (visitors_ < 6) {
      found.push_back({"few_requests", visitors_ < 3 ? -2.0 : -0.8, "only a few requests"});
    }
    for (Reason& reason : found) out_.reasons.push_back(std::move(reason));
  }

  bool change_of_place(std::vector<Reason>& found) const {
    if (new_countries_.empty() || f_.now.switches == 0 || f_.now.switch_ms_min >= kSwitchMs) {
      return false;
    }
    found.push_back({"impossible_change_of_place",
                     std::min(3.0, 1 + 0.5 * static_cast<double>(f_.now.switches)),
                     fmt::format("changed the country {} times, once within {} s", f_.now.switches,
                                 f_.now.switch_ms_min / 1000)});
    return true;
  }

  // Always the same few addresses: a machine, and machines do not travel.
  bool machine(std::vector<Reason>& found) const {
    if (f_.use == nullptr || out_.past_days < 3 || f_.past.requests < 60) return false;
    const auto used = f_.use->some_ips.find(f_.key);
    if (used == f_.use->some_ips.end() || used->second.size() > 6 || home_networks_.size() > 2) {
      return false;
    }
    const bool abroad = !new_countries_.empty();
    found.push_back({"machine", abroad ? 2.2 : 0.8,
                     fmt::format("it was used from only {} addresses before, as by a machine",
                                 used->second.size())});
    return abroad;
  }

  std::string home() const {
    std::vector<std::string> named;
    for (const std::string& geo : home_countries_) {
      if (!geo.empty()) named.push_back(geo);
    }
    return named.empty() ? "no known country" : list(named);
  }

  void off_hours() {
    const int days = std::popcount(f_.past.days);
    if (days < 3 || f_.now.requests == 0) return;
    int busiest = 0;
    for (const std::uint32_t seen : f_.past.days_by_hour) {
      busiest = std::max(busiest, std::popcount(seen));
    }
    if (busiest * 2 < days) return;  // it has no hours
    std::int64_t requests = 0;
    double least = 1;
    for (const auto& [hour, count] : f_.now.hours) {
      const auto near = [&](std::int64_t h) {
        return f_.past.days_by_hour[static_cast<std::size_t>((h + 24) % 24)];
      };
      const std::uint32_t seen = near(hour - 1) | near(hour) | near(hour + 1);
      const double share = (std::popcount(seen) + 0.5) / (days + 3.0);
      if (share >= 0.2) continue;
      requests += count;
      least = std::min(least, share);
    }
    if (requests == 0) return;
    const double points = std::min(3.0, -std::log(least) - 0.7);
    out_.reasons.push_back({"off_hours", new_countries_.empty() ? points : 0.35 * points,
                            fmt::format("{} requests at an hour of the day in which it hardly ever "
                                        "worked in {} days",
                                        requests, days)});
  }

  void rate() {
    const double usual = expected(f_.past.requests_by_hour, f_.past, f_.spec);
    const double most =
        static_cast<double>(f_.past.hour_requests_max) * std::max(0.25, hours(f_.spec));
    const auto now = static_cast<double>(f_.now.requests);
    if (f_.now.requests < kRateRequests || now <= most || now <= 3 * usual) return;
    const double ratio = now / std::max(usual, 0.1);
    out_.reasons.push_back(
        {"rate", std::min(5.0, 1.2 * std::log(ratio / 3) + 1),
         fmt::format("{} requests, usually about {:.0f}; its busiest hour had {}", f_.now.requests,
                     usual, f_.past.hour_requests_max)});
  }

  void models() {
    if (f_.use == nullptr) return;
    const auto used = f_.use->models.find(f_.key);
    if (used == f_.use->models.end()) return;
    std::vector<std::string> fresh;
    for (const auto& [model, count] : f_.now.models) {
      if (!used->second.contains(model)) fresh.push_back(model);
    }
    if (fresh.empty()) return;
    out_.reasons.push_back({"new_model",
                            std::min(3.0, 1.6 + 0.5 * static_cast<double>(fresh.size() - 1)),
                            fmt::format("models it never used: {}", list(fresh))});
  }

  // A key that was shown nothing but refusals to tells nothing about its owner; claims count
  // little.
  void refusals() {
    std::int64_t claims = 0;
    for (const std::string& kid : f_.now.kids) {
      const auto found = f_.window.claims.find(kid);
      if (found != f_.window.claims.end()) claims += found->second;
    }
    const std::int64_t n = claims + visitor_refusals_;
    if (n < 3) return;
    out_.reasons.push_back({"refusals",
                            std::min(2.5, 0.5 + 0.35 * std::log(static_cast<double>(n))),
                            fmt::format("{} refusals (401, 403) around it", n)});
  }

  const KeyFacts& f_;
  KeyFinding out_;
  bool known_ = false;
  std::set<std::string> home_networks_, new_seen_;  // there may be very many
  std::vector<std::string> home_countries_, new_countries_, new_networks_;
  std::int64_t visitors_ = 0, visitor_refusals_ = 0;
};

}  // namespace

Judgement judge(double score) {
  if (score >= 9) return Judgement::kCritical;
  if (score >= 5.5) return Judgement::kHigh;
  return score >= 3 ? Judgement::kNotable : Judgement::kUsual;
}

KeyFinding judge_key(const KeyFacts& facts) { return KeyJudge(facts).finding(); }

IpFinding judge_ip(const IpFacts& facts) {
  IpFinding out;
  out.source = {.ip = facts.ip,
                .geo = facts.sum.place.geo,
                .asn = facts.sum.place.asn,
                .network = facts.sum.place.network,
                .requests = facts.sum.requests,
                .refused = facts.sum.refused,
                .is_new = facts.worst_key != nullptr};
  out.keys = facts.keys;
  out.keys_count = facts.keys.size();
  if (facts.worst_key != nullptr && facts.worst_key->score >= 3) {
    out.reasons.push_back({"new_to_key", facts.worst_key->score,
                           fmt::format("new to {}, which looks {}", facts.worst_key->key,
                                       name(facts.worst_key->judgement))});
  }
  // An address that once had success and now fails is more often a mistake than an attack.
  constexpr std::int64_t kRefusals = 14;
  if (facts.sum.refused >= kRefusals) {
    const double times = static_cast<double>(facts.sum.refused) / kRefusals;
    out.reasons.push_back({"refusals", std::min(6.0, 3 + std::log(times)),
                           fmt::format("refused {} times (401, 403)", facts.sum.refused)});
    if (facts.welcome) out.reasons.push_back({"known_address", -2, "it had success before"});
    if (facts.sum.claimed.size() >= 3) {
      out.reasons.push_back(
          {"many_keys_claimed", 2.5,
           fmt::format("claimed {}{} different keys",
                       std::min(facts.sum.claimed.size(), WindowSource::kClaimedMax),
                       facts.sum.claimed.size() >= WindowSource::kClaimedMax ? " or more" : "")});
    }
  }
  for (const Reason& reason : out.reasons) out.score += reason.points;
  out.score = std::max(0.0, out.score);
  out.judgement = judge(out.score);
  return out;
}

CostFinding judge_cost(const std::string& key, const WindowKey& now, const PastKey& past,
                       const AskSpec& spec) {
  CostFinding out;
  out.key = key;
  out.spent = {now.cost};
  out.unpriced = now.unpriced;
  out.refused_by_budget = now.budget_refused;
  const double usual = expected(past.cost_by_hour, past, spec);
  out.expected = {std::llround(usual)};
  out.greatest_hour = {past.hour_cost_max};
  out.per_day = {std::llround(static_cast<double>(now.cost) / hours(spec) * 24)};
  const bool known = past.requests >= kPastRequests && past.span_days() >= kPastDays;
  const auto spent = static_cast<double>(now.cost);
  const double most = static_cast<double>(past.hour_cost_max) * std::max(0.25, hours(spec));
  if (known && out.spent > kCostMin && spent > most && spent > 3 * usual) {
    const double ratio = spent / std::max(usual, 1e6);
    out.reasons.push_back(
        {"cost", std::min(7.0, 3 + 1.2 * std::log(ratio / 3)),
         fmt::format("${:.2f}, usually about ${:.2f}; its dearest hour cost ${:.2f}",
                     out.spent.usd(), out.expected.usd(), out.greatest_hour.usd())});
    if (now.cost > past.hour_cost_max && hours(spec) < 0.5) {
      out.reasons.push_back({"above_any_hour", 2, "more in this span than in any hour before"});
    }
  } else if (!known && out.spent > kCostMin) {
    out.reasons.push_back({"no_past", 0, "too little before to compare with"});
  }
  if (now.budget_refused > 0) {
    out.reasons.push_back(
        {"budget", 3,
         fmt::format("{} calls refused because a budget is used up", now.budget_refused)});
  }
  for (const Reason& reason : out.reasons) out.score += reason.points;
  out.judgement = judge(out.score);
  return out;
}

InjectionFinding judge_injection(const std::string& key, const WindowInjection& found) {
  InjectionFinding out{.key = key,
                       .attempts = found.attempts,
                       .stopped = found.stopped,
                       .got_through = found.got_through,
                       .open = found.open,
                       .score_max = found.score_max,
                       .categories = {found.categories.begin(), found.categories.end()},
                       .ips = {found.ips.begin(), found.ips.end()},
                       .seqs = found.seqs,
                       .judgement = Judgement::kNotable};
  // What went on to the provider is worse than what was tried.
  constexpr std::int64_t kSure = 800;  // a score of 0.8
  if (found.got_through > 0) {
    out.judgement = found.score_max >= kSure || found.got_through >= 10 ? Judgement::kCritical
                                                                        : Judgement::kHigh;
  } else if (found.attempts >= 10) {
    out.judgement = Judgement::kHigh;
  }
  return out;
}

}  // namespace sallyport::audit
