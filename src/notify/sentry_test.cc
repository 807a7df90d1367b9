// SPDX-License-Identifier: Apache-2.0
#include "notify/sentry.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "net/raw_peer_for_test.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

const UtcTime kNow = *parse_utc("2026-01-01T00:00:05Z");
const SentryWords kWords{"gw1", "prod", "0.1.0"};

Outgoing trouble(std::uint64_t seq, int status = 503) {
  Outgoing record = record_for_test(seq);
  record.event.status = status;
  record.event.error = "upstream_unreachable";
  record.event.upstream = "openai";
  return record;
}

struct DsnCase {
  const char* dsn;
  const char* url;  // null: not one
};

TEST(Sentry, Dsn) {
  const DsnCase cases[] = {
      {"https://abc123@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/"},
      {"https://abc123@sentry.example:9000/base/42",
       "https://sentry.example:9000/base/api/42/envelope/"},
      {"https://abc123:5ec7e7@sentry.example/42", "https://sentry.example/api/42/envelope/"},
      {"https://sentry.example/42", nullptr},
      {"https://abc123@sentry.example/", nullptr},
      {"https://abc123@sentry.example/x", nullptr},
      {"https://@sentry.example/42", nullptr},
      {"https://ABC\r\n@sentry.example/42", nullptr},
      {"ftp://abc123@sentry.example/42", nullptr},
      {"abc", nullptr},
      {"", nullptr},
  };
  for (const DsnCase& test : cases) {
    const Result<SentryAddress> address = parse_dsn(test.dsn);
    ASSERT_EQ(address.has_value(), test.url != nullptr) << test.dsn;
    if (!address) {
      EXPECT_EQ(address.error().what.find("abc123"), std::string::npos) << "the key is told";
      continue;
    }
    EXPECT_EQ(address->url, test.url);
    EXPECT_EQ(address->key, "abc123");
  }
}

TEST(Sentry, AnEnvelopeIsThreeLinesAndItsLengthIsTrue) {
  const std::string envelope = sentry_envelope(trouble(7), kWords, 3, kNow);
  const std::size_t first = envelope.find('\n'), second = envelope.find('\n', first + 1);
  const JsonValue head = *JsonValue::parse(envelope.substr(0, first));
  const JsonValue item = *JsonValue::parse(envelope.substr(first + 1, second - first - 1));
  const std::string payload = envelope.substr(second + 1, envelope.size() - second - 2);
  EXPECT_TRUE(envelope.ends_with("}\n"));
  EXPECT_EQ(item.at("type")->string(), "event");
  EXPECT_EQ(item.at("length")->integer(), static_cast<std::int64_t>(payload.size()));
  EXPECT_EQ(head.at("sent_at")->string(), "2026-01-01T00:00:05.000Z");
  const JsonValue event = *JsonValue::parse(payload);
  EXPECT_EQ(event.at("event_id")->string(), head.at("event_id")->string());
  EXPECT_EQ(event.at("event_id")->string()->size(), 32u);
  EXPECT_DOUBLE_EQ(*event.at("timestamp")->number(), 1'767'225'600.123);
  EXPECT_EQ(event.at("level")->string(), "warning");
  EXPECT_EQ(event.at("message")->at("formatted")->string(), "503 POST /v1/chat/completions");
  EXPECT_EQ(event.at("tags")->at("times")->string(), "3");
  EXPECT_EQ(event.at("tags")->at("record")->string(), "gw1.example/audit:7");
  ASSERT_EQ(event.at("fingerprint")->items().size(), 4u);
  EXPECT_EQ(event.at("release")->string(), "sallyport@0.1.0");
  const std::string again = sentry_envelope(trouble(7), kWords, 3, kNow);
  EXPECT_EQ(again, envelope) << "a repeated record has the same id";
}

TEST(Sentry, OnlyTrouble) {
  Event good;
  good.status = 200;
  Event refused;
  refused.status = 401;
  Event admin;
  admin.kind = Kind::kAdmin;
  admin.error = "x";
  Event usage;
  usage.kind = Kind::kProvider;
  for (const Event& event : {good, refused, admin, usage}) {
    EXPECT_TRUE(sentry_fingerprint(event).empty());
  }
  Event breaker;
  breaker.kind = Kind::kBreaker;
  breaker.upstream = "openai";
  EXPECT_FALSE(sentry_fingerprint(breaker).empty());
  EXPECT_FALSE(sentry_fingerprint(trouble(1).event).empty());
  EXPECT_NE(sentry_fingerprint(trouble(1, 502).event), sentry_fingerprint(trouble(1, 503).event));
}

TEST(Sentry, RateLimits) {
  const std::pair<const char*, int> cases[] = {
      {"60:error;default:organization", 60},
      {"60:transaction:key", 0},
      {"60:transaction:key, 2700:default;error;security:organization", 2700},
      {"30::organization", 30},
      {"99999999:error:organization", 3600},
      {"x:error:organization", 0},
      {"60", 0},
      {"", 0},
  };
  for (const auto& [header, seconds] : cases) {
    EXPECT_EQ(sentry_rate_limit(header), std::chrono::seconds(seconds)) << header;
  }
}

struct Step {
  std::vector<Outgoing> batch;
  int advance_s;
  const char* verdict;
};

Task<void> play(net::Loop& loop, Sink& sink, ManualClock& clock, std::span<const Step> steps) {
  for (const Step& step : steps) {
    clock.advance(std::chrono::seconds(step.advance_s));
    auto batch = std::make_shared<const Batch>(step.batch);
    const Verdict verdict = co_await sink.deliver(loop, batch);
    EXPECT_EQ(short_of(verdict), step.verdict);
  }
}

// Deliveries one behind the other to a peer with these answers; returns what it was asked.
std::vector<std::string> played(std::vector<std::string> answers, std::span<const Step> steps) {
  std::vector<std::string> asked(answers.size());
  std::vector<net::RawPeer::Script> scripts;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    scripts.emplace_back([&asked, &answers, i](net::RawPeer::Link& link) {
      asked[i] = link.read_request();
      link.send(answers[i]);
    });
  }
  net::RawPeer peer(std::move(scripts));
  net::Loop loop;
  net::Resolver resolver;
  ManualClock clock(kNow);
  const SinkConfig config = entry_for_test(
      "sentry", "", "http://abc123@127.0.0.1:" + std::to_string(peer.port()) + "/42");
  EXPECT_TRUE(check_sink(config));
  const auto sink = make_sentry(config, {resolver, clock, "gw1", "gw1", "0.1.0"});
  EXPECT_TRUE(sink) << (sink ? "" : sink.error().what);
  net::run_on(loop, play(loop, **sink, clock, steps));
  EXPECT_EQ(peer.accepted(), answers.size());
  return asked;
}

