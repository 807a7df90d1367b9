// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/raw_peer_for_test.h"
#include "upstream/ask.h"

namespace sallyport::upstream {
namespace {

using net::RawPeer;
using Link = RawPeer::Link;

constexpr const char* kQuestion = R"({"model":"gpt-5","input":"our secret plan"})";
constexpr std::int64_t kPatienceMs = 5'000;

std::shared_ptr<const Upstreams> build(std::uint16_t port) {
  UpstreamConfig one;
  one.base_url = "http://127.0.0.1:" + std::to_string(port) + "/base/v1";
  one.api_key = std::make_shared<const Secret>("sk-proj-real");
  one.api_key_id = "key_real";
  one.organization = "org_ours";
  one.query = "api-version=1";
  Config config;
  config.upstreams = {one};
  auto built = Upstreams::build(config, nullptr, nullptr);
  EXPECT_TRUE(built) << (built ? "" : built.error().what);
  return *built;
}

struct Bench {
  explicit Bench(std::uint16_t port) : upstreams(build(port)), ask(loop, resolver, upstreams) {
    x.request_id = "req_ours";
    x.method = "POST";
    x.path = "/v1/responses";
    x.query = "theirs=1";
    x.headers = {{"openai-organization", "org_theirs"}, {"cookie", "a=b"}};
    x.principal = std::make_shared<const Principal>();
    x.loop = &loop;
    x.body.kind = BodyKind::kJson;
    x.body.bytes = kQuestion;
  }
  const Upstream& first() const { return *upstreams.snapshot()->all().front(); }

