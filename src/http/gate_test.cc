// SPDX-License-Identifier: Apache-2.0
// The gate on a real socket, with stages and a journal that the test holds in its hand.
#include "http/gate.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "exchange/record.h"
#include "http/read_body.h"
#include "net/raw_peer_for_test.h"
#include "net/socket_endpoint.h"

namespace sallyport::http {
namespace {

// A journal that writes when it is told to.
class HeldRecorder final : public Recorder {
 public:
  void record(Event event, Durability until, Done done) override {
    const std::lock_guard lock(mutex_);
    held_.push_back({std::move(event), until, std::move(done)});
    came_.notify_all();
  }
  bool accepting() const override { return accepting_; }
  void accept(bool yes) { accepting_ = yes; }

  // Waits for the next record and answers it with `done` at finish().
  struct Held {
    Event event;
    Durability until;
    Done done;
    void finish(Result<std::uint64_t> result = std::uint64_t{1}) { done(std::move(result)); }
  };
  Held next() {
    std::unique_lock lock(mutex_);
    const bool came =
        came_.wait_for(lock, std::chrono::seconds(10), [&] { return !held_.empty(); });
    EXPECT_TRUE(came) << "no record came";
    if (!came) return {{}, {}, [](Result<std::uint64_t>) {}};
    Held first = std::move(held_.front());
    held_.pop_front();
    return first;
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Held> held_;
  std::atomic<bool> accepting_{true};
};

// Gives its pieces one by one; the test says when the next one may come.
class Pieces final : public net::BodySource {
 public:
  explicit Pieces(std::deque<std::string> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<std::string_view>> pull() override {
    if (pieces_.empty()) co_return std::string_view();
    now_ = std::move(pieces_.front());
    pieces_.pop_front();
    co_return std::string_view(now_);
  }
  bool finished() const override { return pieces_.empty(); }

 private:
  std::deque<std::string> pieces_;
  std::string now_;
};

// Stands for the provider.
class Provider final : public Stage {
 public:
  Provider(std::deque<std::string> pieces, bool streams, std::atomic<int>& asked)
      : pieces_(std::move(pieces)), streams_(streams), asked_(asked) {}
  const char* name() const override { return "provider"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override {
    ++asked_;
    x.answer.status = 200;
    x.answer.headers = {{"content-type", streams_ ? "text/event-stream" : "application/json"}};
    x.answer.event_stream = streams_;
    x.answer.body = std::make_unique<Pieces>(pieces_);
    co_return std::nullopt;
  }

 private:
  const std::deque<std::string> pieces_;
  const bool streams_;
  std::atomic<int>& asked_;
};

class GateTest : public testing::Test {
 protected:
  // `first` may add stages before the others.
  void open(std::deque<std::string> pieces, bool streams, WayMaker first = nullptr) {
    Config config;
    config.threads = 1;
    config.drain_ms = 100;
    config.listeners.front().address = "127.0.0.1:0";
    const WayMaker maker = [this, pieces, streams, first](net::Loop& loop, Way& way) {
      if (first) first(loop, way);
      way.stages.push_back(std::make_unique<RecordIntent>(recorder_, clock_));
      way.stages.push_back(std::make_unique<Provider>(pieces, streams, asked_));
    };
    gate_ = std::make_unique<Gate>(
        config, House{.clock = clock_, .recorder = &recorder_, .counters = counters_}, maker);
    const Result<void> started = gate_->start();
    ASSERT_TRUE(started) << started.error().what;
    sockaddr_storage address;
    const socklen_t size = net::to_sockaddr(gate_->addresses().front().at, address);
    client_ = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(client_, reinterpret_cast<sockaddr*>(&address), size), 0);
  }

  void TearDown() override {
    if (client_ >= 0) ::close(client_);
    if (gate_) gate_->stop();
  }

