// SPDX-License-Identifier: Apache-2.0
// Routes that the gate answers itself: on a real socket, with a journal that the test can break.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "http/gate.h"
#include "net/socket_endpoint.h"

namespace sallyport::http {
namespace {

class Journal final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    if (works_) return done(std::uint64_t{1});
    done(fail(Code::kUnavailable, "disk full"));
  }
  bool accepting() const override { return accepting_; }
  std::vector<Event> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::atomic<bool> accepting_{true}, works_{true};

 private:
  std::mutex mutex_;
  std::vector<Event> events_;
};

// Says back how much it was told; the body "no" is refused.
class Parrot final : public OwnRoute {
 public:
  explicit Parrot(std::atomic<int>& asked) : asked_(asked) {}
  const char* name() const override { return "parrot"; }
  bool takes(const Exchange& x) const override { return x.method == "POST" && x.path == "/parrot"; }
  std::size_t body_bytes_max() const override { return 32; }
  std::optional<OwnAnswer> refuse(Exchange& x) override {
    if (!x.header("x-cat")) return std::nullopt;
    return OwnAnswer{.status = 401, .body = "a cat", .error_code = "parrot_flees"};
  }
  Task<OwnAnswer> answer(Exchange& x, std::string body) override {
    ++asked_;
    OwnAnswer out;
    out.headers = {{"x-parrot", "1"}};
    out.body = x.credential ? "credential" : "heard " + std::to_string(body.size());
    if (body == "no") {
      out.status = 400;
      out.error_code = "parrot_refuses";
    }
    co_return out;
  }

 private:
  std::atomic<int>& asked_;
};

// Takes a megabyte from whoever says so in the head.
class Whale final : public OwnRoute {
 public:
  const char* name() const override { return "whale"; }
  bool takes(const Exchange& x) const override { return x.path == "/whale"; }
  std::size_t body_bytes_max() const override { return 1 << 20; }
  Task<OwnAnswer> answer(Exchange&, std::string body) override {
    OwnAnswer out;
    out.body = "swallowed " + std::to_string(body.size());
    co_return out;
  }
};

// Whoever comes here was not taken by a route.
class Locked final : public Stage {
 public:
  const char* name() const override { return "locked"; }
  Task<std::optional<Refusal>> admit(Exchange&) override {
    co_return Refusal{.status = 401, .code = "invalid_api_key", .message = "Locked."};
  }
};

class OwnRoutesTest : public testing::Test {
 protected:
  void SetUp() override {
    Config config;
    config.threads = 1;
    config.drain_ms = 100;
    config.body_ms = 1'000;
    config.threads = 1;
    config.listeners.front().address = "127.0.0.1:0";
    const WayMaker maker = [this](net::Loop&, Way& way) {
      way.routes.push_back(std::make_unique<Parrot>(asked_));
      way.routes.push_back(std::make_unique<Whale>());
      way.own_body_ms = 2'000;
      way.body_memory = &memory_;
      way.stages.push_back(std::make_unique<Locked>());
    };
    gate_ = std::make_unique<Gate>(
        config, House{.clock = clock_, .recorder = &journal_, .counters = counters_}, maker);
    const Result<void> started = gate_->start();
    ASSERT_TRUE(started) << started.error().what;
  }
  void TearDown() override { gate_->stop(); }

