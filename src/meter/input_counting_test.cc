// SPDX-License-Identifier: Apache-2.0
// Where and by whom the input of a call is counted: on the loop, away from it, at the provider.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>

#include "meter/budgets_for_test.h"

namespace sallyport::meter {
namespace {

using InputCounting = BudgetsTest;

Task<void> admit_on_loop(Budgets& stage, Exchange& x, std::string& code) {
  std::optional<Refusal> refusal = co_await stage.admit(x);
  code = refusal ? refusal->code : "passed";
  x.loop->stop();
}

std::string large_body_text() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "word " + std::to_string(i % 977) + " ";
  return R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + text + R"("}]})";
}

// Waits, while it counts, for something that only the loop does.
class WaitsForTheLoop final : public TokenCounts {
 public:
  TokenCount input(std::string_view path, std::string_view body,
                   std::string_view model) const override {
    went_on = ticked.get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    return exact_counts().input(path, body, model);
  }
  std::int64_t text(std::string_view text, std::string_view model) const override {
    return exact_counts().text(text, model);
  }
  std::int64_t context_max(std::string_view model) const override {
    return exact_counts().context_max(model);
  }
  std::optional<std::int64_t> output_max(std::string_view model) const override {
    return exact_counts().output_max(model);
  }
  mutable std::promise<void> ticked;
  mutable std::atomic<bool> went_on{false};
};

TEST_F(InputCounting, WhileALargeBodyIsCountedTheLoopGoesOn) {
  budget(kTokens, 10'000'000);
  const std::string text = large_body_text();
  ASSERT_GT(text.size(), kOffLoopBytes);
  std::optional<std::int64_t> reserved[2];
  std::string sent[2];
  for (const bool away : {false, true}) {
    call();
    x_->principal = principal_;
    x_->body.bytes = text;
    net::Loop loop;
    net::Offload scan(1);
    WaitsForTheLoop waiting;
    Budgets stage(config_, {.ledger = ledger_,
                            .prices = prices_,
                            .counts = away ? waiting : exact_counts(),
                            .recorder = told_,
                            .clock = clock_,
                            .scan = away ? &scan : nullptr});
    x_->loop = &loop;
    std::string code;
    loop.spawn(admit_on_loop(stage, *x_, code));
    if (away) loop.post([&] { waiting.ticked.set_value(); });
    loop.run();
    scan.stop();
    EXPECT_EQ(code, "passed");
    if (away) EXPECT_TRUE(waiting.went_on) << "the loop stood still";
    reserved[away] = x_->booked.reserved_tokens;
    sent[away] = x_->body.sent_text();
    stage.finish(*x_);
  }
  EXPECT_GT(reserved[0], 8'192 + 20'000);
  EXPECT_EQ(reserved[0], reserved[1]);
  EXPECT_EQ(sent[0], sent[1]);
}

TEST_F(InputCounting, ACallThatDiesWhileItsBodyIsCountedLeavesNothingBehind) {
  budget(kTokens, 10'000'000);
  net::Offload scan(1);
  WaitsForTheLoop waiting;
  {
    net::Loop loop;
    Budgets stage(config_, {.ledger = ledger_,
                            .prices = prices_,
                            .counts = waiting,
                            .recorder = told_,
                            .clock = clock_,
                            .scan = &scan});
    x_->principal = principal_;
    x_->body.bytes = large_body_text();
    x_->loop = &loop;
    std::string code;
    loop.spawn(admit_on_loop(stage, *x_, code));
    loop.drop_tasks();
    x_.reset();
    waiting.ticked.set_value();
    scan.stop();  // it was counted all the same, on bytes of its own
    EXPECT_EQ(code, "");
  }
  EXPECT_TRUE(waiting.went_on);
  EXPECT_TRUE(ledger_.show("key:user_42", 1).empty()) << "nothing was held back";
}

// The provider, as far as it counts.
class Provider final : public InputCount {
 public:
  Task<std::optional<std::int64_t>> count_input(Exchange&, std::string question,
                                                std::int64_t timeout_ms) override {
    questions.push_back(std::move(question));
    last_timeout_ms = timeout_ms;
    co_return answer;
  }
  std::optional<std::int64_t> answer;
  std::vector<std::string> questions;
  std::int64_t last_timeout_ms = 0;
};

