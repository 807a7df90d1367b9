// SPDX-License-Identifier: Apache-2.0
#include "upstream/ask.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/raw_peer_for_test.h"

namespace sallyport::upstream {
namespace {

using net::RawPeer;
using Link = RawPeer::Link;

constexpr const char* kProviderKey = "sk-proj-real";

UpstreamConfig config_for(std::uint16_t port) {
  UpstreamConfig config;
  config.base_url = "http://127.0.0.1:" + std::to_string(port) + "/v1";
  config.api_key = std::make_shared<const Secret>(kProviderKey);
  config.api_key_id = "key_real";
  config.breaker_calls_min = 3;
  return config;
}

std::shared_ptr<const Upstreams> build(std::vector<UpstreamConfig> configs,
                                       Breaker::Observer observer = nullptr) {
  Config config;
  config.upstreams = std::move(configs);
  auto built = Upstreams::build(config, std::move(observer), nullptr);
  EXPECT_TRUE(built) << (built ? "" : built.error().what);
  return *built;
}

// The last stage on a loop of its own.
struct Bench {
  explicit Bench(UpstreamConfig config) : Bench(std::vector{std::move(config)}) {}
  explicit Bench(std::vector<UpstreamConfig> configs)
      : upstreams(build(std::move(configs))), ask(loop, resolver, upstreams) {}
  net::Loop loop;
  net::Resolver resolver;
  Published<Upstreams> upstreams;
  Ask ask;
  const Upstream& first() const { return *upstreams.snapshot()->all().front(); }
};

std::unique_ptr<Exchange> request(const std::string& method = "POST") {
  auto x = std::make_unique<Exchange>();
  x->request_id = "req_ours";
  x->method = method;
  x->path = "/v1/chat/completions";
  x->principal = std::make_shared<const Principal>();
  if (method == "POST") {
    x->body.kind = BodyKind::kJson;
    x->body.content_type = "application/json";
    x->body.bytes = "{}";
  }
  return x;
}

// What came of one exchange.
struct Seen {
  std::optional<Refusal> refusal;
  std::string body;
  std::string error;  // of the body
};

Task<void> read_body(Exchange& x, Seen& seen) {
  while (x.answer.body) {
    const Result<std::string_view> piece = co_await x.answer.body->pull();
    if (!piece) seen.error = name(piece.error().code);
    if (!piece || piece->empty()) break;
    seen.body += *piece;
  }
  x.answer.body.reset();
}

Task<void> exchange(Bench& bench, Exchange& x, Seen& seen) {
  x.loop = &bench.loop;
  seen.refusal = co_await bench.ask.admit(x);
  if (!seen.refusal) {
    co_await read_body(x, seen);
  }
}

Seen run(Bench& bench, Exchange& x) {
  Seen seen;
  net::run_on(bench.loop, exchange(bench, x, seen));
  return seen;
}

std::string gzip(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 1'000, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

std::string answer(const std::string& status, const std::string& fields, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + fields + "content-length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

struct Case {
  const char* why;
  std::string bytes;    // what the provider sends, then it closes
  const char* refused;  // code of our refusal; "" when the answer goes on
  int status;           // of the refusal or of the answer
  std::string body = {};
  const char* error_code = "";
  const char* broke = "";  // the body did not end well
  BreakerState breaker = BreakerState::kClosed;
};

const std::string kJson = "content-type: application/json\r\n";
const std::string kLeak =
    R"({"error":{"message":"Incorrect API key provided: sk-proj-***eal","code":"invalid_api_key"}})";
const std::string kQuota = R"({"error":{"code":"insufficient_quota","type":"insufficient_quota"}})";
const std::string kRate = R"({"error":{"code":"rate_limit_exceeded","type":"requests"}})";
const std::string kLarge =
    R"({"error":{"code":"x","message":")" + std::string(100'000, 'm') + "\"}}";

const Case kCases[] = {
    {"an answer goes on", answer("200 OK", kJson, "{}"), "", 200, "{}"},
    {"an empty answer", answer("200 OK", "", ""), "", 200},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", "", 204},
    {"chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "", 200,
     "ab"},
    {"a client's mistake goes on with its code",
     answer("400 Bad Request", kJson, R"({"error":{"code":"bad_thing"}})"), "", 400,
     R"({"error":{"code":"bad_thing"}})", "bad_thing"},
    {"an error without an envelope", answer("404 Not Found", "", "no"), "", 404, "no",
     "upstream_error"},
    {"a large error goes on whole", answer("400 Bad Request", kJson, kLarge), "", 400, kLarge,
     "upstream_error"},
    {"401 is our credential's fault", answer("401 Unauthorized", kJson, kLeak),
     "upstream_auth_failed", 502},
    {"403 too", answer("403 Forbidden", kJson, kLeak), "upstream_auth_failed", 502},
    {"a server error goes on", answer("500 Oops", "", "x"), "", 500, "x", "upstream_error"},
    {"no money closes the door", answer("429 Too Many", kJson, kQuota), "", 429, kQuota,
     "insufficient_quota", "", BreakerState::kQuota},
    {"too fast does not", answer("429 Too Many", kJson, kRate), "", 429, kRate,
     "rate_limit_exceeded"},
    {"two framings",
     "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
     "upstream_malformed", 502},
    {"a bare line feed", "HTTP/1.1 200 OK\ncontent-length: 0\n\n", "upstream_malformed", 502},
    {"switching protocols", "HTTP/1.1 101 Switching\r\n\r\n", "upstream_malformed", 502},
    {"an encoding that cannot be looked into", answer("200 OK", "content-encoding: br\r\n", "xx"),
     "upstream_malformed", 502},
    {"gzip is undone", answer("200 OK", "content-encoding: gzip\r\n", gzip("hello")), "", 200,
     "hello"},
    {"a gzipped error is read too",
     answer("429 Too Many", kJson + "content-encoding: gzip\r\n", gzip(kQuota)), "", 429, kQuota,
     "insufficient_quota", "", BreakerState::kQuota},
    {"gzip that is none", answer("200 OK", "content-encoding: gzip\r\n", "hello"), "", 200, "", "",
     "corrupt"},
    {"bytes behind the gzip member",
     answer("200 OK", "content-encoding: gzip\r\n", gzip("hello") + "x"), "", 200, "hello", "",
     "corrupt"},
    {"no answer", "", "upstream_disconnected", 502},
    {"the body breaks off", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", "", 200, "ab", "",
     "unavailable"},
    {"a chunk breaks off", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nab", "", 200,
     "ab", "", "unavailable"},
    {"a bad chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "", 200, "", "",
     "corrupt"},
    {"an error that breaks off",
     "HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
     "upstream_disconnected", 502},
};

TEST(Ask, WhatTheProviderSaysAndWhatTheClientGets) {
  for (const Case& c : kCases) {
    RawPeer peer({[&c](Link& link) {
      link.read_request();
      link.send(c.bytes);
    }});
    Bench bench(config_for(peer.port()));
    const auto x = request();
    const Seen seen = run(bench, *x);
    if (*c.refused) {
      ASSERT_TRUE(seen.refusal) << c.why;
      EXPECT_STREQ(seen.refusal->code, c.refused) << c.why;
      EXPECT_EQ(seen.refusal->status, c.status) << c.why;
      EXPECT_FALSE(seen.refusal->message.contains("sk-")) << c.why;
    } else {
      ASSERT_FALSE(seen.refusal) << c.why << ": " << seen.refusal->code;
      EXPECT_EQ(x->answer.status, c.status) << c.why;
    }
    EXPECT_TRUE(seen.body == c.body) << c.why << ": " << seen.body.substr(0, 200);
    EXPECT_EQ(x->error_code.value_or(""), c.error_code) << c.why;
    EXPECT_EQ(seen.error, c.broke) << c.why;
    EXPECT_EQ(name(bench.first().breaker->state()), name(c.breaker)) << c.why;
    EXPECT_EQ(peer.accepted(), 1u) << c.why << ": a POST is never sent twice";
  }
}

TEST(Ask, FillsTheExchange) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.send(answer("200 OK", kJson + "x-request-id: req_theirs\r\nset-cookie: a=b\r\n", "{}"));
  }});
  Bench bench(config_for(peer.port()));
  const auto x = request();
  run(bench, *x);
  EXPECT_EQ(x->upstream_name, "openai");
  EXPECT_EQ(x->upstream_status, 200);
  EXPECT_EQ(x->upstream_request_id, "req_theirs");
  EXPECT_EQ(x->provider_key_id, "key_real");
  EXPECT_EQ(x->answer.content_length, 2u);
  const std::vector<std::pair<std::string, std::string>> kept = {
      {"content-type", "application/json"}};
  EXPECT_EQ(x->answer.headers, kept);
  EXPECT_TRUE(x->body.bytes.empty()) << "given up once it was sent";
}

