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
  std::map<std::string, UtcTime> told = {};
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
    {"what was told is not told again",
     {{"key_a", 5, 7}},
     {},
     "key_a=agrees 0",
     false,
     {{"key_a", kFrom + 10min}}},
    {"but what came after it is",
     {{"key_a", 5, 7}, {"key_a", 12, 9}},
     {},
     "key_a=gateway_bypass 9",
     false,
     {{"key_a", kFrom + 10min}}},
};

TEST(CompareUsage, Verdicts) {
  for (const Case& c : kCases) {
    CompareRules rules{.tolerance = 0.02, .every_key = c.every_key, .known = {"key_a"}};
    rules.told_until = c.told;
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

TEST(CompareCosts, ADayOfMoneyIsComparedWherePricesAreOurs) {
  const UtcTime day = std::chrono::floor<std::chrono::days>(kFrom);
  std::vector<UsageMinute> ours = ours_of({{"key_a", 5, 1000}, {"key_b", 5, 1000}});
  ours[0].cost = NanoUsd{1'000'000'000};
  ours[1].cost = NanoUsd{1'000'000'000};
  const auto cost = [&](const char* key, std::int64_t nano) {
    return CostResult{.start_time_s = seconds(day),
                      .end_time_s = seconds(day) + 86'400,
                      .api_key_id = key,
                      .project_id = "",
                      .nano_usd = nano};
  };
  const Reconciliation result =
      compare_costs({cost("key_a", 1'010'000'000), cost("key_b", 1'300'000'000)}, ours, day,
                    day + std::chrono::days(1), {.tolerance = 0.02});
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(name(result.rows[0].verdict), "agrees");
  EXPECT_EQ(name(result.rows[1].verdict), "price_drift");
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
