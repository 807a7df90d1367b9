// SPDX-License-Identifier: Apache-2.0
#include "meter/metering.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"

namespace sallyport::meter {
namespace {

// Gives its bytes in pieces of one size.
class Pieces final : public net::BodySource {
 public:
  Pieces(std::string bytes, std::size_t piece) : bytes_(std::move(bytes)), piece_(piece) {}
  Task<Result<std::string_view>> pull() override {
    const std::string_view piece = std::string_view(bytes_).substr(at_, piece_);
    at_ += piece.size();
    co_return piece;
  }
  bool finished() const override { return at_ == bytes_.size(); }

 private:
  std::string bytes_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

std::string read_all(net::BodySource& body) {
  std::string out;
  auto all = [](net::BodySource& from, std::string& to) -> Task<void> {
    for (;;) {
      const Result<std::string_view> piece = co_await from.pull();
      if (!piece) to += "<broken>";
      if (!piece || piece->empty()) co_return;
      to.append(*piece);
    }
  };
  Task<void> task = all(body, out);
  task.await_suspend(std::noop_coroutine()).resume();
  return out;
}

class MeteringTest : public testing::Test {
 protected:
  MeteringTest()
      : prices_(*Prices::parse(R"({"version":1,"models":[
      {"model":"m","input":2.0,"cached":0.5,"output":8.0},
      {"model":"speak","characters":15.0}]})")),
        stage_(prices_) {
    x_.method = "POST";
    x_.path = "/v1/chat/completions";
    x_.model = "m";
  }

  void admit(std::string_view body, bool stream) {
    x_.body.kind = BodyKind::kJson;
    x_.body.bytes = std::string(body);
    x_.stream = stream;
    Task<std::optional<Refusal>> task = stage_.admit(x_);
    task.await_suspend(std::noop_coroutine()).resume();
    EXPECT_FALSE(task.await_resume()) << "metering refuses nobody";
  }

  std::string sent() { return read_all(*x_.body.open()); }

  // What the client gets of an event stream.
  std::string streamed(std::string_view events, std::size_t piece = 1 << 20) {
    x_.answer.status = 200;
    x_.answer.event_stream = true;
    x_.answer.body = std::make_unique<Pieces>(std::string(events), piece);
    stage_.answer(x_);
    EventStreamBody body(std::move(x_.answer.body), stream_dialect(x_.path),
                         std::move(x_.answer.event_filters));
    std::string out = read_all(body);
    stage_.finish(x_);
    return out;
  }

  std::string answered(std::string_view json, std::size_t piece, int status = 200) {
    x_.answer.status = status;
    x_.answer.headers = {{"content-type", "application/json"}};
    x_.answer.body = std::make_unique<Pieces>(std::string(json), piece);
    stage_.answer(x_);
    std::string out = read_all(*x_.answer.body);
    stage_.finish(x_);
    return out;
  }

  Published<Prices> prices_;
  Metering stage_;
  Exchange x_;
};

constexpr std::string_view kDone = "data: [DONE]\n\n";

TEST_F(MeteringTest, AChatStreamIsAskedForItsUsage) {
  struct Case {
    const char* why;
    const char* body;
    const char* sent;
    bool injected;
  };
  const Case kCases[] = {
      {"not mentioned", R"({"model":"m","stream":true})",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})", true},
      {"blanks before the end", "{\"stream\":true }\n",
       "{\"stream\":true ,\"stream_options\":{\"include_usage\":true}}\n", true},
      {"null", R"({"stream_options":null,"stream":true})",
       R"({"stream_options":{"include_usage":true},"stream":true})", true},
      {"empty", R"({"stream_options":{},"stream":true})",
       R"({"stream_options":{"include_usage":true},"stream":true})", true},
      {"refused", R"({"stream_options":{"include_usage":false},"stream":true})",
       R"({"stream_options":{"include_usage":true},"stream":true})", true},
      {"null inside", R"({"stream_options":{"include_usage": null },"stream":true})",
       R"({"stream_options":{"include_usage": true },"stream":true})", true},
      {"other options stay", R"({"stream_options":{"include_obfuscation":false},"stream":true})",
       R"({"stream_options":{"include_obfuscation":false,"include_usage":true},"stream":true})",
       true},
      {"asked for", R"({"stream_options":{"include_usage":true},"stream":true})",
       R"({"stream_options":{"include_usage":true},"stream":true})", false},
      {"asked for by escapes", R"({"stream\u005foptions":{"include\u005fusage":true},"a":1})",
       R"({"stream\u005foptions":{"include\u005fusage":true},"a":1})", false},
      {"words in a prompt are no option", R"({"messages":["\"stream_options\":{}"],"stream":true})",
       R"({"messages":["\"stream_options\":{}"],"stream":true,"stream_options":{"include_usage":true}})",
       true},
      {"a wrong type is the provider's to refuse", R"({"stream_options":1,"stream":true})",
       R"({"stream_options":1,"stream":true})", false},
  };
  for (const Case& c : kCases) {
    x_ = Exchange();
    x_.method = "POST";
    x_.path = "/v1/chat/completions";
    admit(c.body, true);
    EXPECT_EQ(sent(), c.sent) << c.why;
    EXPECT_TRUE(check_json(sent())) << c.why;
    EXPECT_EQ(x_.usage_injected, c.injected) << c.why;
  }
}