// Invariants 3 and 8: the client's credential stays here and nothing it says steers the address.
TEST(Ask, ExactlyTheseBytesGoUp) {
  std::string got;
  RawPeer peer({[&got](Link& link) {
    got = link.read_request();
    link.send(answer("200 OK", "", ""));
  }});
  Bench bench(config_for(peer.port()));
  const auto x = request();
  x->query = "a=b";
  x->headers = {{"Authorization", "Bearer sk-sp1-client"},
                {"Host", "evil.example"},
                {"X-Forwarded-Host", "evil.example"},
                {"Cookie", "c=d"},
                {"X-Sallyport-Module", "m"},
                {"X-Stainless-Lang", "js"}};
  run(bench, *x);
  EXPECT_EQ(got, "POST /v1/chat/completions?a=b HTTP/1.1\r\nhost: 127.0.0.1:" +
                     std::to_string(peer.port()) +
                     "\r\nauthorization: Bearer sk-proj-real\r\ncontent-type: application/json\r\n"
                     "content-length: 2\r\naccept: */*\r\naccept-encoding: identity\r\n"
                     "user-agent: sallyport\r\nx-client-request-id: req_ours\r\n"
                     "x-stainless-lang: js\r\n\r\n{}");
}

Task<void> two(Bench& bench, Exchange& a, Exchange& b, std::vector<Seen>& seen) {
  co_await exchange(bench, a, seen.emplace_back());
  co_await exchange(bench, b, seen.emplace_back());
}

