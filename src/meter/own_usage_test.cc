// SPDX-License-Identifier: Apache-2.0
#include "meter/own_usage.h"

#include <gtest/gtest.h>

#include <thread>

namespace sallyport::meter {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)};

// One call from its way in to its end.
struct Call {
  const char* path = "/v1/responses";
  const char* body = R"({"model":"gpt-4o","input":"hi","max_output_tokens":100})";
  const char* key = "key_a";
  std::optional<std::int64_t> input = 10, output = 5;
  bool estimated = false;
  std::optional<int> upstream_status = 200;
  std::optional<std::int64_t> reserved = {};
  bool asked = true;
};

void admit(Stage& stage, Exchange& x, UtcTime at, const Call& call) {
  x.received_at = at;
  x.method = "POST";
  x.path = call.path;
  x.endpoint = "POST " + x.path;
  x.model = "gpt-4o";
  x.body.kind = BodyKind::kJson;
  x.body.bytes = call.body;
  Task<std::optional<Refusal>> task = stage.admit(x);
  task.await_suspend(std::noop_coroutine()).resume();
}

void end(Stage& stage, Exchange& x, const Call& call) {
  x.asked = call.asked;
  if (call.key != nullptr) x.provider_key_id = call.key;
  x.upstream_status = call.upstream_status;
  x.booked.reserved_tokens = call.reserved;
  if (call.input || call.output) {
    x.usage.emplace();
    x.usage->input = call.input;
    x.usage->output = call.output;
    x.usage->estimated = call.estimated;
    x.cost_usd = NanoUsd{7};
  }
  stage.finish(x);
}

void finish(Stage& stage, UtcTime at, const Call& call = {}) {
  Exchange x;
  admit(stage, x, at, call);
  end(stage, x, call);
}

TEST(OwnUsage, SumsPerKeyAndMinute) {
  OwnUsageSums sums(kStart);
  const auto stage = sums.stage();
  finish(*stage, kStart + 10s);
  finish(*stage, kStart + 59s);
  finish(*stage, kStart + 60s);
  finish(*stage, kStart + 10s, {.path = "/v1/embeddings"});  // stands in another list
  finish(*stage, kStart + 10s, {.key = nullptr});
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
  event.kind = Kind::kAdmin;
  sums.add(event);
  sums.complete_since(kStart - 1h);
  EXPECT_EQ(sums.complete_since(), kStart - 1h);
  const auto minutes = sums.minutes(kStart - 3min, kStart - 2min);
  ASSERT_EQ(minutes.size(), 1u);
  EXPECT_EQ(minutes[0].input, 3);
}

// Nobody told what these used; what they can have used at most counts apart.
struct UnknownCase {
  const char* why;
  Call call;
  std::int64_t known = 0, unknown = 0, unknown_most = 0, later = 0, refused = 0, batches = 0;
};

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kSmall =
    R"({"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":100,"n":2})";
constexpr const char* kOpenEnd = R"({"model":"gpt-4o","messages":[]})";
constexpr const char* kBackground = R"({"model":"gpt-4o","input":"hi","background":true})";
constexpr const char* kHosted =
    R"({"model":"gpt-4o","input":"hi","tools":[{"type":"web_search"}]})";
constexpr std::optional<std::int64_t> kNone;
constexpr std::int64_t kWindow = 128'000, kSaid = 16'384;  // of gpt-4o