TEST_F(MeteringTest, NothingElseIsTouchedOnTheWayUp) {
  const std::string body = R"({"model":"m","stream":true})";
  admit(body, false);
  EXPECT_EQ(sent(), body) << "no stream";
  x_.path = "/v1/responses";
  admit(body, true);
  EXPECT_EQ(sent(), body) << "responses tell their usage always";
  x_.path = "/v1/chat/completions/id";
  admit(body, true);
  EXPECT_EQ(sent(), body) << "not a call that makes something";
}

TEST_F(MeteringTest, WhatTheCallerDidNotAskForIsTakenOut) {
  admit(R"({"stream":true})", true);
  const std::string chunks =
      "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n"
      "data: {\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
      "data: {\"choices\":[{}], \"usage\": null, \"obfuscation\":\"xyz\"}\r\n\r\n"
      ": ping\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"x\":{\"usage\":null}}}]}\n\n"
      "data: {\"choices\":[],\"model\":\"m\",\"service_tier\":\"default\",\"usage\":"
      "{\"prompt_tokens\":1000000,\"completion_tokens\":1000000}}\n\n";
  const std::string expected =
      "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\n\n"
      "data: {\"choices\":[{}], \"obfuscation\":\"xyz\"}\r\n\r\n"
      ": ping\n\n"
      "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":null\"}}]}\n\n"
      "data: {\"choices\":[{\"delta\":{\"x\":{\"usage\":null}}}]}\n\n";
  EXPECT_EQ(streamed(chunks + std::string(kDone)), expected + std::string(kDone));
  EXPECT_EQ(x_.usage->input, 1'000'000);
  EXPECT_DOUBLE_EQ(x_.cost_usd->usd(), 10.0);
}

TEST_F(MeteringTest, AStreamThatWasAskedForUsagePassesByteForByte) {
  admit(R"({"stream":true,"stream_options":{"include_usage":true}})", true);
  const std::string stream =
      "data: {\"choices\":[{}],\"usage\":null}\n\n"
      "data: {\"choices\":[],\"model\":\"m\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":"
      "2,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n" +
      std::string(kDone);
  EXPECT_EQ(streamed(stream, 7), stream);
  EXPECT_EQ(x_.usage->input, 5);
  EXPECT_EQ(x_.usage->cached, 4);
  EXPECT_DOUBLE_EQ(x_.cost_usd->usd(), 1 * 2e-6 + 4 * 0.5e-6 + 2 * 8e-6);
}