  int connect() {
    sockaddr_storage address;
    const socklen_t size = net::to_sockaddr(gate_->addresses().front().at, address);
    const int client = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    const timeval patience{5, 0};
    ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return client;
  }
  // What the gate answers to `bytes` until it closes.
  std::string say(std::string_view bytes) {
    const int client = connect();
    EXPECT_EQ(::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string all;
    char piece[4096];
    for (ssize_t got = 0; (got = ::recv(client, piece, sizeof piece, 0)) > 0;) {
      all.append(piece, static_cast<std::size_t>(got));
    }
    ::close(client);
    return all;
  }
  static std::string post(std::string_view path, std::string_view body,
                          std::string_view fields = "") {
    return "POST " + std::string(path) + " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n" +
           "content-length: " + std::to_string(body.size()) + "\r\n" + std::string(fields) +
           "\r\n" + std::string(body);
  }

  SystemClock clock_;
  Journal journal_;
  Counters counters_;
  BodyMemory memory_{64 << 20};
  std::atomic<int> asked_{0};
  std::unique_ptr<Gate> gate_;
};

TEST_F(OwnRoutesTest, AnswersWithoutAStageAndIsRecordedWithoutAKey) {
  const std::string answer = say(post("/parrot", "hello"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
  EXPECT_TRUE(answer.contains("\r\ncache-control: no-store\r\n")) << answer;
  EXPECT_TRUE(answer.contains("\r\nx-parrot: 1\r\n")) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\nheard 5")) << answer;
  const std::vector<Event> events = journal_.events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, Kind::kRequest);
  EXPECT_EQ(events[0].endpoint, "POST /parrot");
  EXPECT_EQ(events[0].status, 200);
  EXPECT_EQ(events[0].ip, "127.0.0.1");
  EXPECT_EQ(events[0].api_key_id, std::nullopt);
  EXPECT_EQ(events[0].request_bytes, 5);
  EXPECT_EQ(events[0].error, std::nullopt);
}

TEST_F(OwnRoutesTest, ARefusalOfTheRouteIsRecordedWithItsCode) {
  EXPECT_TRUE(say(post("/parrot", "no")).starts_with("HTTP/1.1 400 "));
  ASSERT_EQ(journal_.events().size(), 1U);
  EXPECT_EQ(journal_.events()[0].status, 400);
  EXPECT_EQ(journal_.events()[0].error, "parrot_refuses");
}

TEST_F(OwnRoutesTest, WhatIsRefusedBeforeTheRouteIsAsked) {
  const struct {
    const char* why;
    std::string request;
    int status;
  } kCases[] = {
      {"a body over the limit", post("/parrot", std::string(33, 'x')), 413},
      {"a chunked body over the limit",
       "POST /parrot HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
       "transfer-encoding: chunked\r\n\r\n40\r\n" +
           std::string(64, 'x') + "\r\n0\r\n\r\n",
       413},
      {"a compressed body", post("/parrot", "hello", "content-encoding: gzip\r\n"), 415},
      {"a body that does not come",
       "POST /parrot HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf", 408},
      {"another path needs a key", post("/parrots", "hello"), 401},
      {"another method needs a key",
       "GET /parrot HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 401},
      {"two credentials", post("/parrot", "hello", "authorization: Bearer a\r\napi-key: b\r\n"),
       400},
  };
  std::size_t records = 0;
  for (const auto& c : kCases) {
    const std::string answer = say(c.request);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(c.status) + " "))
        << c.why << ": " << answer;
    EXPECT_EQ(journal_.events().size(), ++records) << c.why;
  }
  EXPECT_EQ(asked_, 0);
}

TEST_F(OwnRoutesTest, NothingIsBegunThatCannotBeRecorded) {
  journal_.accepting_ = false;
  journal_.works_ = false;
  EXPECT_TRUE(say(post("/parrot", "hello")).starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(asked_, 0);
}

TEST_F(OwnRoutesTest, AnAnswerWithoutARecordDoesNotLeave) {
  journal_.works_ = false;  // it breaks just now
  const std::string answer = say(post("/parrot", "hello"));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_FALSE(answer.contains("heard")) << answer;
}

TEST_F(OwnRoutesTest, WhatTheHeadDecidesIsAnsweredBeforeTheBodyCame) {
  const std::string answer =
      say("POST /parrot HTTP/1.1\r\nhost: localhost\r\nx-cat: 1\r\ncontent-length: 9\r\n\r\nha");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 401 ")) << answer;
  EXPECT_TRUE(answer.contains("\r\nconnection: close\r\n")) << "the rest is not read: " << answer;
  EXPECT_TRUE(answer.ends_with("a cat")) << answer;
  EXPECT_EQ(asked_, 0);
  ASSERT_EQ(journal_.events().size(), 1U);
  EXPECT_EQ(journal_.events()[0].error, "parrot_flees");
}

// One source has some of the places; whoever has one waits for the rest of its body, all others are
// sent away with theirs unread.
TEST_F(OwnRoutesTest, StrangersHoldAFewBodiesAndNoMore) {
  const std::string half =
      "POST /whale HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1048576\r\n\r\n" +
      std::string(100 << 10, 'x');
  constexpr int kClients = 200;
  std::vector<int> clients;
  int refused = 0;
  std::uint64_t peak = 0;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(connect());
    (void)::send(clients.back(), half.data(), half.size(), MSG_NOSIGNAL);
    peak = std::max(peak, memory_.used());
  }
  for (const int client : clients) {
    char status[12] = {};
    (void)::recv(client, status, sizeof status, MSG_WAITALL);
    if (std::string_view(status, sizeof status) == "HTTP/1.1 503") ++refused;
    peak = std::max(peak, memory_.used());
  }
  EXPECT_EQ(refused, kClients - static_cast<int>(Way::kOwnPlacesPerSource));
  EXPECT_GT(peak, 0U);
  EXPECT_LE(peak, Way::kOwnPlacesPerSource * (100 << 10));
  for (const int client : clients) ::close(client);
  EXPECT_TRUE(say(post("/whale", "hello")).ends_with("swallowed 5")) << "the places came back";
}

TEST_F(OwnRoutesTest, TheMemoryOfBodiesIsTheirsToo) {
  EXPECT_TRUE(say(post("/whale", std::string(300'000, 'x'))).ends_with("swallowed 300000"));
  memory_.limit(200'000);
  EXPECT_TRUE(say(post("/whale", std::string(300'000, 'x'))).starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(memory_.used(), 0U);
}

TEST_F(OwnRoutesTest, ABodyThatDripsIsCutOff) {
  const int client = connect();
  const timeval patience{0, 50'000};
  ::setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string head =
      "POST /whale HTTP/1.1\r\nhost: localhost\r\ncontent-length: 900000\r\n\r\n";
  EXPECT_GT(::send(client, head.data(), head.size(), MSG_NOSIGNAL), 0);
  // 4 KiB every 50 ms is fast enough for any other body.
  const std::string drop(4096, 'x');
  char status[12] = {};
  ssize_t got = -1;
  for (int i = 0; i < 100 && got < 0; ++i) {
    (void)::send(client, drop.data(), drop.size(), MSG_NOSIGNAL);
    got = ::recv(client, status, sizeof status, 0);
  }
  EXPECT_EQ(std::string_view(status, sizeof status), "HTTP/1.1 408");
  ::close(client);
}

TEST_F(OwnRoutesTest, TheConnectionGoesOn) {
  const std::string twice =
      "POST /parrot HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nhi" +
      post("/parrot", "hello");
  const std::string answers = say(twice);
  EXPECT_TRUE(answers.contains("heard 2HTTP/1.1 200 OK")) << answers;
  EXPECT_TRUE(answers.ends_with("heard 5")) << answers;
}

}  // namespace
}  // namespace sallyport::http
