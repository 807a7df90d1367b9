// SPDX-License-Identifier: Apache-2.0
#include "upstream/pool.h"

#include <coroutine>
#include <utility>

namespace sallyport::upstream {
namespace {

// Younger idle connections are judged by what the loop has seen; older ones also by a peek, since
// the provider's FIN may be on its way through a busy loop.
constexpr std::int64_t kPeekAfterMs = 1'000;

}  // namespace

// Waits for a place. Whoever gives one up hands it over directly, in order of arrival, so nobody
// can overtake. The wait is resumed by the loop's next turn, never out of somebody's destructor.
class SlotWait {
 public:
  enum class Result { kPending, kGranted, kTimeout, kCancelled };

  SlotWait(Pool& pool, Flight& flight, net::Deadline until)
      : pool_(pool), flight_(flight), until_(until) {}
  SlotWait(const SlotWait&) = delete;
  ~SlotWait() {
    *alive_ = false;
    unlink();
    if (result_ == Result::kGranted && !taken_) pool_.give_back(std::move(handed_));
  }

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    place_ = pool_.waiting_.insert(pool_.waiting_.end(), this);
    linked_ = true;
    flight_.waiting_ = this;
    pool_.loop_.arm(timer_, until_, &SlotWait::timed_out, this);
  }
  Result await_resume() {
    taken_ = true;
    return result_;
  }

  void grant(std::unique_ptr<net::ClientConnection> connection) {
    handed_ = std::move(connection);
    finish(Result::kGranted);
  }
  void finish(Result result) {
    unlink();
    result_ = result;
    pool_.loop_.post([alive = alive_, this] {
      if (*alive) waiting_.resume();
    });
  }
  std::unique_ptr<net::ClientConnection> handed() { return std::move(handed_); }

 private:
  static void timed_out(void* self) { static_cast<SlotWait*>(self)->finish(Result::kTimeout); }
  void unlink() {
    if (!linked_) return;
    pool_.waiting_.erase(place_);
    linked_ = false;
    flight_.waiting_ = nullptr;
    timer_.disarm();
  }

  Pool& pool_;      // kept alive by take()
  Flight& flight_;  // kept alive by take()
  net::Deadline until_;
  std::coroutine_handle<> waiting_;
  std::list<SlotWait*>::iterator place_;
  net::Timer timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<net::ClientConnection> handed_;
  Result result_ = Result::kPending;
  bool linked_ = false;
  bool taken_ = false;
};

void Flight::cancel() {
  if (std::exchange(cancelled_, true)) return;
  if (waiting_) waiting_->finish(SlotWait::Result::kCancelled);
  if (connection_) connection_->cancel();
}

Lease::~Lease() {
  if (!pool_) return;
  if (flight_) flight_->connection_ = nullptr;
  pool_->give_back(std::move(connection_));
}

Pool::Pool(net::Loop& loop, net::Resolver& resolver, net::Url url,
           std::shared_ptr<const net::TlsContext> tls, PoolLimits limits)
    : loop_(loop),
      resolver_(resolver),
      url_(std::move(url)),
      tls_(std::move(tls)),
      limits_(limits) {}

Pool::~Pool() = default;

Task<Result<Lease>> Pool::take(std::shared_ptr<Pool> pool, std::shared_ptr<Flight> flight,
                               bool fresh) {
  if (flight->cancelled_) co_return fail(Code::kUnavailable, "cancelled");
  std::unique_ptr<net::ClientConnection> connection;
  if (!fresh) connection = pool->take_idle();
  if (!connection && pool->busy_ + pool->idle_.size() >= pool->limits_.connections_max &&
      !pool->idle_.empty()) {
    pool->idle_.pop_front();  // an idle one makes room for a fresh one
  }
  if (connection || pool->busy_ < pool->limits_.connections_max) {
    ++pool->busy_;
  } else {
    SlotWait wait(*pool, *flight, pool->loop_.now_ms() + pool->limits_.connect_ms);
    const SlotWait::Result granted = co_await wait;
    if (granted == SlotWait::Result::kTimeout) {
      co_return fail(Code::kExhausted, "all connections to the upstream are busy");
    }
    if (granted == SlotWait::Result::kCancelled) co_return fail(Code::kUnavailable, "cancelled");
    connection = wait.handed();
    if (connection && (fresh || connection->seen_closed())) connection.reset();
  }

  Lease lease;
  lease.pool_ = pool;
  lease.flight_ = flight;
  lease.reused_ = connection != nullptr;
  if (!connection) {
    const net::Deadline until = pool->loop_.now_ms() + pool->limits_.connect_ms;
    Result<std::unique_ptr<net::Stream>> stream =
        co_await net::connect_url(pool->loop_, pool->resolver_, pool->tls_, pool->url_, until);
    if (!stream) co_return fail(Code::kUnavailable, std::move(stream).error().what);
    connection =
        std::make_unique<net::ClientConnection>(std::move(*stream), pool->limits_.timeouts);
  }
  lease.connection_ = std::move(connection);
  if (flight->cancelled_) co_return fail(Code::kUnavailable, "cancelled");
  flight->connection_ = lease.connection_.get();
  co_return std::move(lease);
}

std::unique_ptr<net::ClientConnection> Pool::take_idle() {
  while (!idle_.empty()) {
    Idle last = std::move(idle_.back());
    idle_.pop_back();
    const bool old = loop_.now_ms() - last.since_ms >= kPeekAfterMs;
    if (old ? last.connection->idle_closed() : last.connection->seen_closed()) continue;
    return std::move(last.connection);
  }
  return nullptr;
}

void Pool::give_back(std::unique_ptr<net::ClientConnection> connection) {
  if (connection && (closed_ || !connection->reusable())) connection.reset();
  if (connection) connection->rest();
  if (!waiting_.empty()) {
    waiting_.front()->grant(std::move(connection));
    return;
  }
  --busy_;
  if (!connection) return;
  idle_.push_back({std::move(connection), loop_.now_ms()});
  arm_expiry();
}

void Pool::close() {
  closed_ = true;
  idle_.clear();
  expiry_.disarm();
}

void Pool::arm_expiry() {
  if (expiry_.armed() || idle_.empty()) return;
  const net::Deadline at = idle_.front().since_ms + limits_.idle_ms;
  loop_.arm(expiry_, at, [](void* self) { static_cast<Pool*>(self)->expire(); }, this);
}

void Pool::expire() {
  while (!idle_.empty() && loop_.now_ms() - idle_.front().since_ms >= limits_.idle_ms) {
    idle_.pop_front();
  }
  arm_expiry();
}

}  // namespace sallyport::upstream
