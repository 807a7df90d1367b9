// SPDX-License-Identifier: Apache-2.0
// Addresses out and in: name resolution off the loop, connecting, listening.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/stream.h"

namespace sallyport::net {

// Resolves names on its own thread (getaddrinfo blocks). Answers are kept for `fresh_ms`; when the
// resolver fails, the last good answer is used for up to `stale_ms`. Any thread may share one.
class Resolver {
 public:
  Resolver();
  ~Resolver();
  // Numeric addresses answer at once. On `loop`'s thread.
  Task<Result<std::vector<IpAddress>>> resolve(Loop& loop, std::string host, Deadline until);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// A connected non-blocking socket with TCP_NODELAY, or why not.
Task<Result<int>> connect_tcp(Loop& loop, Endpoint to, Deadline until);

// A non-blocking listening socket; SO_REUSEADDR, and SO_REUSEPORT when asked. Port 0 picks one.
Result<int> listen_tcp(const Endpoint& at, bool reuse_port, int backlog = 4096);
Result<int> listen_unix(const std::string& path);  // mode 0600; replaces a stale socket
Result<Endpoint> local_endpoint(int fd);

}  // namespace sallyport::net
