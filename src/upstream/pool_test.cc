// SPDX-License-Identifier: Apache-2.0
#include "upstream/pool.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "net/raw_peer_for_test.h"

namespace sallyport::upstream {
namespace {

using net::RawPeer;

constexpr const char* kOk = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
constexpr const char* kGet = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

// Answers every request until the other side ends.
void answer_all(RawPeer::Link& link) {
  while (!link.read_request().empty()) link.send(kOk);
}
std::vector<RawPeer::Script> many(const RawPeer::Script& script) {
  return std::vector<RawPeer::Script>(16, script);
}

struct Bench {
  explicit Bench(std::uint16_t port, PoolLimits limits = {}) {
    net::Url url;
    url.host = "127.0.0.1";
    url.port = port;
    pool = std::make_shared<Pool>(loop, resolver, url, nullptr, limits);
  }
  net::Loop loop;
  net::Resolver resolver;
  std::shared_ptr<Pool> pool;
};

struct Took {
  std::string error;
  bool reused = false;
};

Task<Result<Lease>> take(Bench& bench, Took& took, bool fresh = false) {
  auto flight = std::make_shared<Flight>();
  Result<Lease> lease = co_await Pool::take(bench.pool, flight, fresh);
  if (!lease) took.error = name(lease.error().code);
  if (lease) took.reused = lease->reused();
  co_return lease;
}

Task<void> use(net::ClientConnection& connection) {
  const Result<void> sent = co_await connection.send(kGet, nullptr, false);
  EXPECT_TRUE(sent);
  const Result<net::ResponseMeta> meta = co_await connection.read_head("GET");
  EXPECT_TRUE(meta);
}

Task<void> one_call(Bench& bench, Took& took, bool fresh = false) {
  Result<Lease> lease = co_await take(bench, took, fresh);
  if (!lease) co_return;
  co_await use(lease->connection());
}

Task<void> three_calls(Bench& bench, std::vector<Took>& took) {
  for (const bool fresh : {false, false, true}) {
    co_await one_call(bench, took.emplace_back(), fresh);
  }
}

TEST(Pool, KeepsWhatEndedCleanlyAndMakesFreshOnesWhenAsked) {
  RawPeer peer(many(answer_all));
  Bench bench(peer.port());
  std::vector<Took> took;
  net::run_on(bench.loop, three_calls(bench, took));
  EXPECT_FALSE(took[0].reused);
  EXPECT_TRUE(took[1].reused);
  EXPECT_FALSE(took[2].reused) << "fresh was asked for";
  EXPECT_EQ(bench.pool->idle(), 2u);
  EXPECT_EQ(bench.pool->busy(), 0u);
  EXPECT_EQ(peer.accepted(), 2u);
}

Task<void> leave_half_done(Bench& bench, Took& took) {
  Result<Lease> lease = co_await take(bench, took);
  const Result<void> sent = co_await lease->connection().send(kGet, nullptr, false);
  EXPECT_TRUE(sent);
}

TEST(Pool, DropsWhatWasLeftHalfDone) {
  RawPeer peer(many(answer_all));
  Bench bench(peer.port());
  Took took;
  net::run_on(bench.loop, leave_half_done(bench, took));
  EXPECT_EQ(bench.pool->idle(), 0u);
  EXPECT_EQ(bench.pool->busy(), 0u);
}

Task<void> call_again_after_close(Bench& bench, std::future<void> closed, std::vector<Took>& took) {
  co_await one_call(bench, took.emplace_back());
  closed.wait();
  co_await bench.loop.sleep_for(1);  // a turn of the loop, which sees the end
  co_await one_call(bench, took.emplace_back());
}

TEST(Pool, DoesNotUseWhatThePeerClosed) {
  std::promise<void> closed;
  const auto answer_and_close = [&closed](RawPeer::Link& link) {
    link.read_request();
    link.send(kOk);
    link.finish();
    closed.set_value();
    link.read_all();
  };
  RawPeer peer({answer_and_close, answer_all});
  Bench bench(peer.port());
  std::vector<Took> took;
  net::run_on(bench.loop, call_again_after_close(bench, closed.get_future(), took));
  EXPECT_FALSE(took[1].reused);
  EXPECT_EQ(took[1].error, "");
}

Task<void> call_twice_after(Bench& bench, std::int64_t pause_ms, std::vector<Took>& took,
                            std::size_t& idle) {
  co_await one_call(bench, took.emplace_back());
  co_await bench.loop.sleep_for(pause_ms);
  idle = bench.pool->idle();
  co_await one_call(bench, took.emplace_back());
}

TEST(Pool, IdleOnesAreClosedBeforeTheProviderDoesIt) {
  RawPeer peer(many(answer_all));
  Bench bench(peer.port(), {.idle_ms = 20});
  std::vector<Took> took;
  std::size_t idle = 9;
  net::run_on(bench.loop, call_twice_after(bench, 80, took, idle));
  EXPECT_EQ(idle, 0u);
  EXPECT_FALSE(took[1].reused);
}

Task<void> refused(Bench& bench, Took& took) { co_await one_call(bench, took); }

TEST(Pool, AFailedConnectGivesItsPlaceBack) {
  std::uint16_t nobody = 0;
  {
    RawPeer gone({});
    nobody = gone.port();
  }
  Bench bench(nobody);
  Took took;
  net::run_on(bench.loop, refused(bench, took));
  EXPECT_EQ(took.error, "unavailable");
  EXPECT_EQ(bench.pool->busy(), 0u);
}

// A second caller comes while the only connection is out.
struct Queue {
  Bench& bench;
  std::vector<std::string> order = {};
  std::shared_ptr<Flight> flight = std::make_shared<Flight>();
  bool second_ended = false;
};

Task<void> second(Queue& queue) {
  Result<Lease> lease = co_await Pool::take(queue.bench.pool, queue.flight, false);
  queue.order.push_back(lease ? "second got " + std::string(lease->reused() ? "the old" : "a new")
                              : "second: " + std::string(name(lease.error().code)));
  queue.second_ended = true;
}

enum class First { kEndsWell, kEndsBadly, kStays, kCancelsSecond };

Task<void> first(Queue& queue, First how) {
  net::Loop& loop = queue.bench.loop;
  {
    Took took;
    Result<Lease> lease = co_await take(queue.bench, took);
    loop.spawn(second(queue));
    if (how == First::kEndsWell) {
      co_await use(lease->connection());
    }
    if (how == First::kCancelsSecond) queue.flight->cancel();
    if (how == First::kStays || how == First::kCancelsSecond) {
      while (!queue.second_ended) co_await loop.sleep_for(10);
    }
    queue.order.push_back("first ends");
  }
  while (!queue.second_ended) co_await loop.sleep_for(10);
}

struct QueueCase {
  const char* why;
  First how;
  std::vector<std::string> order;
};

const QueueCase kQueues[] = {
    {"the connection is handed over", First::kEndsWell, {"first ends", "second got the old"}},
    {"a broken one leaves its place", First::kEndsBadly, {"first ends", "second got a new"}},
    {"the wait is bounded", First::kStays, {"second: exhausted", "first ends"}},
    {"the wait can be cancelled", First::kCancelsSecond, {"second: unavailable", "first ends"}},
};

TEST(Pool, WaitsForAPlaceWhenAllAreOut) {
  for (const QueueCase& c : kQueues) {
    RawPeer peer(many(answer_all));
    Bench bench(peer.port(), {.connections_max = 1, .connect_ms = 100});
    Queue queue{.bench = bench};
    net::run_on(bench.loop, first(queue, c.how));
    EXPECT_EQ(queue.order, c.order) << c.why;
    EXPECT_EQ(bench.pool->busy(), 0u) << c.why;
    EXPECT_LE(bench.pool->idle(), 1u) << c.why;
  }
}

Task<void> close_while_out(Bench& bench, Took& took) {
  Result<Lease> lease = co_await take(bench, took);
  co_await use(lease->connection());
  bench.pool->close();
}

TEST(Pool, AClosedPoolKeepsNothing) {
  RawPeer peer(many(answer_all));
  Bench bench(peer.port());
  Took took;
  net::run_on(bench.loop, close_while_out(bench, took));
  EXPECT_EQ(took.error, "");
  EXPECT_EQ(bench.pool->idle(), 0u);
}

}  // namespace
}  // namespace sallyport::upstream
