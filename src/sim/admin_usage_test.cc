// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_usage.h"

#include <gtest/gtest.h>

#include "sim/sim_for_test.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kMinute = SimForTest::kStart / 60 * 60;

std::string since(std::int64_t start, std::string_view more = "") {
  return "/usage/completions?bucket_width=1m&start_time=" + std::to_string(start) +
         std::string(more);
}

// The figures of the last chat answer, told by the answer itself.
struct Told {
  std::string input, output;
};

Told whole_chat(SimForTest& sim, std::string_view model = "gpt-4o") {
  const Got got = sim.chat(model, false);
  return {got.at("usage.prompt_tokens"), got.at("usage.completion_tokens")};
}

TEST(Usage, IsWhatTheAnswersTold) {
  const std::string chat = R"("messages":[{"role":"user","content":"Hello there"}]})";
  const struct {
    const char* why;
    const char* path;
    std::string body;
    const char* input;  // where the answer tells it
    const char* output;
  } kCases[] = {
      {"chat", "/v1/chat/completions", R"({"model":"sim-chunks-9",)" + chat, "usage.prompt_tokens",
       "usage.completion_tokens"},
      {"two choices", "/v1/chat/completions", R"({"model":"sim-chunks-9","n":2,)" + chat,
       "usage.prompt_tokens", "usage.completion_tokens"},
      {"tools", "/v1/chat/completions", R"({"model":"sim-tools",)" + chat, "usage.prompt_tokens",
       "usage.completion_tokens"},
      {"responses", "/v1/responses", R"({"model":"sim-chunks-9","input":"Hello"})",
       "usage.input_tokens", "usage.output_tokens"},
      {"completions", "/v1/completions", R"({"model":"sim-chunks-9","prompt":"Hello"})",
       "usage.prompt_tokens", "usage.completion_tokens"},
  };
  for (const auto& c : kCases) {
    SimForTest sim;
    const Got told = sim.ask("POST", c.path, c.body);
    const Got usage = sim.admin("GET", since(kMinute));
    EXPECT_EQ(usage.at("data.0.results.0.input_tokens"), told.at(c.input)) << c.why;
    EXPECT_EQ(usage.at("data.0.results.0.output_tokens"), told.at(c.output)) << c.why;

    // The same call as a stream costs the same.
    SimForTest streamed;
    std::string body = c.body;
    body.insert(1, R"("stream":true,)");
    streamed.ask("POST", c.path, body);
    const Got again = streamed.admin("GET", since(kMinute));
    EXPECT_EQ(again.at("data.0.results.0.output_tokens"), told.at(c.output)) << c.why;
  }
}

TEST(Usage, OfEmbeddingsStandsApart) {
  SimForTest sim;
  const Got told =
      sim.ask("POST", "/v1/embeddings", R"({"model":"text-embedding-3-small","input":["a","bc"]})");
  const Got usage = sim.admin("GET", "/usage/embeddings?start_time=" + std::to_string(kMinute));
  EXPECT_EQ(usage.at("data.0.results.0.object"), "organization.usage.embeddings.result");
  EXPECT_EQ(usage.at("data.0.results.0.input_tokens"), told.at("usage.prompt_tokens"));
  EXPECT_EQ(sim.admin("GET", since(kMinute)).at("data.0.results"), "#0");
}

TEST(Usage, OfAnAbortedStreamIsWhatWasGenerated) {
  SimForTest sim;
  const std::string body =
      R"({"model":"sim-chunks-50","stream":true,"messages":[{"role":"user","content":"Hi"}]})";
  const std::vector<std::pair<std::string, std::string>> headers = {
      {"authorization", "Bearer sk-sim"}};
  const Got cut = sim.ask("POST", "/v1/chat/completions", body, headers, 6);
  EXPECT_EQ(cut.pieces.size(), 6u);
  // Six were taken: the role and five tokens. One more waited to be sent.
  EXPECT_EQ(sim.admin("GET", since(kMinute)).at("data.0.results.0.output_tokens"), "6");
  SimForTest died;
  died.chat("sim-chunks-50+die-after-6");
  EXPECT_EQ(died.admin("GET", since(kMinute)).at("data.0.results.0.output_tokens"), "6");
}

