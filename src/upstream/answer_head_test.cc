// SPDX-License-Identifier: Apache-2.0
#include "upstream/answer_head.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace sallyport::upstream {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

TEST(AnswerHead, KeepsTheAllowListAndNothingElse) {
  net::ResponseMeta meta;
  meta.status = 200;
  meta.content_length = 7;
  meta.headers = {{"content-type", "application/json"},
                  {"x-request-id", "req_theirs"},
                  {"openai-organization", "org-ours"},
                  {"openai-project", "proj-ours"},
                  {"openai-version", "2020-10-01"},
                  {"openai-processing-ms", "5"},
                  {"set-cookie", "__cf_bm=x"},
                  {"cf-ray", "x"},
                  {"location", "https://evil.example"},
                  {"x-ratelimit-remaining-tokens", "5"},
                  {"retry-after", "1"},
                  {"retry-after-ms", "900"},
                  {"x-should-retry", "true"},
                  {"content-disposition", "attachment"},
                  {"content-length", "7"},
                  {"connection", "keep-alive"},
                  {"transfer-encoding", "chunked"},
                  {"www-authenticate", "Bearer"},
                  {"access-control-allow-origin", "*"},
                  {"content-type", "text/html"}};
  const Answer answer = keep_of_head(meta);
  const Fields kept = {{"content-type", "application/json"},
                       {"content-disposition", "attachment"},
                       {"openai-version", "2020-10-01"},
                       {"openai-processing-ms", "5"},
                       {"retry-after", "1"},
                       {"retry-after-ms", "900"},
                       {"x-should-retry", "true"}};
  EXPECT_EQ(answer.headers, kept);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_length, 7u);
  EXPECT_FALSE(answer.event_stream);
  EXPECT_EQ(request_id_of(meta), "req_theirs");
}

struct Named {
  const char* why;
  Fields headers;
  bool event_stream;
  Coding coding;
  bool json;
};

const Named kNamed[] = {
    {"nothing said", {}, false, Coding::kIdentity, false},
    {"a stream", {{"content-type", "text/event-stream"}}, true, Coding::kIdentity, false},
    {"with a parameter, in any case",
     {{"content-type", "Text/Event-Stream; charset=utf-8"}},
     true,
     Coding::kIdentity,
     false},
    {"a longer type is another type",
     {{"content-type", "text/event-stream-x"}},
     false,
     Coding::kIdentity,
     false},
    {"json", {{"content-type", "application/json; x=y"}}, false, Coding::kIdentity, true},
    {"identity", {{"content-encoding", "identity"}}, false, Coding::kIdentity, false},
    {"gzip", {{"content-encoding", "GZip"}}, false, Coding::kGzip, false},
    {"brotli", {{"content-encoding", "br"}}, false, Coding::kUnknown, false},
    {"a list", {{"content-encoding", "gzip, gzip"}}, false, Coding::kUnknown, false},
    {"twice",
     {{"content-encoding", "gzip"}, {"content-encoding", "gzip"}},
     false,
     Coding::kUnknown,
     false},
    {"gzip, then something hidden",
     {{"content-encoding", "gzip"}, {"content-encoding", "br"}},
     false,
     Coding::kUnknown,
     false},
};

TEST(AnswerHead, TypesAndCodings) {
  for (const Named& c : kNamed) {
    net::ResponseMeta meta;
    meta.headers = c.headers;
    EXPECT_EQ(keep_of_head(meta).event_stream, c.event_stream) << c.why;
    EXPECT_EQ(coding_of(meta), c.coding) << c.why;
    EXPECT_EQ(is_json(meta), c.json) << c.why;
  }
}

struct Failed {
  const char* why;
  int status;
  std::string body;
  const char* code;  // null: none
  Outcome outcome;
};

const Failed kFailed[] = {
    {"bad request", 400, R"({"error":{"code":"context_length_exceeded","type":"t"}})",
     "context_length_exceeded", Outcome::kAnswered},
    {"no code: the type", 400, R"({"error":{"code":null,"type":"invalid_request_error"}})",
     "invalid_request_error", Outcome::kAnswered},
    {"too fast", 429, R"({"error":{"code":"rate_limit_exceeded","type":"tokens"}})",
     "rate_limit_exceeded", Outcome::kRate},
    {"no money", 429, R"({"error":{"code":"insufficient_quota","type":"insufficient_quota"}})",
     "insufficient_quota", Outcome::kQuota},
    {"no money, told by the type", 429, R"({"error":{"code":null,"type":"insufficient_quota"}})",
     "insufficient_quota", Outcome::kQuota},
    {"the code counts before the type", 429,
     R"({"error":{"code":"slow_down","type":"insufficient_quota"}})", "slow_down", Outcome::kRate},
    {"the words in the text mean nothing", 400,
     R"({"error":{"code":"x","message":"insufficient_quota"}})", "x", Outcome::kAnswered},
    {"429 without a word", 429, "", nullptr, Outcome::kRate},
    {"no JSON", 500, "<html>", nullptr, Outcome::kServerError},
    {"no envelope", 503, R"({"error":"down"})", nullptr, Outcome::kServerError},
    {"a code that is not fit for a log", 400, R"({"error":{"code":"Bad\nforged line"}})", nullptr,
     Outcome::kAnswered},
    {"a code that is a number", 400, R"({"error":{"code":42}})", nullptr, Outcome::kAnswered},
    {"not found is an answer", 404, R"({"error":{"code":"model_not_found"}})", "model_not_found",
     Outcome::kAnswered},
};

TEST(AnswerHead, WhatAnErrorSaysAboutTheUpstream) {
  for (const Failed& c : kFailed) {
    const std::optional<std::string> code = error_code_of(c.body);
    EXPECT_EQ(code.value_or("-"), c.code ? c.code : "-") << c.why;
    EXPECT_EQ(outcome_of(c.status, code), c.outcome) << c.why;
  }
}

TEST(AnswerHead, RequestIdsFitForALog) {
  for (const char* bad : {"", "a b", "a\tb", "\xc3\xa4"}) {
    net::ResponseMeta meta;
    meta.headers = {{"x-request-id", bad}};
    EXPECT_FALSE(request_id_of(meta)) << bad;
  }
  net::ResponseMeta meta;
  meta.headers = {{"x-request-id", std::string(129, 'a')}};
  EXPECT_FALSE(request_id_of(meta)) << "too long";
}

}  // namespace
}  // namespace sallyport::upstream