  void send(std::string_view bytes) {
    ASSERT_EQ(::send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // What has arrived so far, without waiting.
  std::string arrived() {
    char bytes[4096];
    const ssize_t got = ::recv(client_, bytes, sizeof bytes, MSG_DONTWAIT);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : "";
  }

  // Waits until what arrived contains `text`.
  std::string until(std::string_view text) {
    std::string all;
    char bytes[4096];
    while (all.find(text) == std::string::npos) {
      const ssize_t got = ::recv(client_, bytes, sizeof bytes, 0);
      if (got <= 0) break;
      all.append(bytes, static_cast<std::size_t>(got));
    }
    EXPECT_NE(all.find(text), std::string::npos) << "the connection ended after: " << all;
    return all;
  }

  std::string until_closed() {
    std::string all;
    char bytes[4096];
    ssize_t got = 0;
    while ((got = ::recv(client_, bytes, sizeof bytes, 0)) > 0) {
      all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
  }

  SystemClock clock_;
  HeldRecorder recorder_;
  Counters counters_;
  std::atomic<int> asked_{0};
  std::unique_ptr<Gate> gate_;
  int client_ = -1;
};

constexpr std::string_view kGet = "GET /v1/models HTTP/1.1\r\nHost: gate\r\n\r\n";

TEST_F(GateTest, Invariant1NoAnswerWithoutARecord) {
  open({"{\"whole\":true}"}, false);
  send(kGet);
  HeldRecorder::Held intent = recorder_.next();
  EXPECT_EQ(intent.event.kind, Kind::kIntent);
  EXPECT_EQ(intent.until, Durability::kSynced) << "an intent must be on the disk";
  EXPECT_EQ(arrived(), "") << "not a byte may leave before the intent is durable";
  intent.finish();

  HeldRecorder::Held outcome = recorder_.next();
  EXPECT_EQ(outcome.event.kind, Kind::kRequest);
  EXPECT_EQ(outcome.event.request_id, intent.event.request_id);
  EXPECT_EQ(outcome.event.status, 200);
  EXPECT_EQ(outcome.event.response_bytes, 14) << "the record counts what it is made for";
  EXPECT_EQ(arrived(), "") << "a small answer is its own last byte";
  outcome.finish();
  EXPECT_TRUE(until("\r\n0\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_F(GateTest, Invariant1TheEndOfAStreamWaitsForItsOutcome) {
  open({"data: one\n\n", "data: two\n\n"}, true);
  send(kGet);
  recorder_.next().finish();
  EXPECT_NE(until("data: one\n\n").find("text/event-stream"), std::string::npos);
  HeldRecorder::Held outcome = recorder_.next();
  EXPECT_EQ(arrived().find("0\r\n\r\n"), std::string::npos) << "the end may not leave yet";
  outcome.finish();
  until("0\r\n\r\n");
}

TEST_F(GateTest, AnIntentThatCannotBeWrittenIsARefusalAndTheProvidersAnswerIsDropped) {
  open({"{\"secret\":\"answer\"}"}, false);
  send(kGet);
  recorder_.next().finish(fail(Code::kUnavailable, "disk full"));
  recorder_.next().finish(fail(Code::kUnavailable, "disk full"));
  const std::string answer = until("journal_unavailable");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_EQ(answer.find("secret"), std::string::npos);
}

TEST_F(GateTest, AnOutcomeThatCannotBeWrittenKeepsTheAnswerBack) {
  open({"{\"secret\":\"answer\"}"}, false);
  send(kGet);
  recorder_.next().finish();
  recorder_.next().finish(fail(Code::kUnavailable, "disk full"));
  const std::string answer = until("journal_unavailable");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_EQ(answer.find("secret"), std::string::npos);
}

TEST_F(GateTest, AJournalThatIsKnownToBeBrokenCostsNoCall) {
  open({"{}"}, false);
  recorder_.accept(false);
  send(kGet);
  recorder_.next().finish(fail(Code::kUnavailable, "disk full"));
  until("journal_unavailable");
  EXPECT_EQ(asked_, 0) << "the provider must not be asked";
}

TEST_F(GateTest, Invariant7WhatIsMalformedIsRecordedAnsweredAndEndsTheConnection) {
  open({"{}"}, false);
  send("GET /v1/../admin HTTP/1.1\r\nHost: gate\r\n\r\n" + std::string(kGet));
  HeldRecorder::Held refusal = recorder_.next();
  EXPECT_EQ(refusal.event.error, "path_dot_segment");
  EXPECT_EQ(refusal.event.status, 400);
  refusal.finish();
  const std::string answer = until("malformed_request");
  EXPECT_NE(answer.find("connection: close"), std::string::npos);
  EXPECT_NE(answer.find("x-should-retry: false"), std::string::npos);
  char byte = 0;
  ::shutdown(client_, SHUT_WR);
  EXPECT_EQ(::recv(client_, &byte, 1, 0), 0) << "nothing behind the refusal is answered";
  EXPECT_EQ(recorder_.waiting(), 0u) << "nor parsed";
  EXPECT_EQ(asked_, 0);
}

TEST_F(GateTest, AKeyInTheTargetIsRefusedAndNotRecorded) {
  open({"{}"}, false);
  send("GET /v1/models?api_key=sk-sp1-AbCdEfGhIjKl-secret HTTP/1.1\r\nHost: gate\r\n\r\n");
  HeldRecorder::Held refusal = recorder_.next();
  EXPECT_EQ(refusal.event.error, "credential_in_target");
  EXPECT_EQ(refusal.event.endpoint, "GET /***");
  refusal.finish();
  EXPECT_TRUE(until("credential_in_target").starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(asked_, 0);
}

TEST_F(GateTest, BodiesOfAllCallersTogetherAreBounded) {
  Config limits;
  net::Offload scan(1);
  BodyMemory memory(300 * 1024);
  BodyMemory::Share others;  // as if somebody else's body were being read
  ASSERT_TRUE(others.grow(memory, 280 * 1024));
  open({"{}"}, false, [&](net::Loop&, Way& way) {
    way.stages.push_back(std::make_unique<ReadBody>(limits, scan, memory));
  });
  constexpr std::size_t kBody = 30 * 1024;
  send(
      "POST /v1/responses HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(kBody) + "\r\n\r\n{" + std::string(kBody - 2, ' ') + "}");
  recorder_.next().finish();
  const std::string answer = until_closed();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("overloaded"), std::string::npos);
  EXPECT_NE(answer.find("retry-after: 1"), std::string::npos);
  EXPECT_EQ(memory.used(), 280u * 1024) << "what it held is given back";
}

TEST_F(GateTest, PipelinedRequestsAreAnsweredInOrder) {
  open({"{}"}, false);
  send(std::string(kGet) + std::string(kGet));
  for (int i = 0; i < 2; ++i) {
    recorder_.next().finish();
    recorder_.next().finish();
    until("0\r\n\r\n");
  }
  EXPECT_EQ(asked_, 2);
}

TEST_F(GateTest, AnHttp10ClientGetsNoChunks) {
  open({"{\"whole\":", "true}"}, false);
  send("GET /v1/models HTTP/1.0\r\n\r\n");
  recorder_.next().finish();
  recorder_.next().finish();
  const std::string answer = until("true}");
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n{\"whole\":true}")) << answer;
  char byte = 0;
  EXPECT_EQ(::recv(client_, &byte, 1, 0), 0) << "the end of the connection is the end of the body";
}

// Two credentials in one request: refused before anybody is identified, and cheap to send.
TEST_F(GateTest, AFloodOfRefusalsIsAnsweredInFullAndRecordedInShort) {
  constexpr std::size_t kFlood = 60;
  open({"{}"}, false);
  std::string requests;
  for (std::size_t i = 0; i < kFlood; ++i) {
    requests +=
        "GET /v1/models HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer a\r\napi-key: b\r\n\r\n";
  }
  send(requests);
  std::size_t refused = 0;
  std::int64_t told = 0;
  while (told < static_cast<std::int64_t>(kFlood)) {
    HeldRecorder::Held record = recorder_.next();
    ASSERT_EQ(record.event.status, 400);
    told += record.event.repeated.value_or(1);
    ++refused;
    record.finish();
  }
  EXPECT_EQ(told, static_cast<std::int64_t>(kFlood)) << "every refusal is in some record";
  EXPECT_LT(refused, kFlood) << "but not each in its own";
  ::shutdown(client_, SHUT_WR);
  const std::string answers = until_closed();
  std::size_t answered = 0;
  for (std::size_t at = 0; (at = answers.find("\"code\"", at)) != std::string::npos; ++at)
    ++answered;
  EXPECT_EQ(answered, kFlood);
}

}  // namespace
}  // namespace sallyport::http
