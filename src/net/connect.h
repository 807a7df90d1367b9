// SPDX-License-Identifier: Apache-2.0
// Addresses out and in: name resolution off the loop, connecting, listening.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/stream.h"

namespace sallyport::net {

// Resolves names on its own thread (getaddrinfo blocks). Answers are kept for `fresh_ms` in the
// order given. When the resolver fails or is silent, the last good answer is used for up to
// `stale_ms`, and at once while the failure is younger than `retry_ms`. Any thread may share one; a
// coroutine that waits here, or its whole loop, may be destroyed.
class Resolver {
 public:
  using Addresses = std::vector<IpAddress>;
  using Ask = std::function<Result<Addresses>(const std::string& host)>;  // may block
  struct Times {
    std::int64_t fresh_ms = 30'000;
    std::int64_t stale_ms = 600'000;
    std::int64_t retry_ms = 1'000;
  };

  Resolver();                                          // asks the system
  Resolver(Ask ask, Times times, const Clock& clock);  // `clock` outlives the resolver
  ~Resolver();
  Resolver(const Resolver&) = delete;

  // Numeric addresses answer at once. On `loop`'s thread.
  Task<Result<Addresses>> resolve(Loop& loop, std::string host, Deadline until);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// A connected non-blocking socket with TCP_NODELAY, or why not.
Task<Result<int>> connect_tcp(Loop& loop, Endpoint to, Deadline until);

// Accepts on a listening socket until closed. When the process runs out of descriptors it says so
// once and tries again a moment later, so that it neither spins nor dies.
class Acceptor {
 public:
  static constexpr std::int64_t kRetryMs = 100;
  static constexpr int kTurnMax = 64;  // taken in one turn of the loop; the others get theirs too
  using Taken = std::move_only_function<void(int fd, Endpoint peer)>;  // fd: non-blocking, no delay

  Acceptor(Loop& loop, int listening_fd, Taken taken);  // takes the descriptor; `loop` outlives it
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  void pause();
  void resume();
  void close();  // no more: further clients are refused by the kernel

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// A non-blocking listening socket; SO_REUSEADDR, and SO_REUSEPORT when asked. Port 0 picks one.
Result<int> listen_tcp(const Endpoint& at, bool reuse_port, int backlog = 4096);
Result<int> listen_unix(const std::string& path);  // mode 0600; replaces a stale socket
Result<Endpoint> local_endpoint(int fd);

}  // namespace sallyport::net
