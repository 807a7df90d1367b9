// SPDX-License-Identifier: Apache-2.0
#include "meter/budgets.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "event/no_record.h"
#include "meter/budget_words.h"
#include "meter/budgets_for_test.h"

namespace sallyport::meter {
namespace {

TEST_F(BudgetsTest, WithoutLimitsNothingIsTouched) {
  limits({});
  EXPECT_EQ(code(), "");
  EXPECT_FALSE(x_->budgets);
  EXPECT_FALSE(x_->booked.reserved_tokens);
  EXPECT_TRUE(x_->body.splices().empty());
  principal_ = std::make_shared<Principal>();
  EXPECT_EQ(code(), "") << "an open gate has no layers";
}

TEST_F(BudgetsTest, AMaximumIsWrittenIn) {
  budget(kTokens, 1'000'000);
  EXPECT_EQ(code(), "");
  EXPECT_EQ(x_->body.sent_text(), R"({"max_completion_tokens":8192,"model":"gpt-4o"})");
  EXPECT_TRUE(x_->drain_for_usage);
  EXPECT_EQ(x_->booked.reserved_tokens, kInput + 8192);
  EXPECT_EQ(x_->booked.reserved_usd, NanoUsd{kInput * 2'000 + 8192 * 8'000});
  EXPECT_EQ(x_->booked.estimated_input_tokens, 100);
  EXPECT_TRUE(x_->written_before_call);
  EXPECT_TRUE(check_json(x_->body.sent_text()));
}

struct WriteCase {
  const char* why;
  const char* path;
  const char* model;
  const char* body;
  const char* sent;
};
const WriteCase kWriteCases[] = {
    {"in place of a null", "/v1/chat/completions", "gpt-4o",
     R"({"max_completion_tokens":null,"n":1})", R"({"max_completion_tokens":8192,"n":1})"},
    {"not above the model's own", "/v1/chat/completions", "gpt-4-small", R"({"n":1})",
     R"({"max_completion_tokens":4096,"n":1})"},
    {"under the name the endpoint knows", "/v1/responses", "gpt-4o", R"({"input":"a"})",
     R"({"max_output_tokens":8192,"input":"a"})"},
    {"what it is by default", "/v1/completions", "gpt-4o", R"({"prompt":"a"})",
     R"({"max_tokens":16,"prompt":"a"})"},
    {"not where one stands", "/v1/chat/completions", "gpt-4o", R"({"max_tokens":5})",
     R"({"max_tokens":5})"},
    {"not where there is none", "/v1/embeddings", "gpt-4o", R"({"input":"a"})", R"({"input":"a"})"},
};

TEST_F(BudgetsTest, TheMaximumStandsWhereTheEndpointReadsIt) {
  budget(kTokens, 1'000'000);
  for (const WriteCase& c : kWriteCases) {
    call();
    x_->path = c.path;
    x_->model = c.model;
    x_->body.bytes = c.body;
    EXPECT_EQ(code(), "") << c.why;
    EXPECT_EQ(x_->body.sent_text(), c.sent) << c.why;
    x_->asked = false;
    finish();
  }
}

TEST_F(BudgetsTest, ASoftBudgetChangesNothing) {
  budget(kTokens, 1, false);
  EXPECT_EQ(code(), "");
  EXPECT_TRUE(x_->body.splices().empty());
  EXPECT_FALSE(x_->written_before_call);
  answered(10, 10);
  finish();
  EXPECT_EQ(spent(kTokens), 20);
  ASSERT_EQ(told_.events.size(), 3u) << "50, 80 and 100 per cent";
  EXPECT_EQ(told_.events[2].action, "budget_alert");
  const auto detail = JsonValue::parse(*told_.events[2].detail);
  EXPECT_EQ(detail->at("threshold")->integer(), 100);
  EXPECT_EQ(detail->at("account")->string(), "key:user_42");
}

TEST_F(BudgetsTest, SettledByTheProvidersWord) {
  budget(kUsd, kNanoUsdPerUsd);
  EXPECT_EQ(code(), "");
  EXPECT_GT(held(kUsd), 0);
  answered(120, 30);
  finish();
  EXPECT_EQ(held(kUsd), 0);
  EXPECT_EQ(spent(kUsd), 120 * 2'000 + 30 * 8'000);
  EXPECT_EQ(spent(kTokens), 150);
  EXPECT_EQ(spent(kRequests), 1);
  EXPECT_EQ(x_->booked.charged_tokens, 150);
  EXPECT_EQ(x_->booked.charged_usd, x_->cost_usd);
}

TEST_F(BudgetsTest, WhatDoesNotFitIsRefusedForGood) {
  budget(kUsd, 1'000);
  const auto refusal = admit();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 429);
  EXPECT_STREQ(refusal->code, "budget_exceeded");
  EXPECT_STREQ(refusal->type, "insufficient_quota");
  EXPECT_FALSE(refusal->retry_after_s) << "asking again does not help";
  EXPECT_TRUE(refusal->message.contains("this key's budget of 0.000001 USD a day"))
      << refusal->message;
  EXPECT_STREQ(x_->denied_because, "budget");
  EXPECT_FALSE(x_->booked.reserved_tokens) << "nothing was booked";
  const std::string& by = x_->booked.refused_by;
  EXPECT_TRUE(by.starts_with(R"({"account":"key:user_42","unit":"usd","window":"day","hard":true,)"
                             R"("budget":0.000001,"spent":0,"held":0,"asked":0.)"))
      << by;
  EXPECT_EQ(make_event(*x_, Kind::kRequest, clock_.now()).detail, by) << "and so says the record";
}

TEST_F(BudgetsTest, OfALayerAboveNoFigureIsTold) {
  budget(kUsd, 1'000);
  auto layer = std::make_shared<Layer>(*principal_->layer);
  layer->account = "organisation:acme";
  auto principal = std::make_shared<Principal>(*principal_);
  principal->layer = layer;
  principal_ = principal;
  const auto refusal = admit();
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->message, "This call does not fit into this organisation's budget.");
}

struct FailureCase {
  const char* why;
  int status;  // the provider's; 0: nobody was reached
  const char* code;
  bool hard;
  bool free;
};
const FailureCase kFailures[] = {
    {"a bad request", 400, "invalid_request_error", true, true},
    {"too many", 429, "rate_limit_exceeded", true, true},
    {"nobody was reached", 0, "", true, true},
    {"too busy to begin, in its own words", 503, "overloaded", true, true},
    {"somebody between us and the model", 503, "upstream_error", true, false},
    {"a fault, perhaps after all was made", 500, "server_error", true, false},
    {"a word that fits another status", 500, "overloaded", true, false},
    {"a proxy that gave up waiting", 504, "upstream_error", true, false},
    {"a soft budget believes it", 500, "server_error", false, true},
};

TEST_F(BudgetsTest, AFailedCallIsFreeWhereNothingCanHaveRun) {
  for (const FailureCase& c : kFailures) {
    budget(kTokens, 1'000'000'000, c.hard);
    call();
    x_->body.bytes = R"({"max_tokens":50})";
    EXPECT_EQ(code(), "") << c.why;
    x_->asked = c.status != 0;
    if (c.status != 0) x_->upstream_status = c.status;
    x_->answer.status = c.status == 0 ? 502 : c.status;
    x_->error_code = c.code;
    const std::int64_t requests = spent(kRequests);  // the account is there since the admission
    finish();
    EXPECT_EQ(x_->booked.charged_tokens, c.free ? 0 : kInput + 50) << c.why;
    EXPECT_EQ(spent(kRequests) - requests, c.free ? 0 : 1) << c.why;
    EXPECT_EQ(held(kTokens), 0) << c.why;
  }
}

TEST_F(BudgetsTest, WhatIsNotKnownStands) {
  budget(kTokens, 1'000'000);
  x_->body.bytes = R"({"max_tokens":50})";
  EXPECT_EQ(code(), "");
  x_->asked = true;  // and the client left before there was an answer
  x_->answer.status = 499;
  finish();
  EXPECT_EQ(spent(kTokens), kInput + 50);
  EXPECT_EQ(x_->booked.charged_tokens, kInput + 50);
}

struct StreamCase {
  const char* why;
  const char* body;
  std::vector<std::string_view> chunks;
  std::int64_t seen;  // -1: not counted, the reservation stands
};
const StreamCase kStreams[] = {
    {"text and arguments",
     R"({"max_tokens":5000})",
     {R"({"choices":[{"delta":{"role":"assistant","content":""}}]})",
      R"({"choices":[{"delta":{"content":"abcde"}}]})",
      R"({"choices":[{"delta":{"content": "\"content\":\"x"}}]})",
      R"({"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"{}"}}]}}]})"},
     5 + 12 + 2 + 12},
    {"calls by name only",
     R"({"max_tokens":5000})",
     {R"({"choices":[{"delta":{"tool_calls":[{"type":"function","function":{"name":"abc"}}]}}]})"},
     3 + 12},
    {"what a tool of free text is given",
     R"({"max_tokens":5000})",
     {R"({"choices":[{"delta":{"tool_calls":[{"type":"custom","custom":{"input":"abc"}}]}}]})"},
     3 + 12},
    {"sound that nobody asked for",
     R"({"max_tokens":5000})",
     {R"({"choices":[{"delta":{"audio":{"data":"AAAA"}}}]})"},
     -1},
    {"sound", R"({"max_tokens":5000,"modalities":["text","audio"]})", {}, -1},
    {"a prediction", R"({"max_tokens":5000,"prediction":{"content":"a"}})", {}, -1},
};