TEST(Ask, UsesAConnectionAgainAfterACleanEnd) {
  RawPeer peer({[](Link& link) {
    while (!link.read_request().empty()) link.send(answer("200 OK", "", "hi"));
  }});
  Bench bench(config_for(peer.port()));
  const auto a = request();
  const auto b = request();
  std::vector<Seen> seen;
  net::run_on(bench.loop, two(bench, *a, *b, seen));
  EXPECT_EQ(seen[0].body + seen[1].body, "hihi");
  EXPECT_EQ(peer.accepted(), 1u);
  EXPECT_EQ(bench.first().counters->reused, 1u);
  EXPECT_EQ(bench.ask.idle_connections(), 1u);
}

struct Retry {
  const char* why;
  const char* method;
  const char* refused;
  std::size_t connections;
};

const Retry kRetries[] = {
    {"a kept connection that dies under a GET is no error", "GET", "", 2},
    {"a POST may have been read: it is not sent again", "POST", "upstream_disconnected", 1},
};

TEST(Ask, RetriesOnlyWhatTheProviderCannotHaveSeen) {
  for (const Retry& c : kRetries) {
    RawPeer peer({[](Link& link) {
                    link.read_request();
                    link.send(answer("200 OK", "", ""));
                    link.read_request();  // the second one is read and gets no answer
                  },
                  [](Link& link) {
                    link.read_request();
                    link.send(answer("200 OK", "", "again"));
                  }});
    Bench bench(config_for(peer.port()));
    const auto a = request("GET");
    const auto b = request(c.method);
    std::vector<Seen> seen;
    net::run_on(bench.loop, two(bench, *a, *b, seen));
    EXPECT_STREQ(seen[1].refusal ? seen[1].refusal->code : "", c.refused) << c.why;
    EXPECT_EQ(peer.accepted(), c.connections) << c.why;
    if (!*c.refused) {
      EXPECT_EQ(seen[1].body, "again") << c.why;
    }
  }
}

TEST(Ask, AFailedConnectIsTriedAgainAndThenSaid) {
  std::uint16_t nobody = 0;
  {
    RawPeer gone({});
    nobody = gone.port();
  }
  Bench bench(config_for(nobody));
  const auto x = request();
  const Seen seen = run(bench, *x);
  ASSERT_TRUE(seen.refusal);
  EXPECT_STREQ(seen.refusal->code, "upstream_unreachable");
  EXPECT_EQ(bench.first().counters->retries, 2u);
  EXPECT_EQ(bench.first().counters->faults[static_cast<std::size_t>(Fault::kConnect)], 1u);
}

