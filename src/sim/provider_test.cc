// SPDX-License-Identifier: Apache-2.0
// Golden folders hold whole answers (tests/golden/sim/<story>/: request.json and answer.txt); the
// table below holds what a call may ask for. SALLYPORT_GOLDEN=write writes the answers anew.
#include "sim/provider.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"
#include "sim/sim_for_test.h"
#include "sim/sim_server.h"

namespace sallyport::sim {
namespace {

using Sim = SimForTest;

std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(Golden, EveryAnswerIsAsItWas) {
  const std::filesystem::path root = std::string(SALLYPORT_SOURCE_DIR) + "/tests/golden/sim";
  const char* mode = std::getenv("SALLYPORT_GOLDEN");
  std::size_t stories = 0;
  for (const auto& story : std::filesystem::directory_iterator(root)) {
    ++stories;
    const Result<JsonValue> asked = JsonValue::parse(read(story.path() / "request.json"));
    ASSERT_TRUE(asked) << story.path();
    Sim sim;
    const Got got = sim.ask(*asked->at("method")->string(), *asked->at("path")->string(),
                            asked->at("body")->string().value_or(""));
    std::string text = std::to_string(got.status) + " " + got.header("content-type") + "\n";
    text += got.body + "\n";
    const auto file = story.path() / "answer.txt";
    if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(file) << text;
    EXPECT_EQ(read(file), text) << story.path();
  }
  EXPECT_GE(stories, 15u);
}

TEST(Credential, WhatOpenAiAnswersToEachKind) {
  const struct {
    const char* why;
    std::string header;
    int status;
    const char* code;
  } kCases[] = {
      {"the right key passes", "Bearer sk-sim", 200, ""},
      {"a wrong key is quoted shortened", "Bearer sk-proj-abcdefghijklmnop", 401,
       "sk-proj-************mnop"},
      {"an empty key is wrong", "Bearer ", 401, "invalid_api_key"},
      {"another scheme is wrong", "Basic sk-sim", 401, "invalid_api_key"},
  };
  for (const auto& c : kCases) {
    Sim sim;
    const Got got = sim.ask("GET", "/v1/models", "", {{"authorization", c.header}});
    EXPECT_EQ(got.status, c.status) << c.why;
    EXPECT_TRUE(got.body.contains(c.code)) << c.why << got.body;
  }
}

TEST(Errors, EachNameItsStatusTypeAndRetryAfter) {
  const struct {
    const char* model;
    int status;
    const char* contains;
    const char* retry_after;
  } kCases[] = {
      {"sim-error-429-rate", 429, R"("code":"rate_limit_exceeded")", "1"},
      {"sim-error-429-rate+retry-after-9", 429, R"("code":"rate_limit_exceeded")", "9"},
      {"sim-error-429-quota", 429, R"("code":"insufficient_quota")", ""},
      {"sim-error-500", 500, R"("type":"server_error")", ""},
      {"sim-error-503", 503, R"("code":"server_is_overloaded")", "1"},
      {"sim-error-context", 400, R"("code":"context_length_exceeded")", ""},
      {"gpt-nonexistent", 404, R"("code":"model_not_found")", ""},
      {"mistral", 404, R"("code":"model_not_found")", ""},
  };
  for (const auto& c : kCases) {
    Sim sim;
    const Got got = sim.chat(c.model);
    EXPECT_EQ(got.status, c.status) << c.model;
    EXPECT_TRUE(got.body.contains(c.contains)) << c.model << got.body;
    EXPECT_EQ(got.header("retry-after"), c.retry_after) << c.model;
  }
}

TEST(Stream, WhatAModelNameAsksFor) {
  const struct {
    const char* model;
    bool broke;
    const char* has;
    const char* lacks;
  } kCases[] = {
      {"sim-plain", false, "data: [DONE]\n\n", "\r"},
      {"sim-no-done", false, "finish_reason\":\"stop", "[DONE]"},
      {"sim-die-midstream", true, "chat.completion.chunk", "[DONE]"},
      {"sim-die-in-event", true, "chat.completion.chunk", "[DONE]"},
      {"sim-die-before-head", true, "", "data:"},
      {"sim-error-midstream", false, R"(data: {"error":)", "[DONE]"},
      {"sim-crlf", false, "data: [DONE]\r\n\r\n", "\n\n"},
      {"sim-comments", false, ": keep-alive\n\ndata: [DONE]", "\r"},
      {"sim-tools", false, "\"finish_reason\":\"tool_calls\"", "\r"},
      {"sim-echo", false, "世界", "\r"},
  };
  for (const auto& c : kCases) {
    Sim sim;
    const Got got = sim.chat(c.model);
    EXPECT_EQ(got.broke, c.broke) << c.model;
    EXPECT_TRUE(got.body.contains(c.has)) << c.model << "\n" << got.body;
    EXPECT_FALSE(got.body.contains(c.lacks)) << c.model << "\n" << got.body;
  }
}

TEST(Stream, DiesInTheMiddleAndSaysSoInTheLog) {
  Sim sim;
  const Got got = sim.chat("sim-die-midstream+chunks-40");
  EXPECT_EQ(got.pieces.size(), 5u);
  EXPECT_TRUE(sim.log().contains(R"("died":true)")) << sim.log();
  Sim half;
  const Got event = half.chat("sim-die-in-event+chunks-40");
  EXPECT_FALSE(event.pieces.back().ends_with("\n\n"));
  Sim json;
  const Got whole = json.chat("sim-die-midstream", false);
  EXPECT_TRUE(whole.broke);
  EXPECT_EQ(whole.pieces.size(), 1u);
}

TEST(Stream, SplitsInsideCharactersAndLosesNothing) {
  Sim sim;
  const Got whole = sim.chat("sim-chunks-40");
  const Got split = sim.chat("sim-split-utf8+chunks-40");
  EXPECT_GT(split.pieces.size(), whole.pieces.size()) << "no piece was split";
  const bool inside = std::ranges::any_of(split.pieces, [](const std::string& piece) {
    return (static_cast<unsigned char>(piece.front()) & 0xc0) == 0x80;
  });
  EXPECT_TRUE(inside) << "no piece begins inside a character";
}

TEST(Text, OfTheSizeAskedFor) {
  Sim sim;
  const Got got = sim.chat("sim-big-100000", false);
  const Result<JsonValue> answer = JsonValue::parse(got.body);
  ASSERT_TRUE(answer);
  const JsonValue choice = answer->at("choices")->items().at(0);
  EXPECT_EQ(choice.at("message")->at("content")->string()->size(), 100'000u);
}

TEST(Text, TheSameForTheSameRequestAndSeed) {
  Sim one;
  Sim other({.seed = 7});
  const Got first = one.chat("gpt-5.5");
  EXPECT_EQ(first.body, one.chat("gpt-5.5").body);
  EXPECT_NE(first.body, other.chat("gpt-5.5").body) << "the seed changes nothing";
  EXPECT_NE(one.chat("gpt-5.5").header("x-request-id"), first.header("x-request-id"));
}

TEST(Faults, StrikeTheirShare) {
  Sim always({.faults = {{"error-503", 1.0}}});
  EXPECT_EQ(always.chat("gpt-5.5").status, 503);
  Sim half({.faults = {{"error-503", 0.5}}});
  int broken = 0;
  for (int i = 0; i < 200; ++i) broken += half.chat("gpt-5.5").status == 503;
  EXPECT_GT(broken, 60);
  EXPECT_LT(broken, 140);
}

TEST(Log, HoldsHeadsAndDigestsButNoCredential) {
  Sim sim({.key = "sk-very-secret", .logged_max = 2});
  sim.ask("POST", "/v1/embeddings", R"({"model":"text-embedding-3-small","input":"x"})",
          {{"authorization", "Bearer sk-very-secret"}, {"x-custom", "kept"}});
  const std::string log = sim.log();
  EXPECT_FALSE(log.contains("sk-very-secret"));
  EXPECT_TRUE(log.contains("Bearer sha256:" + to_hex(sha256("sk-very-secret"))));
  EXPECT_TRUE(log.contains(R"(["x-custom","kept"])"));
  EXPECT_TRUE(log.contains(to_hex(sha256(R"({"model":"text-embedding-3-small","input":"x"})"))));
  for (int i = 0; i < 3; ++i) sim.ask("GET", "/v1/nothing", "");
  EXPECT_TRUE(sim.log().contains(R"("seen":4)"));
  EXPECT_FALSE(sim.log().contains("embeddings")) << "the oldest must be forgotten";
  Sim closed({.request_log = false});
  EXPECT_EQ(closed.ask("GET", "/sim/requests", "").status, 404);
}

TEST(Files, UploadListReadDelete) {
  Sim sim({.files_max = 1});
  const std::string body =
      "--B\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n"
      "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n"
      "Content-Type: text/plain\r\n\r\nline\r\nline\r\n--B--\r\n";
  const std::pair<std::string, std::string> type = {"content-type",
                                                    "multipart/form-data; boundary=B"};
  const Got made = sim.ask("POST", "/v1/files", body, {type});
  ASSERT_EQ(made.status, 200) << made.body;
  const Result<JsonValue> parsed = JsonValue::parse(made.body);
  const std::string id(*parsed->at("id")->string());
  EXPECT_EQ(parsed->at("bytes")->integer(), 10);
  EXPECT_TRUE(sim.ask("GET", "/v1/files", "").body.contains(id));
  EXPECT_EQ(sim.ask("GET", "/v1/files/" + id + "/content", "").body, "line\r\nline");
  EXPECT_EQ(sim.ask("POST", "/v1/files", body, {type}).status, 400) << "over files_max";
  EXPECT_EQ(sim.ask("DELETE", "/v1/files/" + id, "").status, 200);
  EXPECT_EQ(sim.ask("GET", "/v1/files/" + id, "").status, 404);
}

TEST(Form, WhatIsAndWhatIsNotOne) {
  const struct {
    const char* why;
    std::string body;
    bool good;
  } kCases[] = {
      {"one part", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--\r\n", true},
      {"no last line end", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--", true},
      {"cut off", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B", false},
      {"not closed", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1", false},
      {"no name", "--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--\r\n", false},
      {"no disposition", "--B\r\nX: y\r\n\r\n1\r\n--B--\r\n", false},
      {"something behind", "--B\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--B--xx",
       false},
      {"nothing", "", false},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Form::parse("multipart/form-data; boundary=B", c.body).has_value(), c.good) << c.why;
  }
}

TEST(Server, ServesOnAPortItPicked) {
  net::Loop loop;
  auto server = SimServer::open(loop, {.listen = {*IpAddress::parse("127.0.0.1"), 0}});
  ASSERT_TRUE(server) << server.error().what;
  EXPECT_NE((*server)->address().port, 0);
  loop.drop_tasks();
}

}  // namespace
}  // namespace sallyport::sim