const std::string kTaken = "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"id\":\"ab\"}";

TEST(Sentry, TheSameTroubleIsToldOnceInAWindowAndCounted) {
  const Step steps[] = {
      {{trouble(1), trouble(2)}, 0, "done"},
      {{trouble(3)}, 10, "done"},
      {{trouble(4, 502)}, 0, "done"},
      {{trouble(5)}, 60, "done"},
  };
  const auto asked = played({kTaken, kTaken, kTaken}, steps);
  EXPECT_TRUE(asked[0].starts_with("POST /api/42/envelope/ HTTP/1.1\r\n")) << asked[0];
  EXPECT_NE(asked[0].find("x-sentry-auth: Sentry sentry_version=7, sentry_key=abc123, "
                          "sentry_client=sallyport/0.1.0\r\n"),
            std::string::npos);
  EXPECT_EQ(asked[0].find("\"times\""), std::string::npos);
  EXPECT_NE(asked[2].find("\"times\":\"3\""), std::string::npos) << asked[2];
}

TEST(Sentry, ALimitWith200IsKeptTo) {
  const std::string limited =
      "HTTP/1.1 200 OK\r\nx-sentry-rate-limits: 60:error:organization\r\n"
      "content-length: 11\r\n\r\n{\"id\":\"ab\"}";
  const Step steps[] = {
      {{trouble(1), trouble(2, 502)}, 0, "again 1"},
      {{trouble(2, 502)}, 30, "again 0"},
      {{trouble(2, 502)}, 31, "done"},
  };
  played({limited, kTaken}, steps);
}

TEST(Sentry, WhatItRefusesIsDeadAndTheRestGoesOn) {
  const Step steps[] = {
      {{trouble(1), trouble(2, 502), trouble(3, 500)}, 0, "done dead 0,1"},
      {{trouble(4, 504)}, 0, "again 0"},
      {{trouble(4, 504)}, 0, "stop 0"},
  };
  played({"HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n",
          "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n", kTaken,
          "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
          "HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"},
         steps);
}

}  // namespace
}  // namespace sallyport::notify