const UnknownCase kUnknowns[] = {
    {"usage told", {}, 1},
    {"a stream that the client left: no more than its own maximum, in all choices",
     {kChat, kSmall, "key_a", kNone, kNone},
     0,
     1,
     400},
    {"its usage estimated here is no word of the provider's",
     {kChat, kSmall, "key_a", 10, 5, true},
     0,
     1,
     400},
    {"without a maximum it is the model's",
     {kChat, kOpenEnd, "key_a", kNone, kNone},
     0,
     1,
     kSaid + 200},
    {"what the budgets held back is counted more exactly",
     {kChat, kOpenEnd, "key_a", kNone, kNone, false, 200, 77},
     0,
     1,
     77},
    {"no answer at all", {kChat, kSmall, "key_a", kNone, kNone, false, std::nullopt}, 0, 1, 400},
    {"the provider failed and may have billed",
     {kChat, kSmall, "key_a", kNone, kNone, false, 503},
     0,
     1,
     400},
    {"the provider refused", {kChat, kSmall, "key_a", kNone, kNone, false, 429}, 0, 0, 0, 0, 1},
    {"never asked", {kChat, kSmall, "key_a", kNone, kNone, false, 200, {}, false}},
    {"an answer in the background tells its usage later",
     {"/v1/responses", kBackground, "key_a", kNone, kNone},
     0,
     0,
     16 * (kWindow + kSaid),
     1},
    {"tools of the provider, cut off",
     {"/v1/responses", kHosted, "key_a", kNone, kNone},
     0,
     0,
     16 * (kWindow + kSaid),
     1},
    {"compact tells its usage", {"/v1/responses/compact"}, 1},
    {"compact, cut off",
     {"/v1/responses/compact", kBackground, "key_a", kNone, kNone},
     0,
     1,
     kWindow + kSaid},
    {"an assistant's run",
     {"/v1/threads/thread_1/runs", "{}", "key_a", kNone, kNone},
     0,
     0,
     16 * (kWindow + kSaid),
     1},
    {"a thread's message is no run",
     {"/v1/threads/thread_1/messages", "{}", "key_a", kNone, kNone}},
    {"a batch", {"/v1/batches", "{}", "key_a", kNone, kNone}, 0, 0, 0, 0, 0, 1},
};

TEST(OwnUsage, WhatNobodyToldIsCountedApartWithItsWorstCase) {
  for (const UnknownCase& c : kUnknowns) {
    SCOPED_TRACE(c.why);
    OwnUsageSums sums(kStart);
    const auto stage = sums.stage();
    finish(*stage, kStart, c.call);
    const auto minutes = sums.minutes(kStart, kStart + 1min);
    const UsageMinute got = minutes.empty() ? UsageMinute() : minutes[0];
    EXPECT_EQ(got.requests, c.known);
    EXPECT_EQ(got.unknown_requests, c.unknown);
    EXPECT_EQ(got.later_requests, c.later);
    EXPECT_EQ(got.refused_requests, c.refused);
    EXPECT_EQ(got.batches, c.batches);
    const std::int64_t most = got.unknown_tokens + got.later_tokens;
    EXPECT_LE(most, c.unknown_most);
    EXPECT_GE(most, c.unknown_most * 7 / 10) << "and not far more than it can be";
    EXPECT_EQ(got.several_requests, c.later);
    EXPECT_EQ(got.input + got.output, c.known * 15);
  }
}

TEST(OwnUsage, ACallUnderWayCountsWithItsWorstCaseUntilItIsOver) {
  OwnUsageSums sums(kStart);
  const auto stage = sums.stage();
  const Call call{kChat, kSmall};
  Exchange x;
  admit(*stage, x, kStart, call);
  auto open = sums.minutes(kStart, kStart + 1min);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].provider_key_id, kAnyProviderKey) << "the key is not chosen yet";
  EXPECT_EQ(open[0].unknown_requests, 1);
  x.provider_key_id = "key_a";
  stage->answer(x);
  open = sums.minutes(kStart, kStart + 1min);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].provider_key_id, "key_a");
  EXPECT_GT(open[0].unknown_tokens, 200);
  end(*stage, x, call);
  open = sums.minutes(kStart, kStart + 1min);
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(open[0].unknown_requests, 0);
  EXPECT_EQ(open[0].input, 10);
}

TEST(OwnUsage, WhatADeadProcessLeftCountsForAnyKey) {
  OwnUsageSums sums(kStart);
  Event event;
  event.kind = Kind::kIntent;
  event.timestamp_utc = kStart - 1min;
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o";
  sums.add(event);
  event.kind = Kind::kRequest;  // as the next start writes it
  event.error = "aborted";
  event.reserved_tokens = 500;
  sums.add(event);
  event.error = "client_gone";  // a stream that was broken off
  event.provider_key_id = "key_a";
  event.reserved_tokens.reset();
  event.tokens_input = 3;
  event.tokens_estimated = true;
  sums.add(event);
  const auto minutes = sums.minutes(kStart - 1min, kStart);
  ASSERT_EQ(minutes.size(), 2u);
  EXPECT_EQ(minutes[0].provider_key_id, kAnyProviderKey);
  EXPECT_EQ(minutes[0].unknown_requests, 2);
  EXPECT_EQ(minutes[0].unknown_tokens, kWindow + kSaid + 500);
  EXPECT_EQ(minutes[1].provider_key_id, "key_a");
  EXPECT_EQ(minutes[1].unknown_tokens, kWindow + kSaid);
  EXPECT_EQ(minutes[1].input, 0);
}

}  // namespace
}  // namespace sallyport::meter
