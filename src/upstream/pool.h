// SPDX-License-Identifier: Apache-2.0
// One loop's connections to one upstream. The newest idle one is used first, so that the rest can
// grow old and be closed before the provider closes them. Everything belongs to the loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>

#include "net/http_client.h"

namespace sallyport::upstream {

class Pool;

// One exchange's hold on whatever it waits for, so that another coroutine of the loop can end the
// wait.
class Flight {
 public:
  // The wait for a connection ends, a call under way breaks off; its connection is never used
  // again.
  void cancel();
  bool cancelled() const { return cancelled_; }

 private:
  friend class Pool;
  friend class Lease;
  friend class SlotWait;
  class SlotWait* waiting_ = nullptr;
  net::ClientConnection* connection_ = nullptr;
  bool cancelled_ = false;
};

// A place in the pool and the connection in it. At its end the connection goes back if the answer
// ended cleanly and the peer keeps it; else it is closed.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease();

  net::ClientConnection& connection() const { return *connection_; }
  bool reused() const { return reused_; }

 private:
  friend class Pool;
  std::shared_ptr<Pool> pool_;  // null: no place
  std::shared_ptr<Flight> flight_;
  std::unique_ptr<net::ClientConnection> connection_;
  bool reused_ = false;
};

struct PoolLimits {
  std::size_t connections_max = 256;  // idle ones included; further calls wait for one
  std::int64_t idle_ms = 30'000;      // below the provider's own idle timeout
  std::int64_t connect_ms = 3'000;    // for connecting, and for waiting until one is free
  net::ClientTimeouts timeouts = {};
};

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  // `loop` and `resolver` outlive the pool.
  Pool(net::Loop& loop, net::Resolver& resolver, net::Url url,
       std::shared_ptr<const net::TlsContext> tls, PoolLimits limits);
  ~Pool();
  Pool(const Pool&) = delete;

  // A connection to send on. `fresh`: not one that lay idle. kExhausted: all were busy for
  // connect_ms; kUnavailable: no connection could be made in connect_ms, or the flight was
  // cancelled.
  static Task<Result<Lease>> take(std::shared_ptr<Pool> pool, std::shared_ptr<Flight> flight,
                                  bool fresh);

  void close();  // idle connections are closed now, leased ones when they come back

  std::size_t idle() const { return idle_.size(); }
  std::size_t busy() const { return busy_; }

 private:
  friend class Lease;
  friend class SlotWait;
  struct Idle {
    std::unique_ptr<net::ClientConnection> connection;
    std::int64_t since_ms;
  };

  std::unique_ptr<net::ClientConnection> take_idle();
  void give_back(std::unique_ptr<net::ClientConnection> connection);
  void expire();
  void arm_expiry();

  net::Loop& loop_;
  net::Resolver& resolver_;
  const net::Url url_;
  const std::shared_ptr<const net::TlsContext> tls_;
  const PoolLimits limits_;
  std::deque<Idle> idle_;  // oldest in front
  std::size_t busy_ = 0;   // leases that are out, and dials under way
  std::list<class SlotWait*> waiting_;
  net::Timer expiry_;
  bool closed_ = false;
};

}  // namespace sallyport::upstream