TEST_F(MeteringTest, UsageBesideTextLosesOnlyTheUsage) {
  admit(R"({"stream":true})", true);
  const std::string chunk =
      "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":"
      "{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n";
  EXPECT_EQ(streamed(chunk + std::string(kDone)),
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n" + std::string(kDone));
  EXPECT_EQ(x_.usage->output, 2);
}

TEST_F(MeteringTest, WhatWasUsedSoFarIsNotWhatWasUsed) {
  const std::string chunk =
      "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":5,"
      "\"completion_tokens\":1}}\n\n";
  struct Case {
    const char* why;
    const char* broken;
    bool whole;
    bool told;
  };
  const Case kCases[] = {
      {"the stream ended well", nullptr, false, true},
      {"the client left in the middle", "client_gone", false, false},
      {"the provider broke off", "upstream_disconnected", false, false},
      {"the client left, the provider was heard out", "client_gone", true, true}};
  for (const Case& c : kCases) {
    x_.usage.reset();
    admit(R"({"stream":true,"stream_options":{"continuous_usage_stats":true}})", true);
    x_.broken = c.broken;
    x_.answer_whole = c.whole;
    streamed(chunk + std::string(kDone));
    EXPECT_EQ(x_.usage.has_value(), c.told) << c.why;
    x_.body = RequestBody();
  }
}

TEST_F(MeteringTest, AResponseStreamTellsAtItsEnd) {
  x_.path = "/v1/responses";
  admit(R"({"stream":true})", true);
  const std::string stream =
      "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null},"
      "\"sequence_number\":0}\n\n"
      "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":"
      "\"m-2025-01-01\",\"usage\":{\"input_tokens\":10,\"output_tokens\":3}},"
      "\"sequence_number\":1}\n\n";
  EXPECT_EQ(streamed(stream), stream);
  EXPECT_EQ(x_.usage->input, 10);
  EXPECT_EQ(x_.usage->model, "m-2025-01-01");
  EXPECT_TRUE(x_.cost_usd);
}

TEST_F(MeteringTest, AnEventOfMegabytesStillTells) {
  const std::string big(3 << 20, 'A');
  x_.path = "/v1/responses";
  admit(R"({"stream":true})", true);
  const std::string stream =
      "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":"
      "[\"" +
      big +
      "\"],\"model\":\"m\",\"usage\":{\"input_tokens\":10,\"output_tokens\":3}},"
      "\"sequence_number\":1}\n\n";
  EXPECT_EQ(streamed(stream, 16'384), stream);
  EXPECT_EQ(x_.usage->output, 3);
  x_.usage.reset();
  x_.path = "/v1/images/generations";
  const std::string picture = "event: image_generation.completed\ndata: {\"b64_json\":\"" + big +
                              "\",\"usage\":{\"input_tokens\":5,\"output_tokens\":9}}\n\n";
  EXPECT_EQ(streamed(picture, 16'384), picture);
  EXPECT_EQ(x_.usage->output, 9);
}

TEST_F(MeteringTest, AStreamWithoutUsageHasNoCost) {
  admit(R"({"stream":true})", true);
  EXPECT_EQ(streamed("data: {\"choices\":[{}]}\n\n" + std::string(kDone)),
            "data: {\"choices\":[{}]}\n\n" + std::string(kDone));
  EXPECT_FALSE(x_.usage);
  EXPECT_FALSE(x_.cost_usd) << "unknown, not 0";
}

TEST_F(MeteringTest, EventsThatAreNotJsonPassUntouched) {
  admit(R"({"stream":true})", true);
  const std::string stream =
      "data: {\"choices\":[],\"usage\":null\n\ndata: \"usage\"\n\n"
      "data: {\"usage\":1,\"usage\":null}\n\n" +
      std::string(kDone);
  EXPECT_EQ(streamed(stream), stream);
}

TEST_F(MeteringTest, AnAnswerAtOnceIsReadAsItPasses) {
  const std::string json = R"({"id":"x","model":"m","choices":[{"message":{"content":"\"usage\""}}],
      "usage":{"prompt_tokens":10,"completion_tokens":5},"service_tier":"default"})";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, json.size()}) {
    x_.usage.reset();
    x_.cost_usd.reset();
    admit(R"({"model":"m"})", false);
    EXPECT_EQ(answered(json, piece), json);
    ASSERT_TRUE(x_.usage);
    EXPECT_EQ(x_.usage->input, 10);
    EXPECT_EQ(x_.usage->model, "m");
    EXPECT_EQ(x_.usage->service_tier, "default");
    EXPECT_DOUBLE_EQ(x_.cost_usd->usd(), 10 * 2e-6 + 5 * 8e-6);
  }
}

TEST_F(MeteringTest, WithoutANameInTheAnswerTheOrderedModelCounts) {
  admit(R"({"model":"m"})", false);
  answered(R"({"usage":{"prompt_tokens":10,"completion_tokens":5}})", 1000);
  EXPECT_TRUE(x_.cost_usd);
}

TEST_F(MeteringTest, ReadingAStoredAnswerAgainIsNotPaidTwice) {
  const std::string json = R"({"model":"m","usage":{"input_tokens":10,"output_tokens":5}})";
  const struct {
    const char* method;
    const char* path;
  } kReads[] = {{"GET", "/v1/responses/resp_1"},
                {"POST", "/v1/responses/resp_1/cancel"},
                {"GET", "/v1/chat/completions/chatcmpl-1"},
                {"POST", "/v1/chat/completions/chatcmpl-1"},
                {"GET", "/v1/batches/batch_1"}};
  for (const auto& read : kReads) {
    x_.method = read.method;
    x_.path = read.path;
    EXPECT_EQ(answered(json, 1000), json);
    EXPECT_FALSE(x_.usage) << read.method << read.path;
  }
}

TEST_F(MeteringTest, AFailedCallCostsNothing) {
  admit(R"({"model":"m"})", false);
  answered(R"({"model":"m","usage":{"prompt_tokens":10,"completion_tokens":5}})", 1000, 500);
  EXPECT_FALSE(x_.usage);
  EXPECT_FALSE(x_.cost_usd);
}

TEST_F(MeteringTest, SpeechIsBilledByTheRequestsCharacters) {
  x_.path = "/v1/audio/speech";
  x_.model = "speak";
  admit(R"({"model":"speak","input":"\u00e9\ud83d\ude00a"})", false);
  EXPECT_EQ(x_.usage->characters, 3);
  x_.answer.status = 200;
  x_.answer.headers = {{"content-type", "audio/mpeg"}};
  x_.answer.body = std::make_unique<Pieces>("sound", 10);
  stage_.answer(x_);
  EXPECT_EQ(read_all(*x_.answer.body), "sound");
  stage_.finish(x_);
  EXPECT_DOUBLE_EQ(x_.cost_usd->usd(), 3 * 15e-6);
}

}  // namespace
}  // namespace sallyport::meter