TEST(Usage, OfErrorsAndRefusalsIsNothing) {
  SimForTest sim;
  sim.chat("sim-error-500", false);
  sim.with_key("sk-wrong", "POST", "/v1/chat/completions", "{}");
  sim.ask("POST", "/v1/chat/completions", R"({"model":"gpt-4o"})");
  EXPECT_EQ(sim.admin("GET", since(kMinute)).at("data.0.results"), "#0");
}

TEST(Usage, IsGroupedAndFiltered) {
  SimForTest sim;
  const Told first = whole_chat(sim, "gpt-4o");
  whole_chat(sim, "gpt-4o-mini");
  const auto made = sim.provider().admin().make_key_by_hand({}, SimForTest::kStart);
  ASSERT_TRUE(made);
  sim.with_key(made->secret, "POST", "/v1/responses", R"({"model":"gpt-4o","input":"x"})");
  const struct {
    const char* why;
    std::string query;
    const char* results;
    const char* requests;  // of the first
    const char* key;
    const char* model;
  } kCases[] = {
      {"all in one", "", "#1", "3", "null", "null"},
      {"by model", "&group_by[]=model", "#2", "2", "null", "gpt-4o"},
      {"by model, without brackets", "&group_by=model", "#2", "2", "null", "gpt-4o"},
      {"by key and model", "&group_by[]=api_key_id&group_by[]=model", "#3", "1", nullptr, "gpt-4o"},
      {"one key", "&group_by[]=api_key_id&api_key_ids[]=key_static", "#1", "2", "key_static",
       "null"},
      {"one model", "&models[]=gpt-4o-mini", "#1", "1", "null", "null"},
      {"no such key", "&api_key_ids[]=key_x", "#0", "", "", ""},
      {"batches: there are none", "&batch=true", "#0", "", "", ""},
  };
  for (const auto& c : kCases) {
    const Got got = sim.admin("GET", since(kMinute, c.query));
    EXPECT_EQ(got.at("data.0.results"), c.results) << c.why << got.body;
    EXPECT_EQ(got.at("data.0.results.0.num_model_requests"), c.requests) << c.why;
    if (c.key != nullptr) EXPECT_EQ(got.at("data.0.results.0.api_key_id"), c.key) << c.why;
    EXPECT_EQ(got.at("data.0.results.0.model"), c.model) << c.why;
  }
  const Got one = sim.admin(
      "GET", since(kMinute, "&models[]=gpt-4o&api_key_ids[]=key_static&group_by[]=model"));
  EXPECT_EQ(one.at("data.0.results.0.input_tokens"), first.input);
}

TEST(Usage, StandsInTheBucketOfTheCall) {
  SimForTest sim;
  whole_chat(sim);
  sim.advance(std::chrono::seconds(120));
  whole_chat(sim);
  const Got minutes = sim.admin("GET", since(kMinute));
  EXPECT_EQ(minutes.at("data"), "#3");
  EXPECT_EQ(minutes.at("data.0.results"), "#1");
  EXPECT_EQ(minutes.at("data.1.results"), "#0") << "an empty bucket is told too";
  EXPECT_EQ(minutes.at("data.2.start_time"), std::to_string(kMinute + 120));
  EXPECT_EQ(minutes.at("data.2.end_time"), std::to_string(kMinute + 180));
  const std::string day = std::to_string(kMinute / 86'400 * 86'400);
  const std::string hour = std::to_string(kMinute / 3'600 * 3'600);
  const Got days = sim.admin("GET", "/usage/completions?start_time=" + day);
  EXPECT_EQ(days.at("data.0.results.0.num_model_requests"), "2");
  const Got hours = sim.admin("GET", "/usage/completions?bucket_width=1h&start_time=" + hour);
  EXPECT_EQ(hours.at("data.0.results.0.num_model_requests"), "2");
}