struct CountCase {
  const char* why;
  const char* path;
  const char* body;
  std::optional<std::int64_t> answer;
  const char* question;  // "": none is asked
  const char* said;
  std::int64_t estimated;
};
const CountCase kCountCases[] = {
    {"the provider counts", "/v1/responses", R"({"model":"gpt-4o","input":"a"})", 500,
     R"({"model":"gpt-4o","input":"a"})", "provider", 500},
    {"what is stored there too", "/v1/responses",
     R"({"input":"a","previous_response_id":"resp_1","max_output_tokens":5})", 500,
     R"({"input":"a","previous_response_id":"resp_1"})", "provider", 500},
    {"only what counting takes", "/v1/responses",
     R"({"stream":true,"m\u006fdel":"gpt-4o","store":false,"input":"a","metadata":{"a":"b"}})", 500,
     R"({"model":"gpt-4o","input":"a"})", "provider", 500},
    {"it does not answer",
     "/v1/responses",
     R"({"input":"a"})",
     {},
     R"({"input":"a"})",
     "local",
     100},
    {"chat it cannot count", "/v1/chat/completions", R"({"messages":[]})", 500, "", "local", 100},
};

TEST_F(InputCounting, TheProviderCountsWhereItIsAsked) {
  config_.count = "provider";
  config_.count_timeout_ms = 700;
  for (const CountCase& c : kCountCases) {
    Provider provider;
    provider.answer = c.answer;
    Budgets stage(config_, {.ledger = ledger_,
                            .prices = prices_,
                            .counts = letters_,
                            .recorder = told_,
                            .clock = clock_,
                            .provider_count = &provider});
    budget(kTokens, 10'000'000);
    call();
    x_->principal = principal_;
    x_->path = c.path;
    x_->body.bytes = c.body;
    Task<std::optional<Refusal>> task = stage.admit(*x_);
    task.await_suspend(std::noop_coroutine()).resume();
    EXPECT_FALSE(task.await_resume()) << c.why;
    EXPECT_EQ(provider.questions.empty() ? "" : provider.questions[0], c.question) << c.why;
    EXPECT_STREQ(x_->booked.input_count, c.said) << c.why;
    EXPECT_EQ(x_->booked.estimated_input_tokens, c.estimated) << c.why;
    if (c.answer && *c.question != 0) {
      EXPECT_LE(*x_->booked.reserved_tokens, 500 + 500 / 16 + 32 + 8'192) << c.why;
      EXPECT_EQ(provider.last_timeout_ms, 700) << c.why;
    }
    EXPECT_EQ(make_event(*x_, Kind::kIntent, clock_.now()).input_count, c.said) << c.why;
    stage.finish(*x_);
  }
}

TEST_F(InputCounting, TheProviderIsAskedOnlyWhereTheCountDecides) {
  config_.count = "provider";
  Provider provider;
  provider.answer = 5;
  Budgets stage(config_, {.ledger = ledger_,
                          .prices = prices_,
                          .counts = letters_,
                          .recorder = told_,
                          .clock = clock_,
                          .provider_count = &provider});
  const auto asked = [&] {
    call();
    x_->principal = principal_;
    x_->path = "/v1/responses";
    Task<std::optional<Refusal>> task = stage.admit(*x_);
    task.await_suspend(std::noop_coroutine()).resume();
    task.await_resume();
    stage.finish(*x_);
    return !std::exchange(provider.questions, {}).empty();
  };
  limits({}, 100);
  EXPECT_FALSE(asked()) << "a limit of the output";
  budget(kTokens, 1'000, false);
  EXPECT_FALSE(asked()) << "a soft budget";
  budget(kRequests, 1'000);
  EXPECT_FALSE(asked()) << "a budget of requests";
  budget(kUsd, kNanoUsdPerUsd);
  EXPECT_TRUE(asked()) << "a hard budget of money";
  Limits rate;
  rate.tokens_per_minute = 1'000'000;
  limits(rate);
  EXPECT_TRUE(asked()) << "a rate of tokens";
  config_.count = "local";
  EXPECT_FALSE(asked()) << "nobody wants it";
}

}  // namespace
}  // namespace sallyport::meter