TEST_F(BudgetsTest, ASoftBudgetCountsAStreamThatEndsEarly) {
  budget(kTokens, 1'000'000'000, false);
  for (const StreamCase& c : kStreams) {
    call();
    x_->body.bytes = c.body;
    EXPECT_EQ(code(), "") << c.why;
    stream(c.chunks);
    x_->broken = "client_gone";
    const std::int64_t before = spent(kTokens);
    finish();
    const std::int64_t counted = kInput + c.seen + 64 + c.seen / 8;  // and what was under way
    EXPECT_EQ(spent(kTokens) - before, c.seen < 0 ? x_->booked.reserved_tokens : counted) << c.why;
    if (c.seen < 0) continue;
    EXPECT_EQ(x_->usage->estimated, true) << c.why;
    EXPECT_EQ(x_->cost_usd, x_->booked.charged_usd) << c.why;
  }
}

// The provider may have said more than what reached us: while the client did not read, we did not
// either, and what it made meanwhile lies on the way.
TEST_F(BudgetsTest, AHardBudgetTakesNobodysCountButTheProviders) {
  for (const bool whole : {false, true}) {
    budget(kTokens, 1'000'000);
    const std::int64_t before = whole ? spent(kTokens) : 0;
    call();
    x_->body.bytes = R"({"max_tokens":5000})";
    EXPECT_EQ(code(), "");
    EXPECT_TRUE(x_->drain_for_usage);
    stream({R"({"choices":[{"delta":{"content":"abcde"}}]})"});
    x_->broken = whole ? nullptr : "client_gone";
    finish();
    EXPECT_EQ(spent(kTokens) - before, kInput + 5000) << "whole: " << whole;
  }
}

TEST_F(BudgetsTest, UsageInTheMiddleOfAStreamIsNoLastWord) {
  budget(kTokens, 1'000'000);
  const auto end = [&](const char* broken, bool whole) {
    call();
    x_->body.bytes = R"({"max_tokens":5000})";
    EXPECT_EQ(code(), "");
    const std::int64_t before = spent(kTokens);
    stream({});
    answered(10, 1);
    x_->broken = broken;
    x_->answer_whole = whole;
    finish();
    return spent(kTokens) - before;
  };
  EXPECT_EQ(end("client_gone", false), kInput + 5000);
  EXPECT_EQ(end("client_gone", true), 11) << "the provider was heard to its end";
  EXPECT_EQ(end(nullptr, false), 11);
}

TEST_F(BudgetsTest, TheServiceTierIsNamedWhereMoneyIsCounted) {
  struct Case {
    const char* why;
    const char* path;
    const char* body;
    const char* sent;
    BudgetUnit unit;
    double factor;  // of 50 tokens' price
  };
  constexpr const char* kChat = "/v1/chat/completions";
  const Case cases[] = {
      {"none named", kChat, R"({"max_tokens":50,"n":1})",
       R"({"max_tokens":50,"service_tier":"default","n":1})", kUsd, 1},
      {"beside a maximum", kChat, R"({"n":1})",
       R"({"max_completion_tokens":8192,"n":1,"service_tier":"default"})", kUsd, 0},
      {"in place of a null", "/v1/responses", R"({"max_output_tokens":50,"service_tier":null})",
       R"({"max_output_tokens":50,"service_tier":"default"})", kUsd, 1},
      {"the choice of the project may be dear", kChat, R"({"max_tokens":50,"service_tier":"auto"})",
       nullptr, kUsd, 2.5},
      {"a cheaper one is not counted on", kChat, R"({"max_tokens":50,"service_tier":"flex"})",
       nullptr, kUsd, 1},
      {"tokens are tokens", kChat, R"({"max_tokens":50})", nullptr, kTokens, 0},
      {"where there are no tiers", "/v1/completions", R"({"max_tokens":50})", nullptr, kUsd, 1},
  };
  for (const Case& c : cases) {
    budget(c.unit, 1'000 * kNanoUsdPerUsd);
    call();
    x_->path = c.path;
    x_->body.bytes = c.body;
    EXPECT_EQ(code(), "") << c.why;
    EXPECT_EQ(x_->body.sent_text(), c.sent == nullptr ? c.body : c.sent) << c.why;
    if (c.factor == 0) continue;
    const auto nano = static_cast<std::int64_t>(c.factor * (kInput * 2'000 + 50 * 8'000));
    EXPECT_EQ(x_->booked.reserved_usd, NanoUsd{nano}) << c.why;
  }
}

// What a start reads from the records is what the stage booked, to the request.
TEST_F(BudgetsTest, AStartReadsWhatWasBooked) {
  struct Case {
    const char* why;
    const char* method;
    const char* path;
    int status;  // the provider's; 0: none came
    int answer;  // ours
    bool asked, budgets_of_requests_only;
  };
  constexpr const char* kChat = "/v1/chat/completions";
  const Case cases[] = {
      {"a free call that the client left", "GET", "/v1/models", 0, 499, true, false},
      {"a free call", "GET", "/v1/models", 200, 200, true, false},
      {"a free call that failed", "GET", "/v1/models", 500, 500, true, false},
      {"refused by the provider", "POST", kChat, 400, 400, true, false},
      {"failed, and perhaps made", "POST", kChat, 500, 500, true, false},
      {"never asked", "POST", kChat, 0, 502, false, false},
      {"left before the head", "POST", kChat, 0, 499, true, false},
      {"nothing but a request, left", "POST", "/v1/batches", 0, 499, true, true},
      {"nothing but a request, failed", "POST", "/v1/batches", 500, 500, true, true},
  };
  for (const Case& c : cases) {
    Ledger after(clock_, told_);
    budget(c.budgets_of_requests_only ? kRequests : kTokens, 1'000'000'000);
    call();
    x_->method = c.method;
    x_->path = c.path;
    if (x_->method == "GET") x_->body.kind = BodyKind::kNone;
    EXPECT_EQ(code(), "") << c.why;
    const auto before = ledger_.show("key:user_42", 1)[0].state.windows[2].settled;
    after.replay(make_event(*x_, Kind::kIntent, clock_.now()));
    x_->asked = c.asked;
    if (c.status != 0) x_->upstream_status = c.status;
    x_->answer.status = c.answer;
    finish();
    after.replay(make_event(*x_, Kind::kRequest, clock_.now()));
    after.finish_replay();
    const auto live = ledger_.show("key:user_42", 1)[0].state.windows[2].settled;
    const auto read = after.show("key:user_42", 1)[0].state.windows[2].settled;
    for (std::size_t u = 0; u < kUnits; ++u) EXPECT_EQ(read[u], live[u] - before[u]) << c.why << u;
  }
}

TEST_F(BudgetsTest, AThinkingModelsStreamThatEndsEarlyStands) {
  budget(kTokens, 1'000'000);
  x_->model = "o3";
  x_->body.bytes = R"({"max_completion_tokens":5000})";
  EXPECT_EQ(code(), "");
  stream({R"({"choices":[{"delta":{"content":"abcde"}}]})"});
  x_->broken = "client_gone";
  finish();
  EXPECT_EQ(spent(kTokens), kInput + 5000);
}

TEST_F(BudgetsTest, WhatCannotBeBoundedIsRefusedWhereABudgetIsHard) {
  const auto batch = [&] {
    call();
    x_->path = "/v1/batches";
    return code();
  };
  budget(kTokens, 1'000'000);
  EXPECT_EQ(batch(), "not_meterable");
  budget(kRequests, 2);
  EXPECT_EQ(batch(), "") << "a request is a request";
  budget(kTokens, 1'000'000, false);
  EXPECT_EQ(batch(), "");
  config_.unmeterable = "pass";
  budget(kTokens, 1'000'000);
  EXPECT_EQ(batch(), "");
}

TEST_F(BudgetsTest, FreeCallsNeedNoMoney) {
  budget(kUsd, 0);
  x_->method = "GET";
  x_->path = "/v1/models";
  x_->body.kind = BodyKind::kNone;
  EXPECT_EQ(code(), "");
  x_->asked = true;
  x_->upstream_status = 200;
  x_->answer.status = 200;
  finish();
  EXPECT_EQ(spent(kUsd), 0);
  EXPECT_EQ(spent(kRequests), 1);
}

TEST_F(BudgetsTest, ANumberThatTwoParsersReadDifferentlyIsRefused) {
  budget(kUsd, kNanoUsdPerUsd);
  x_->body.bytes = R"({"max_tokens":1e3})";
  EXPECT_EQ(code(), "invalid_value");
}

struct OutputCase {
  const char* why;
  const char* target;
  const char* body;  // null: none
  const char* code;  // "": passes
  const char* sent = nullptr;
};
constexpr const char* kOver = "output_limit_exceeded";
constexpr const char* kHidden = "output_limit_not_visible";
const OutputCase kOutputCases[] = {
    {"within", "POST /v1/chat/completions", R"({"max_tokens":100})", "", R"({"max_tokens":100})"},
    {"above", "POST /v1/chat/completions", R"({"max_tokens":101})", kOver},
    {"the larger of two names counts", "POST /v1/chat/completions",
     R"({"max_tokens":500,"max_completion_tokens":5})", kOver},
    {"each choice counts", "POST /v1/chat/completions", R"({"max_completion_tokens":50,"n":2})", "",
     R"({"max_completion_tokens":50,"n":2})"},
    {"and adds up", "POST /v1/chat/completions", R"({"max_tokens":60,"n":2})", kOver},
    {"several prompts", "POST /v1/completions", R"({"max_tokens":50,"prompt":["a","b","c"]})",
     kOver},
    {"one prompt in tokens", "POST /v1/completions", R"({"max_tokens":50,"prompt":[1,2,3]})", "",
     R"({"max_tokens":50,"prompt":[1,2,3]})"},
    {"not a number", "POST /v1/responses", R"({"max_output_tokens":"5"})", "invalid_value"},
    {"negative", "POST /v1/responses", R"({"max_output_tokens":-5})", "invalid_value"},
    {"no overflow", "POST /v1/chat/completions", R"({"max_tokens":4611686018427387904,"n":4})",
     "invalid_value"},
    {"none named: written in", "POST /v1/chat/completions", R"({"n":1})", "",
     R"({"max_completion_tokens":100,"n":1})"},
    {"in place of a null", "POST /v1/responses", R"({"max_output_tokens":null})", "",
     R"({"max_output_tokens":100})"},
    {"another endpoint's name is none", "POST /v1/responses", R"({"max_tokens":5})", "",
     R"({"max_output_tokens":100,"max_tokens":5})"},
    {"shared by the choices", "POST /v1/chat/completions", R"({"n":3})", "",
     R"({"max_completion_tokens":33,"n":3})"},
    {"nothing left for each", "POST /v1/chat/completions", R"({"n":101})", kOver},
    {"what it is by default is within", "POST /v1/completions", R"({"prompt":"a"})", "",
     R"({"prompt":"a"})"},
    {"a run of an assistant", "POST /v1/threads/t/runs", R"({"assistant_id":"a"})", "",
     R"({"max_completion_tokens":100,"assistant_id":"a"})"},
    {"a run above", "POST /v1/threads/runs", R"({"max_completion_tokens":101})", kOver},
    {"no field, the model may say more", "POST /v1/responses/compact", R"({"input":"a"})", kOver},
    {"a run that goes on has none either", "POST /v1/threads/t/runs/r/submit_tool_outputs",
     R"({"tool_outputs":[]})", kOver},
    {"a batch hides it", "POST /v1/batches", "{}", kHidden},
    {"a session that goes round the gate", "POST /v1/realtime/sessions", R"({"model":"gpt-4o"})",
     kHidden},
    {"what nobody knows", "POST /v1/new", R"({"max_tokens":5})", kHidden},
    {"nothing to read it in", "POST /v1/responses", nullptr, kHidden},
    {"counting is no answer", "POST /v1/responses/input_tokens", "{}", "", "{}"},
    {"vectors are no text", "POST /v1/embeddings", R"({"input":"a"})", "", R"({"input":"a"})"},
    {"pictures are no text", "POST /v1/images/generations", R"({"prompt":"a"})", "",
     R"({"prompt":"a"})"},
    {"to read is free", "GET /v1/models", nullptr, ""},
};

TEST_F(BudgetsTest, TheOutputOfOneCallHasALimit) {
  limits({}, 100);
  for (const OutputCase& c : kOutputCases) {
    call();
    const std::string_view target = c.target;
    x_->method = target.substr(0, target.find(' '));
    x_->path = target.substr(target.find(' ') + 1);
    x_->body.kind = c.body == nullptr ? BodyKind::kNone : BodyKind::kJson;
    x_->body.bytes = c.body == nullptr ? "" : c.body;
    const auto refusal = admit();
    EXPECT_STREQ(refusal ? refusal->code : "", c.code) << c.why;
    if (c.sent != nullptr) EXPECT_EQ(x_->body.sent_text(), c.sent) << c.why;
    if (c.code != kOver) continue;
    ASSERT_TRUE(refusal) << c.why;
    EXPECT_EQ(refusal->status, 403) << c.why;
    EXPECT_TRUE(refusal->message.contains("at most 100 output tokens")) << refusal->message;
    EXPECT_STREQ(x_->denied_because, "output_max") << c.why;
  }
}

TEST_F(BudgetsTest, WhereNoFieldIsTheModelsOwnMaximumCounts) {
  limits({}, 4'096);
  x_->path = "/v1/responses/compact";
  x_->model = "gpt-4-small";
  x_->body.bytes = R"({"input":"a"})";
  EXPECT_EQ(code(), "") << "the model says 4,096 at most";
  limits({}, 4'095);
  EXPECT_EQ(code(), kOver);
}

TEST_F(BudgetsTest, TheSmallestOutputLimitOfAllLayersCounts) {
  limits({}, 10);
  auto key = std::make_shared<Layer>();
  key->account = "key:user_42";
  key->parent = principal_->layer;
  key->restrictions.output_tokens_max = 1'000;
  auto principal = std::make_shared<Principal>(*principal_);
  principal->layer = key;
  principal_ = principal;
  x_->body.bytes = R"({"max_tokens":11})";
  EXPECT_EQ(code(), kOver);
}

TEST_F(BudgetsTest, HardBudgetsNeedARecord) {
  NoRecord none;
  Budgets unrecorded(config_, {.ledger = ledger_,
                               .prices = prices_,
                               .counts = letters_,
                               .recorder = none,
                               .clock = clock_});
  budget(kUsd, kNanoUsdPerUsd);
  x_->principal = principal_;
  Task<std::optional<Refusal>> task = unrecorded.admit(*x_);
  task.await_suspend(std::noop_coroutine()).resume();
  const auto refusal = task.await_resume();
  ASSERT_TRUE(refusal);
  EXPECT_STREQ(refusal->code, "budgets_need_record");
}

TEST_F(BudgetsTest, RatesAreToldAndTakeTheProvidersPlace) {
  Limits rates;
  rates.requests_per_minute = 2;
  rates.tokens_per_minute = 1'000'000;
  limits(rates);
  EXPECT_EQ(code(), "");
  EXPECT_TRUE(x_->limit_fields.contains("x-ratelimit-limit-requests: 2\r\n")) << x_->limit_fields;
  EXPECT_TRUE(x_->limit_fields.contains("x-ratelimit-remaining-requests: 1\r\n"))
      << x_->limit_fields;
  EXPECT_TRUE(x_->limit_fields.contains("x-ratelimit-reset-requests: 30.001s\r\n"))
      << x_->limit_fields;
  EXPECT_TRUE(x_->limit_fields.contains("x-ratelimit-limit-tokens: 1000000\r\n"));
  x_->answer.headers = {{"x-ratelimit-limit-requests", "9999"}, {"openai-version", "1"}};
  stage_.answer(*x_);
  EXPECT_EQ(x_->answer.headers.size(), 1u);
  answered(1, 1);
  finish();
  EXPECT_FALSE(x_->booked.charged_tokens) << "rates are no budget";
  call();
  EXPECT_EQ(code(), "");
  call();
  const auto refusal = admit();
  ASSERT_TRUE(refusal);
  EXPECT_STREQ(refusal->code, "rate_limit_exceeded");
  EXPECT_EQ(refusal->retry_after_s, 31);
  EXPECT_TRUE(x_->limit_fields.contains("x-ratelimit-remaining-requests: 0\r\n"));
}

TEST(BudgetWords, ResetsAreWrittenAsOpenAiWritesThem) {
  struct {
    std::int64_t ms;
    const char* text;
  } const kCases[] = {{0, "0ms"},      {12, "12ms"},     {1'000, "1s"},
                      {1'500, "1.5s"}, {60'000, "1m0s"}, {366'010, "6m6.01s"}};
  for (const auto& c : kCases) EXPECT_EQ(reset_text(c.ms), c.text);
}

}  // namespace
}  // namespace sallyport::meter