TEST(Ask, NoAnswerInTime) {
  RawPeer peer({[](Link& link) { link.read_all(); }});
  UpstreamConfig config = config_for(peer.port());
  config.first_byte_ms = 20;
  Bench bench(config);
  const auto x = request();
  const Seen seen = run(bench, *x);
  ASSERT_TRUE(seen.refusal);
  EXPECT_EQ(seen.refusal->status, 504);
  EXPECT_STREQ(seen.refusal->code, "upstream_timeout");
}

Task<void> fail_often(Bench& bench, int times, std::vector<Seen>& seen) {
  for (int i = 0; i < times; ++i) {
    const auto x = request();
    co_await exchange(bench, *x, seen.emplace_back());
  }
}

TEST(Ask, AFailingProviderIsLeftAlone) {
  std::atomic<int> asked{0};
  RawPeer peer({[&asked](Link& link) {
    while (!link.read_request().empty()) {
      ++asked;
      link.send(answer("500 Oops", "", ""));
    }
  }});
  Bench bench(config_for(peer.port()));
  std::vector<Seen> seen;
  net::run_on(bench.loop, fail_often(bench, 5, seen));
  EXPECT_FALSE(seen[2].refusal);
  ASSERT_TRUE(seen[3].refusal);
  EXPECT_EQ(seen[3].refusal->status, 503);
  EXPECT_STREQ(seen[3].refusal->code, "upstream_unavailable");
  EXPECT_EQ(seen[3].refusal->retry_after_s, 15);
  EXPECT_EQ(asked, 3) << "nothing was sent while it was open";
}

TEST(Ask, WhoBringsAnOrganisationCannotCloseTheDoor) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.send(answer("429 Too Many", kJson, kQuota));
  }});
  Bench bench(config_for(peer.port()));
  const auto x = request();
  Principal principal;
  principal.may_name_organization = true;
  x->principal = std::make_shared<const Principal>(std::move(principal));
  x->headers = {{"OpenAI-Organization", "org-broke"}};
  run(bench, *x);
  EXPECT_EQ(x->answer.status, 429);
  EXPECT_EQ(bench.first().breaker->state(), BreakerState::kClosed);
}

struct Later {
  net::Timer timer;
  Exchange* x;
  static void cancel(void* self) { static_cast<Later*>(self)->x->cancel(Cancel::kClientGone); }
};

Task<void> exchange_and_cancel(Bench& bench, Exchange& x, Seen& seen) {
  Later later;
  later.x = &x;
  bench.loop.arm(later.timer, bench.loop.now_ms() + 30, &Later::cancel, &later);
  co_await exchange(bench, x, seen);
}

struct Cancelled {
  const char* why;
  std::string bytes;
  bool refused;
};

TEST(Ask, CancellingWakesTheWaitAndClosesTheConnection) {
  const Cancelled cancelled[] = {
      {"before the answer", "", true},
      {"in the middle of the body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", false},
      {"in the middle of an error",
       "HTTP/1.1 400 Bad\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\nab", true},
  };
  for (const Cancelled& c : cancelled) {
    std::promise<void> closed;
    RawPeer peer({[&](Link& link) {
      link.read_request();
      link.send(c.bytes);
      link.read_all();
      closed.set_value();
    }});
    Bench bench(config_for(peer.port()));
    const auto x = request();
    Seen seen;
    net::run_on(bench.loop, exchange_and_cancel(bench, *x, seen));
    if (c.refused) {
      ASSERT_TRUE(seen.refusal) << c.why;
      EXPECT_EQ(seen.refusal->status, 499) << c.why;
    } else {
      EXPECT_EQ(seen.error, "unavailable") << c.why;
    }
    EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready)
        << c.why;
    EXPECT_EQ(bench.ask.idle_connections(), 0u) << c.why;
    EXPECT_EQ(bench.first().counters->faults[static_cast<std::size_t>(Fault::kDisconnected)], 0u)
        << c.why << ": it was not the provider's fault";
  }
}

Task<void> drop_body(Bench& bench, Exchange& x, Seen& seen) {
  seen.refusal = co_await bench.ask.admit(x);
  x.answer.body.reset();
}

TEST(Ask, ABodyThatIsDroppedClosesItsConnection) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab");
    link.read_all();
  }});
  Bench bench(config_for(peer.port()));
  const auto x = request();
  Seen seen;
  net::run_on(bench.loop, drop_body(bench, *x, seen));
  EXPECT_FALSE(seen.refusal);
  EXPECT_EQ(bench.ask.idle_connections(), 0u);
}

