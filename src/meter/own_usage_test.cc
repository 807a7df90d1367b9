// SPDX-License-Identifier: Apache-2.0
#include "meter/own_usage.h"

#include <gtest/gtest.h>

#include <thread>

namespace sallyport::meter {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)};

void finish(Stage& stage, UtcTime at, const char* endpoint = "POST /v1/responses",
            const char* key = "key_a") {
  Exchange x;
  x.received_at = at;
  x.endpoint = endpoint;
  if (key != nullptr) x.provider_key_id = key;
  x.usage.emplace();
  x.usage->input = 10;
  x.usage->output = 5;
  x.cost_usd = NanoUsd{7};
  stage.finish(x);
}

TEST(OwnUsage, SumsPerKeyAndMinute) {
  OwnUsageSums sums(kStart);
  const auto stage = sums.stage();
  finish(*stage, kStart + 10s);
  finish(*stage, kStart + 59s);
  finish(*stage, kStart + 60s);
  finish(*stage, kStart + 10s, "POST /v1/embeddings");  // stands in another list
  finish(*stage, kStart + 10s, "POST /v1/responses", nullptr);
  const auto first = sums.minutes(kStart, kStart + 1min);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].input, 20);
  EXPECT_EQ(first[0].output, 10);
  EXPECT_EQ(first[0].requests, 2);
  EXPECT_EQ(first[0].cost, NanoUsd{14});
  EXPECT_EQ(sums.minutes(kStart, kStart + 1h).size(), 2u);
}

TEST(OwnUsage, ThreadsDoNotLoseAndReloadsDoNotForget) {
  OwnUsageSums sums(kStart);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&sums] {
        const auto stage = sums.stage();
        for (int n = 0; n < 1000; ++n) finish(*stage, kStart);
      });
    }
  }
  const auto stage = sums.stage();  // takes in what the ended ones counted
  std::int64_t requests = 0;
  for (const UsageMinute& one : sums.minutes(kStart, kStart + 1min)) requests += one.requests;
  EXPECT_EQ(requests, 4000);
}

TEST(OwnUsage, OldMinutesGoAndItSaysSo) {
  OwnUsageSums sums(kStart);
  const auto stage = sums.stage();
  finish(*stage, kStart + 5min);
  EXPECT_EQ(sums.complete_since(), kStart);
  finish(*stage, kStart + 5min + OwnUsageSums::kKept + 1min);
  EXPECT_TRUE(sums.minutes(kStart, kStart + 1h).empty());
  EXPECT_EQ(sums.complete_since(), kStart + 6min);
}

TEST(OwnUsage, TheJournalFillsWhatWasBeforeTheStart) {
  OwnUsageSums sums(kStart);
  Event event;
  event.timestamp_utc = kStart - 1min;
  event.latency_ms = 90'000;  // it came in two minutes before
  event.endpoint = "POST /v1/chat/completions";
  event.provider_key_id = "key_a";
  event.tokens_input = 3;
  sums.add(event);
  event.kind = Kind::kIntent;
  sums.add(event);
  sums.complete_since(kStart - 1h);
  EXPECT_EQ(sums.complete_since(), kStart - 1h);
  const auto minutes = sums.minutes(kStart - 3min, kStart - 2min);
  ASSERT_EQ(minutes.size(), 1u);
  EXPECT_EQ(minutes[0].input, 3);
}

}  // namespace
}  // namespace sallyport::meter
