// SPDX-License-Identifier: Apache-2.0
#include "provider/reconcile.h"

#include <gtest/gtest.h>

#include "provider/provider_for_test.h"
#include "provider/settings_for_test.h"

namespace sallyport::provider {
namespace {

using namespace std::chrono_literals;

const UtcTime kFrom{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24) + 10h};
const UtcTime kTo = kFrom + 60min;

std::int64_t seconds(UtcTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

struct Spent {  // tokens of one key in one minute of the window
  std::string key;
  int minute;
  std::int64_t tokens;
};

std::vector<UsageResult> theirs_of(const std::vector<Spent>& all) {
  std::vector<UsageResult> out;
  for (const Spent& one : all) {
    const UtcTime at = kFrom + std::chrono::minutes(one.minute);
    out.push_back({.start_time_s = seconds(at),
                   .end_time_s = seconds(at) + 60,
                   .api_key_id = one.key,
                   .model = "gpt-5.5",
                   .input_tokens = one.tokens / 2,
                   .cached_tokens = 0,
                   .output_tokens = one.tokens - one.tokens / 2,
                   .requests = 1});
  }
  return out;
}

std::vector<UsageMinute> ours_of(const std::vector<Spent>& all) {
  std::vector<UsageMinute> out;
  for (const Spent& one : all) {
    out.push_back({.provider_key_id = one.key,
                   .minute = kFrom + std::chrono::minutes(one.minute),
                   .input = one.tokens / 2,
                   .output = one.tokens - one.tokens / 2,
                   .requests = 1,
                   .cost = {}});
  }
  return out;
}

struct Case {
  const char* why;
  std::vector<Spent> theirs, ours;
  std::string verdicts;  // "key=verdict excess", by key
  bool every_key = false;
};

const Case kCases[] = {
    {"the same is the same", {{"key_a", 5, 1000}}, {{"key_a", 5, 1000}}, "key_a=agrees 0"},
    {"within the tolerance", {{"key_a", 5, 1020}}, {{"key_a", 5, 1000}}, "key_a=agrees 0"},
    {"beyond it somebody else has the key",
     {{"key_a", 5, 1021}},
     {{"key_a", 5, 1000}},
     "key_a=gateway_bypass 21"},
    {"usage of a key that was idle here", {{"key_a", 5, 7}}, {}, "key_a=gateway_bypass 7"},
    {"minutes that are told apart at the edge are no bypass",
     {{"key_a", 0, 500}},
     {{"key_a", -1, 500}},
     "key_a=agrees 0"},
    {"nor are they drift", {}, {{"key_a", 59, 500}}, "key_a=agrees 0"},
    {"two minutes further inside they are", {}, {{"key_a", 30, 500}}, "key_a=usage_drift -500"},
    {"a stranger's key elsewhere in the organisation is not ours to judge",
     {{"key_x", 5, 1000}},
     {},
     "key_a=agrees 0"},
    {"in a project of our own it is a bypass",
     {{"key_x", 5, 1000}},
     {},
     "key_a=agrees 0 key_x=gateway_bypass 1000 unknown",
     true},
    {"one key's surplus is not paid by another's",
     {{"key_a", 5, 2000}, {"key_b", 5, 1000}},
     {{"key_a", 5, 1000}, {"key_b", 5, 2000}},
     "key_a=gateway_bypass 1000 key_b=usage_drift -1000"},
    {"a name of our own cannot be compared",
     {},
     {{"openai", 30, 1000}},
     "key_a=agrees 0 openai=not_comparable 0"},
    {"an exchanged token is told by its service account",
     {{"svc_acct_1", 5, 1000}},
     {{"svc_acct_1", 5, 1000}},
     "key_a=agrees 0 svc_acct_1=agrees 0"},
    {"and so is its use past the gate",
     {{"svc_acct_1", 5, 1500}},
     {{"svc_acct_1", 5, 1000}},
     "key_a=agrees 0 svc_acct_1=gateway_bypass 500"},
    {"where the provider names nobody, the accounts stand together",
     {{"", 5, 3000}},
     {{"svc_acct_1", 5, 1000}, {"svc_acct_2", 30, 2000}},
     "=agrees 0 key_a=agrees 0 svc_acct_1=not_comparable 0 svc_acct_2=not_comparable 0",
     true},
    {"and what nobody of them used is a bypass",
     {{"", 5, 3500}},
     {{"svc_acct_1", 5, 1000}, {"svc_acct_2", 30, 2000}},
     "=gateway_bypass 500 key_a=agrees 0 svc_acct_1=not_comparable 0 svc_acct_2=not_comparable 0",
     true},
    {"one that the provider does name does not cover for nobody",
     {{"", 5, 500}, {"svc_acct_1", 5, 1000}},
     {{"svc_acct_1", 5, 1000}},
     "=gateway_bypass 500 unknown key_a=agrees 0 svc_acct_1=agrees 0",
     true},
    {"a person in the dashboard of our project is a bypass",
     {{"user-eve", 5, 500}},
     {},
     "key_a=agrees 0 user-eve=gateway_bypass 500 unknown",
     true},
};

TEST(CompareUsage, Verdicts) {
  for (const Case& c : kCases) {
    CompareRules rules{.tolerance = 0.02, .every_key = c.every_key, .known = {"key_a"}};
    const Reconciliation result =
        compare_usage(theirs_of(c.theirs), ours_of(c.ours), kFrom, kTo, rules);
    std::string got;
    for (const ReconcileRow& row : result.rows) {
      got += (got.empty() ? "" : " ") + row.provider_key_id + "=" + std::string(name(row.verdict)) +
             " " + std::to_string(row.excess_tokens) + (row.known ? "" : " unknown");
    }
    EXPECT_EQ(got, c.verdicts) << c.why;
  }
}

std::string verdicts_of(const Reconciliation& result) {
  std::string got;
  for (const ReconcileRow& row : result.rows) {
    got += (got.empty() ? "" : " ") + row.provider_key_id + "=" + std::string(name(row.verdict)) +
           " " + std::to_string(row.excess_tokens);
  }
  return got;
}

// Calls of ours that told no usage, against what the provider billed.
struct UncertainCase {
  const char* why;
  std::vector<UsageMinute> ours;
  std::vector<UsageResult> theirs;
  std::string verdict;  // of key_a
  std::int64_t uncertain = 0;
};

UsageMinute minute_of(int minute, UsageMinute one) {
  one.minute = kFrom + std::chrono::minutes(minute);
  if (one.provider_key_id.empty()) one.provider_key_id = "key_a";
  return one;
}

std::vector<UsageResult> billed(int minute, std::int64_t tokens, std::int64_t requests = 1,
                                bool batch = false) {
  auto out = theirs_of({{"key_a", minute, tokens}});
  out[0].requests = requests;
  out[0].batch = batch;
  return out;
}

const UncertainCase kUncertain[] = {
    {"a stream cut off before its usage was told",
     {minute_of(5, {.unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 252),
     "uncertain 252",
     5000},
    {"more than it can have used is somebody else's",
     {minute_of(5, {.unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 5101),
     "gateway_bypass 5101",
     5000},
    {"and so are more calls than we made, however small",
     {minute_of(5, {.unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 300, 2),
     "gateway_bypass 300",
     5000},
    {"one that the provider refused may be among those it counts",
     {minute_of(5, {.unknown_requests = 1, .unknown_tokens = 5000, .refused_requests = 1})},
     billed(5, 300, 2),
     "uncertain 300",
     5000},
    {"beside calls that told theirs",
     {minute_of(5, {.input = 1000, .requests = 1, .unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 5800, 2),
     "uncertain 4800",
     5000},
    {"an hour later it explains nothing",
     {minute_of(0, {.unknown_requests = 1, .unknown_tokens = 5000}), minute_of(-3, {})},
     billed(50, 5200),
     "gateway_bypass 5200",
     5000},
    {"before the window it explains nothing",
     {minute_of(-10, {.unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 252),
     "gateway_bypass 252"},
    {"but one in the background may have gone on, in several requests",
     {minute_of(-50, {.later_requests = 1, .later_tokens = 5000, .several_requests = 1})},
     billed(5, 4000, 7),
     "uncertain 4000",
     5000},
    {"not for longer than an hour",
     {minute_of(-63, {.later_requests = 1, .later_tokens = 5000, .several_requests = 1})},
     billed(5, 4000, 7),
     "gateway_bypass 4000"},
    {"a dead process left a call, of which key is not known",
     {minute_of(5, {.provider_key_id = "*", .unknown_requests = 1, .unknown_tokens = 5000})},
     billed(5, 252),
     "uncertain 252",
     5000},
    {"a batch of ours ran for a day",
     {minute_of(-24 * 60, {.batches = 1})},
     billed(5, 1'000'000, 500, true),
     "agrees 0"},
    {"it covers no other calls",
     {minute_of(-24 * 60, {.batches = 1})},
     billed(5, 1000),
     "gateway_bypass 1000"},
    {"a batch that nobody here began", {}, billed(5, 1000, 5, true), "gateway_bypass 1000"},
    {"unknown usage is no drift when it was little",
     {minute_of(30, {.unknown_requests = 1, .unknown_tokens = 5000})},
     {},
     "agrees 0",
     5000},
};

TEST(CompareUsage, CallsOfOursWithoutKnownUsageAreNoBypassAndCoverForNobody) {
  for (const UncertainCase& c : kUncertain) {
    const Reconciliation result =
        compare_usage(c.theirs, c.ours, kFrom, kTo, {.tolerance = 0.02, .known = {"key_a"}});
    EXPECT_EQ(verdicts_of(result), "key_a=" + c.verdict) << c.why;
    if (!result.rows.empty()) EXPECT_EQ(result.rows[0].uncertain_tokens, c.uncertain) << c.why;
  }
}

TEST(CompareUsage, AStrangersKeyIsNotCoveredByOurUncertainCalls) {
  const Reconciliation result = compare_usage(
      theirs_of({{"key_x", 5, 10}}),
      {minute_of(5, {.provider_key_id = "*", .unknown_requests = 9, .unknown_tokens = 9'000'000})},
      kFrom, kTo, {.tolerance = 0.02, .every_key = true, .known = {"key_a"}});
  EXPECT_EQ(verdicts_of(result), "key_a=agrees 0 key_x=gateway_bypass 10");
}

// The figures of one key, looked at again and again; what is told is remembered.
struct Look {
  const char* why;
  std::vector<Spent> theirs, ours;
  std::string verdict;
};
const Look kLooks[] = {
    {"a bypass", {{"key_a", 5, 1000}}, {}, "gateway_bypass 1000"},
    {"told already", {{"key_a", 5, 1000}}, {}, "agrees 0"},
    {"late figures of the same minute", {{"key_a", 5, 1700}}, {}, "gateway_bypass 700"},
    {"and of a minute before it", {{"key_a", 5, 1700}, {"key_a", 3, 9}}, {}, "gateway_bypass 9"},
    {"the same", {{"key_a", 5, 1700}, {"key_a", 3, 9}}, {}, "agrees 0"},
    {"calls of ours that both see later",
     {{"key_a", 5, 2000}, {"key_a", 3, 9}},
     {{"key_a", 5, 300}},
     "agrees 0"},
    {"ours that they do not know yet",
     {{"key_a", 5, 2000}, {"key_a", 3, 9}},
     {{"key_a", 5, 300}, {"key_a", 30, 5000}},
     "usage_drift -5000"},
    {"they come, in another minute: no bypass",
     {{"key_a", 5, 2000}, {"key_a", 3, 9}, {"key_a", 30, 2000}, {"key_a", 5, 3000}},
     {{"key_a", 5, 300}, {"key_a", 30, 5000}},
     "agrees 0"},
    {"more than was missing is one",
     {{"key_a", 3, 9}, {"key_a", 5, 7000}, {"key_a", 30, 2000}},
     {{"key_a", 5, 300}, {"key_a", 30, 5000}},
     "gateway_bypass 2000"},
    {"which is told once",
     {{"key_a", 3, 9}, {"key_a", 5, 7000}, {"key_a", 30, 2000}},
     {{"key_a", 5, 300}, {"key_a", 30, 5000}},
     "agrees 0"},
};

TEST(CompareUsage, WhatGrewAfterItWasToldIsTold) {
  CompareRules rules{.tolerance = 0.02, .known = {"key_a"}};
  for (const Look& look : kLooks) {
    const Reconciliation result =
        compare_usage(theirs_of(look.theirs), ours_of(look.ours), kFrom, kTo, rules);
    EXPECT_EQ(verdicts_of(result), "key_a=" + look.verdict) << look.why;
    const Verdict verdict = result.rows[0].verdict;
    if (verdict != Verdict::kAgrees) rules.told["key_a"] = result.rows[0].told;
  }
}

struct CostCase {
  const char* why;
  std::vector<std::pair<const char*, std::int64_t>> items;  // what was billed, in millicents
  std::string verdict;
  std::int64_t their_tokens = 1000;
  bool batch = false;
};
const CostCase kCosts[] = {
    {"the same", {{"gpt-5.5, input", 40}, {"gpt-5.5, output", 61}}, "agrees"},
    {"another price", {{"gpt-5.5, input", 130}}, "price_drift"},
    {"a lower one", {{"gpt-5.5, input", 90}}, "price_drift"},
    {"what is not of such calls is not compared",
     {{"gpt-5.5, input", 100},
      {"text-embedding-3-small, input", 500},
      {"web search tool calls", 700}},
     "agrees"},
    {"nor is a bill without line items", {{"", 300}}, "not_comparable"},
    {"other tokens cost other money: told as usage",
     {{"gpt-5.5, input", 200}},
     "not_comparable",
     2000},
    {"batches cost half", {{"gpt-5.5, input", 50}}, "not_comparable", 1000, true},
};

TEST(CompareCosts, ADayOfMoneyIsComparedWhereItIsOfTheSameCalls) {
  const UtcTime day = std::chrono::floor<std::chrono::days>(kFrom);
  const UtcTime end = day + std::chrono::days(1);
  for (const CostCase& c : kCosts) {
    std::vector<UsageMinute> ours = ours_of({{"key_a", 5, 1000}});
    ours[0].cost = NanoUsd{1'000'000};
    std::vector<CostResult> costs;
    for (const auto& [item, millicents] : c.items) {
      costs.push_back({.start_time_s = seconds(day),
                       .end_time_s = seconds(end),
                       .api_key_id = "key_a",
                       .project_id = "",
                       .line_item = item,
                       .nano_usd = millicents * 10'000});
    }
    auto usage = theirs_of({{"key_a", 5, c.their_tokens}});
    usage[0].batch = c.batch;
    const Reconciliation result = compare_costs(costs, usage, ours, day, end, {.tolerance = 0.02});
    ASSERT_EQ(result.rows.size(), 1u);
    EXPECT_EQ(name(result.rows[0].verdict), c.verdict) << c.why;
  }
}

class UsageForTest final : public OwnUsage {
 public:
  std::vector<UsageMinute> minutes(UtcTime from, UtcTime to) const override {
    std::vector<UsageMinute> out;
    for (const UsageMinute& one : all) {
      if (one.minute >= from && one.minute < to) out.push_back(one);
    }
    return out;
  }
  UtcTime complete_since() const override { return since; }
  std::vector<UsageMinute> all;
  UtcTime since = kFrom - 24h;
};

struct World {
  std::shared_ptr<Reconciler> make() {
    AdminAccess access{.base_url = provider.base_url(),
                       .key = std::make_shared<const Secret>("sk-admin-CANARY")};
    access.limits = {.attempts_max = 1};
    auto client = AdminClient::make(loop, resolver, std::move(access)).value();
    ReconcileConfig config;
    config.lag_ms = 600'000;
    const ReconcileParts parts{loop, disk, clock, recorder, settings, usage};
    const auto known = [] { return std::vector<std::string>{"key_a"}; };
    return std::make_shared<Reconciler>(parts, std::move(client), config,
                                        std::vector<std::string>(), known);
  }
  World() {
    provider.pages["/v1/organization/usage/completions"] = [this](const std::string&) {
      ++polls;
      return R"({"data":[{"start_time":)" + std::to_string(seconds(kFrom + 5min)) +
             R"(,"end_time":)" + std::to_string(seconds(kFrom + 6min)) +
             R"(,"results":[{"input_tokens":)" + std::to_string(their_tokens) +
             R"(,"output_tokens":0,"num_model_requests":1,"api_key_id":"key_a"}]}],"has_more":false})";
    };
    provider.pages["/v1/organization/costs"] = [](const std::string&) {
      return R"({"data":[{"start_time":)" + std::to_string(seconds(kFrom - 10h)) +
             R"(,"end_time":)" + std::to_string(seconds(kFrom + 14h)) +
             R"(,"results":[{"amount":{"value":0.06,"currency":"usd"},"api_key_id":"key_a"},
              {"amount":{"value":9,"currency":"eur"},"api_key_id":"key_a"}]}],"has_more":false})";
    };
  }
  net::Loop loop;
  net::Resolver resolver;
  net::Offload disk{1};
  ManualClock clock{kFrom + 70min};  // the lag is ten minutes: the window ends at kTo
  RecorderForTest recorder;
  SettingsForTest settings;
  UsageForTest usage;
  ProviderForTest provider{loop};
  std::int64_t their_tokens = 1000;
  int polls = 0;
  std::shared_ptr<Reconciler> reconciler = make();
};

TEST(Reconciler, ABypassIsRecordedOnceAlsoAcrossARestart) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        Task<void> round = w.reconciler->round();
        co_await round;
        EXPECT_TRUE(w.recorder.has("usage.reconcile!gateway_bypass"));
        EXPECT_EQ(w.recorder.events.size(), 2u) << "and the sums";
        const Event& bypass = w.recorder.events.front();
        EXPECT_EQ(bypass.provider_key_id, "key_a");
        EXPECT_TRUE(bypass.detail->contains(R"("excess_tokens":1000)")) << *bypass.detail;
        EXPECT_TRUE(bypass.detail->contains(format_utc(kFrom))) << *bypass.detail;
        const auto spend = w.reconciler->last("key_a");
        EXPECT_TRUE(spend && spend->amount == NanoUsd{60'000'000})
            << "of the month, in dollars only";
        w.recorder.events.clear();
        w.reconciler = w.make();  // a restart
        w.clock.advance(5min);
        round = w.reconciler->round();
        co_await round;
        EXPECT_FALSE(w.recorder.has("usage.reconcile!gateway_bypass")) << "told already";
      });
}

TEST(Reconciler, WhatPassedHereIsNoBypassAndIsKeptInTheRecord) {
  World world;
  world.usage.all = ours_of({{"key_a", 5, 1000}});
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        Task<void> round = w.reconciler->round();
        co_await round;
        EXPECT_EQ(w.recorder.actions(), std::vector<std::string>{"usage.reconcile"});
      });
}

TEST(Reconciler, NothingIsComparedThatWeDidNotSeeWhole) {
  World world;
  world.usage.since = kFrom + 59min;  // the process is young
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        Task<void> round = w.reconciler->round();
        co_await round;
        EXPECT_EQ(w.polls, 0);
        auto comparing = w.reconciler->compare(kFrom, kTo);
        const auto result = co_await comparing;
        EXPECT_FALSE(result.has_value());
        if (!result) EXPECT_EQ(name(result.error().code), name(Code::kInvalid));
      });
}

TEST(Reconciler, AnOutageIsToldOnceAndNothingIsMarkedAsCompared) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        for (int i = 0; i < 2; ++i) {
          w.provider.faults["GET /v1/organization/usage/completions"].push_back({500});
          Task<void> round = w.reconciler->round();
          co_await round;
        }
        EXPECT_EQ(w.recorder.actions(),
                  std::vector<std::string>{"usage.reconcile!provider_usage_unavailable"});
        Task<void> round = w.reconciler->round();
        co_await round;
        EXPECT_TRUE(w.recorder.has("usage.reconcile!gateway_bypass"));
      });
}

}  // namespace
}  // namespace sallyport::provider