Task<void> reload_in_between(Bench& bench, Exchange& a, Exchange& b,
                             std::shared_ptr<const Upstreams> next, std::promise<void>& go_on,
                             std::vector<Seen>& seen) {
  seen.resize(2);
  seen[0].refusal = co_await bench.ask.admit(a);
  bench.upstreams.publish(next);
  co_await exchange(bench, b, seen[1]);
  go_on.set_value();
  co_await read_body(a, seen[0]);
}

TEST(Ask, AReloadLeavesExchangesUnderWayAlone) {
  std::promise<void> go_on;
  RawPeer before({[&](Link& link) {
    link.read_request();
    link.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbef");
    go_on.get_future().wait();
    link.send("ore");
    link.read_all();
  }});
  RawPeer after({[](Link& link) {
    link.read_request();
    link.send(answer("200 OK", "", "after"));
    link.read_all();
  }});
  Bench bench(config_for(before.port()));
  const auto a = request();
  const auto b = request();
  std::vector<Seen> seen;
  net::run_on(bench.loop,
              reload_in_between(bench, *a, *b, build({config_for(after.port())}), go_on, seen));
  EXPECT_EQ(seen[0].body, "before");
  EXPECT_EQ(seen[1].body, "after");
  EXPECT_EQ(bench.ask.idle_connections(), 1u) << "the old upstream's connection is not kept";
}

TEST(Upstreams, TheKeyChoosesThenTheModelThenTheFirst) {
  UpstreamConfig openai = config_for(1);
  UpstreamConfig azure = config_for(2);
  azure.name = "azure";
  azure.models = {"gpt-4o", "o3-*"};
  const auto upstreams = build({openai, azure});
  const auto chosen = [&](std::optional<std::string> key, std::optional<std::string> model) {
    const auto upstream = upstreams->choose(key, model);
    return upstream ? upstream->config.name : "none";
  };
  EXPECT_EQ(chosen({}, {}), "openai");
  EXPECT_EQ(chosen({}, "gpt-4o"), "azure");
  EXPECT_EQ(chosen({}, "gpt-4o-mini"), "openai") << "exact unless it ends in a star";
  EXPECT_EQ(chosen({}, "o3-mini"), "azure");
  EXPECT_EQ(chosen("openai", "o3-mini"), "openai");
  EXPECT_EQ(chosen("gone", "o3-mini"), "none") << "never another one instead";
}

TEST(Upstreams, RefusesWhatWouldBreakAHead) {
  UpstreamConfig line_end = config_for(1);
  line_end.api_key = std::make_shared<const Secret>("sk-x\n");
  UpstreamConfig query = config_for(1);
  query.query = "a=b c";
  UpstreamConfig address = config_for(1);
  address.base_url = "127.0.0.1/v1";
  UpstreamConfig organization = config_for(1);
  organization.organization = "a\r\nb";
  for (const UpstreamConfig& bad : {line_end, query, address, organization}) {
    Config config;
    config.upstreams = {bad};
    const auto built = Upstreams::build(config, nullptr, nullptr);
    ASSERT_FALSE(built);
    EXPECT_EQ(built.error().code, Code::kInvalid);
    EXPECT_FALSE(built.error().what.contains("sk-x"));
  }
  Config twice;
  twice.upstreams = {config_for(1), config_for(2)};
  EXPECT_FALSE(Upstreams::build(twice, nullptr, nullptr)) << "one name, two upstreams";
  EXPECT_FALSE(Upstreams::build({}, nullptr, nullptr));
}

TEST(Upstreams, AReloadKeepsWhatTheBreakerKnows) {
  Config config;
  config.upstreams = {config_for(1)};
  const auto before = Upstreams::build(config, nullptr, nullptr);
  const auto same = Upstreams::build(config, nullptr, before->get());
  EXPECT_EQ((*same)->all()[0]->breaker, (*before)->all()[0]->breaker);
  config.upstreams[0].base_url = "http://127.0.0.1:2/v1";
  const auto moved = Upstreams::build(config, nullptr, before->get());
  EXPECT_NE((*moved)->all()[0]->breaker, (*before)->all()[0]->breaker);
  EXPECT_EQ((*moved)->all()[0]->counters, (*before)->all()[0]->counters);
}

}  // namespace
}  // namespace sallyport::upstream