  net::Loop loop;
  net::Resolver resolver;
  Published<Upstreams> upstreams;
  Ask ask;
  Exchange x;
};

Task<void> count(Bench& bench, std::int64_t timeout_ms, std::optional<std::int64_t>& tokens) {
  std::string question = kQuestion;
  tokens = co_await bench.ask.count_input(bench.x, std::move(question), timeout_ms);
}

Task<void> count_twice(Bench& bench, std::optional<std::int64_t>& first,
                       std::optional<std::int64_t>& second) {
  co_await count(bench, kPatienceMs, first);
  co_await count(bench, kPatienceMs, second);
}

std::optional<std::int64_t> counted(Bench& bench, std::int64_t timeout_ms = kPatienceMs) {
  std::optional<std::int64_t> tokens;
  net::run_on(bench.loop, count(bench, timeout_ms, tokens));
  return tokens;
}

std::string answer(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status +
         "\r\ncontent-type: application/json\r\ncontent-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

struct Case {
  const char* why;
  std::string bytes;
  std::optional<std::int64_t> tokens = {};
};
const Case kCases[] = {
    {"a count", answer("200 OK", R"({"object":"response.input_tokens","input_tokens":11})"), 11},
    {"nothing to read is a count too",
     answer("200 OK", R"({"object":"response.input_tokens","input_tokens":0})"), 0},
    {"members that nobody knows",
     answer("200 OK", R"({"object":"response.input_tokens","input_tokens":7,"new":{}})"), 7},
    {"another object", answer("200 OK", R"({"object":"response","input_tokens":11})")},
    {"no object", answer("200 OK", R"({"input_tokens":11})")},
    {"a negative count",
     answer("200 OK", R"({"object":"response.input_tokens","input_tokens":-1})")},
    {"a count beyond all windows",
     answer("200 OK", R"({"object":"response.input_tokens","input_tokens":1000000001})")},
    {"a count with a point",
     answer("200 OK", R"({"object":"response.input_tokens","input_tokens":1.5})")},
    {"not JSON", answer("200 OK", "eleven")},
    {"no body", answer("200 OK", "")},
    {"too long an answer",
     answer("200 OK", R"({"object":"response.input_tokens","x":")" + std::string(8'192, 'x') +
                          R"(","input_tokens":11})")},
    {"it has no such endpoint", answer("404 Not Found", "{}")},
    {"our key is refused", answer("401 Unauthorized", "{}")},
    {"too fast", answer("429 Too Many", R"({"error":{"code":"insufficient_quota"}})")},
    {"it fails", answer("500 Oops", "{}")},
    {"it breaks off", "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{"},
    {"it hangs up", ""},
};

TEST(AskCount, WhatTheProviderSays) {
  for (const Case& c : kCases) {
    RawPeer peer({[&c](Link& link) {
      link.read_request();
      link.send(c.bytes);
    }});
    Bench bench(peer.port());
    EXPECT_EQ(counted(bench), c.tokens) << c.why;
    EXPECT_EQ(name(bench.first().breaker->state()), name(BreakerState::kClosed)) << c.why;
    EXPECT_FALSE(bench.x.asked) << c.why << ": nothing was generated";
    EXPECT_FALSE(bench.x.upstream_status) << c.why;
    EXPECT_FALSE(bench.x.on_cancel) << c.why;
    EXPECT_EQ(bench.x.body.bytes, kQuestion) << c.why << ": the call is still to be made";
  }
}

TEST(AskCount, GoesWhereTheCallGoesAndAsItGoes) {
  std::string request;
  RawPeer peer({[&request](Link& link) {
    request = link.read_request();
    link.send(answer("200 OK", R"({"object":"response.input_tokens","input_tokens":3})"));
    link.read_all();
  }});
  Bench bench(peer.port());
  EXPECT_EQ(counted(bench), 3);
  EXPECT_TRUE(
      request.starts_with("POST /base/v1/responses/input_tokens?api-version=1 HTTP/1.1\r\n"))
      << request;
  EXPECT_TRUE(request.contains("authorization: Bearer sk-proj-real\r\n"));
  EXPECT_TRUE(request.contains("openai-organization: org_ours\r\n"));
  EXPECT_TRUE(request.contains("x-client-request-id: req_ours\r\n"));
  EXPECT_FALSE(request.contains("org_theirs"));
  EXPECT_FALSE(request.contains("cookie"));
  EXPECT_TRUE(request.ends_with(kQuestion));
  EXPECT_EQ(bench.ask.idle_connections(), 1u) << "the call finds its connection open";
}

TEST(AskCount, NoAnswerInTimeIsNone) {
  RawPeer peer({[](Link& link) { link.read_all(); }});
  Bench bench(peer.port());
  EXPECT_EQ(counted(bench, 50), std::nullopt);
  EXPECT_EQ(bench.ask.idle_connections(), 0u) << "what comes late must not answer another";
}

TEST(AskCount, AKeptConnectionThatDiedIsReplaced) {
  const std::string eleven =
      answer("200 OK", R"({"object":"response.input_tokens","input_tokens":11})");
  RawPeer peer({[&](Link& link) {
                  link.read_request();
                  link.send(eleven);
                  link.read_request();  // and hangs up without an answer
                },
                [&](Link& link) {
                  link.read_request();
                  link.send(eleven);
                  link.read_all();
                }});
  Bench bench(peer.port());
  std::optional<std::int64_t> first, second;
  net::run_on(bench.loop, count_twice(bench, first, second));
  EXPECT_EQ(first, 11);
  EXPECT_EQ(second, 11);
  EXPECT_EQ(peer.accepted(), 2u);
}

TEST(AskCount, AnUpstreamThatFailsIsNotAskedForMoreThanTheCall) {
  RawPeer peer({});
  Bench bench(peer.port());
  for (int i = 0; i < 20; ++i) {
    const auto permit = bench.first().breaker->admit(bench.loop.now_ms());
    bench.first().breaker->report(Outcome::kConnectFailed, permit.probe, bench.loop.now_ms());
  }
  ASSERT_NE(name(bench.first().breaker->state()), name(BreakerState::kClosed));
  EXPECT_EQ(counted(bench), std::nullopt);
  EXPECT_EQ(peer.accepted(), 0u);
}

TEST(AskCount, ACallThatIsCancelledWaitsNoLonger) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.read_all();
  }});
  Bench bench(peer.port());
  std::optional<std::int64_t> tokens;
  net::Timer soon;
  bench.loop.arm(
      soon, bench.loop.now_ms() + 50,
      [](void* x) { static_cast<Exchange*>(x)->cancel(Cancel::kKeyRevoked); }, &bench.x);
  net::run_on(bench.loop, count(bench, 60'000, tokens));
  EXPECT_EQ(tokens, std::nullopt);
  EXPECT_FALSE(bench.x.on_cancel);
}

}  // namespace
}  // namespace sallyport::upstream