TEST(Usage, GoesPageByPage) {
  SimForTest sim;
  whole_chat(sim);
  sim.advance(std::chrono::seconds(240));
  std::string page;
  std::vector<std::string> starts;
  for (int i = 0; i < 3; ++i) {
    const Got got = sim.admin("GET", since(kMinute, "&limit=2" + page));
    for (int j = 0; !got.at("data." + std::to_string(j)).empty(); ++j) {
      starts.push_back(got.at("data." + std::to_string(j) + ".start_time"));
    }
    EXPECT_EQ(got.at("has_more"), i < 2 ? "true" : "false");
    page = "&page=" + got.at("next_page");
  }
  EXPECT_EQ(page, "&page=null");
  ASSERT_EQ(starts.size(), 5u);
  EXPECT_EQ(starts.back(), std::to_string(kMinute + 240));
  EXPECT_EQ(sim.admin("GET", since(kMinute, "&page=page_x")).status, 400);
}

TEST(Usage, LagsSoManyPolls) {
  SimForTest sim({.usage_lag_polls = 2});
  whole_chat(sim);
  std::vector<std::string> seen;
  for (int i = 0; i < 3; ++i) seen.push_back(sim.admin("GET", since(kMinute)).at("data.0.results"));
  EXPECT_EQ(seen, (std::vector<std::string>{"#0", "#0", "#1"}));
}

TEST(Costs, AreTokensTimesPrice) {
  SimForTest sim({.input_usd_per_million = 1'000, .output_usd_per_million = 2'000});
  const Told told = whole_chat(sim);
  const double expected = (std::stod(told.input) + 2 * std::stod(told.output)) / 1'000;
  const std::string costs = "/costs?start_time=" + std::to_string(kMinute);
  const Got all = sim.admin("GET", costs);
  EXPECT_NEAR(std::stod(all.at("data.0.results.0.amount.value")), expected, 1e-6);
  EXPECT_EQ(all.at("data.0.results.0.amount.currency"), "usd");
  EXPECT_EQ(all.at("data.0.results.0.quantity"), "null");
  const Got items = sim.admin("GET", costs + "&group_by[]=line_item&group_by[]=api_key_id");
  EXPECT_EQ(items.at("data.0.results"), "#2");
  EXPECT_EQ(items.at("data.0.results.0.line_item"), "gpt-4o, input");
  EXPECT_EQ(items.at("data.0.results.0.quantity"), told.input);
  EXPECT_EQ(items.at("data.0.results.0.quantity_unit"), "tokens");
  EXPECT_EQ(items.at("data.0.results.0.api_key_id"), "key_static");
}

TEST(Ledger, KeepsItsSumsWhileItFolds) {
  UsageLedger ledger({});
  const Caller caller{.key_id = "key_a", .project = "p", .user = "u"};
  auto open = std::make_shared<Bill>(Bill{.endpoint = "completions", .input = 1});
  ledger.charge(60, caller, "m", open);
  for (int i = 0; i < 100; ++i) {
    ledger.charge(60, caller, "m",
                  std::make_shared<Bill>(Bill{.endpoint = "completions", .input = 2}));
  }
  open->output = 7;  // the first call is still under way
  const Answer answer = ledger.usage("completions", Query("start_time=60&bucket_width=1m"), 61);
  EXPECT_TRUE(answer.body.contains(R"("input_tokens":201)")) << answer.body;
  EXPECT_TRUE(answer.body.contains(R"("output_tokens":7)")) << answer.body;
  EXPECT_TRUE(answer.body.contains(R"("num_model_requests":101)")) << answer.body;
}

}  // namespace
}  // namespace sallyport::sim
