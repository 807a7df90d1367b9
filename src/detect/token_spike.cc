// SPDX-License-Identifier: Apache-2.0
#include "detect/token_spike.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "detect/key_state.h"
#include "detect/peers.h"

namespace sallyport::detect {
namespace {

constexpr float kRho = 2.2F;
constexpr float kThreshold = 11, kThresholdYoung = 15;
constexpr float kRequestsMin = 8;  // of seven times a record, whatever their size
constexpr float kTimesRecord = 1.6F, kTimesRecordYoung = 2;
constexpr std::uint32_t kYoung = 8 * kDay;
constexpr std::uint32_t kRecordDaysMin = 3;

struct Rule {
  SpanIndex span;
  float hours;
  float times_season;
  float times_record;
  float requests_min;
};
constexpr std::array<Rule, 3> kRules{
    {{k5Min, 1 / 12.0F, 10, 2.2F, 15}, {k15Min, 0.25F, 9, 2.1F, 15}, {k1Hour, 1, 7, 2.0F, 25}}};

Verdict verdict_of(double score, std::string_view words) {
  Verdict verdict;
  verdict.family = Family::kTokenSpike;
  verdict.score = score;
  verdict.severity = score >= 11 ? Severity::kCritical : Severity::kHigh;
  verdict.words = words;
  return verdict;
}

}  // namespace

Maybe TokenSpike::observe(const Sighting& sighting, KeyState& key, const Peers& peers) {
  Maybe found = sequential(sighting, key, peers);
  if (!found) found = windows(sighting, key, peers);
  return found;
}

Maybe TokenSpike::sequential(const Sighting& s, KeyState& key, const Peers& peers) {
  const auto dt = static_cast<float>(s.now - last_);
  last_ = s.now;
  const float spread = key.season.spread();
  const float season =
      4 * key.expected_requests(s.now) * key.season.level() * std::exp(spread / 2) / kHour;
  const bool silent = key.season.has_schedule() && key.season.active_probability(s.now) < 0.07F;
  const float share = silent ? 0.55F : 1;
  const float floor5 = 0.12F * peers.usual_record(k5Min, true);
  const float floor15 = 0.12F * peers.usual_record(k15Min, true);
  const float record =
      share * std::max(0.95F * std::max(key.records.requests(k5Min), floor5) / 300,
                       1.3F * std::max(key.records.requests(k15Min), floor15) / 900);
  const float usual = std::max({season, record, 0.9F / 60});
  sum_ -= (kRho - 1) * usual * dt;
  // Held at twice the threshold, so that it is over soon after the surge is.
  sum_ =
      std::min(2 * kThresholdYoung, std::max(sum_, 0.0F) + std::log(kRho) * s.requests * s.weight);
  const bool young = key.age(s.now) < kYoung;
  const float threshold = young ? kThresholdYoung : kThreshold;
  if (sum_ < threshold || key.records.days() < kRecordDaysMin) return std::nullopt;
  const Sums five = key.windows.sums(k5Min, s.now);
  // Requests come in bursts, which a Poisson rate does not know: the window must agree.
  const float most = share * std::max(key.records.requests(k5Min), floor5);
  if (five.requests < std::max(12.0F, (young ? kTimesRecordYoung : kTimesRecord) * most))
    return std::nullopt;

  Verdict verdict = verdict_of(5.5 + 0.15 * (sum_ - threshold), "asks far faster than it ever did");
  verdict.add("cusum", sum_);
  verdict.add("threshold", threshold);
  verdict.add("usual_requests_per_minute_max", usual * 60);
  verdict.add("requests_5min", five.requests);
  verdict.add("record_requests_5min", key.records.requests(k5Min));
  verdict.add("tokens_5min", five.tokens);
  verdict.add("record_tokens_5min", key.records.tokens(k5Min));
  verdict.add("expected_tokens_hour", key.season.expected(s.now, 0.12F));
  return verdict;
}

Maybe TokenSpike::windows(const Sighting& s, KeyState& key, const Peers& peers) const {
  if (key.records.days() < kRecordDaysMin) return std::nullopt;
  const bool young = key.age(s.now) < kYoung;
  const bool steady = key.season.steady_requests() >= 3 || !young;
  if (!steady) return std::nullopt;
  const float spread = key.season.spread(), burst = std::exp(1.4F * spread);
  const float hour = key.season.expected(s.now, 0.12F) * key.season.level();
  const auto tell = [&](std::size_t span, const Sums& sums, float record, float expected, float z) {
    Verdict verdict = verdict_of(5.5 + std::log(std::max(1.0F, sums.tokens / (2 * record))),
                                 "uses many times the tokens it ever did");
    verdict.add("window_s", kSpan[span]);
    verdict.add("tokens", sums.tokens);
    verdict.add("requests", sums.requests);
    verdict.add("expected_tokens", expected);
    verdict.add("record_tokens", record);
    verdict.add("z_of_daily_maximum", z);
    verdict.add("spread", spread);
    return verdict;
  };
  const float more = young ? 1.4F : 1;  // the first run of a weekly job is no surge
  float ratio_hour = 0;
  for (const Rule& rule : kRules) {
    const Sums sums = key.windows.sums(rule.span, s.now);
    const float expected = hour * rule.hours;
    if (rule.span == k1Hour && expected > 0) ratio_hour = sums.tokens / expected;
    if (sums.requests < kRequestsMin || expected <= 0) continue;
    const float record = key.record(rule.span, peers.usual_record(rule.span, false));
    if (record <= 0) continue;
    const float z = key.records.z(rule.span, sums.tokens), times = sums.tokens / record;
    const bool enough = sums.requests >= rule.requests_min;
    const bool significant = (times >= burst && z >= 2.5F) || z >= 3.4F;
    if (sums.tokens >= rule.times_season * expected && times >= rule.times_record * more &&
        enough && significant) {
      return tell(rule.span, sums, record, expected, z);
    }
    const float floor = young ? peers.usual_record(rule.span, false) : 0;
    if (sums.tokens >= 7 * std::max(record, floor) && sums.tokens > expected) {
      return tell(rule.span, sums, record, expected, z);
    }
  }
  const Sums six = key.windows.sums(k6Hours, s.now);
  const float record = key.record(k6Hours, peers.usual_record(k6Hours, false));
  if (record > 0 && ratio_hour >= 5 && six.tokens >= record * std::max(3.6F, burst) &&
      key.records.z(k6Hours, six.tokens) >= 2.5F) {
    return tell(k6Hours, six, record, hour * 6, key.records.z(k6Hours, six.tokens));
  }
  return std::nullopt;
}

}  // namespace sallyport::detect
