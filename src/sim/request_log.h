// SPDX-License-Identifier: Apache-2.0
// What reached the simulated provider, for tests: heads as they came, bodies as size and digest,
// credentials as digests. Bounded; the oldest are forgotten.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "net/http_server.h"

namespace sallyport::sim {

struct LoggedRequest {
  std::uint64_t number = 0;  // from 1
  std::string method, path, query;
  std::vector<std::pair<std::string, std::string>> headers;
  std::size_t body_bytes = 0;
  std::string body_sha256;  // hex
  std::string model;
  int status = 0;
  std::size_t pieces = 0;    // of a streamed answer, handed to the connection so far
  bool finished = false;     // the whole answer was handed to the connection
  bool client_left = false;  // the connection ended before that
  bool died = false;         // as the call asked
};

class RequestLog {
 public:
  explicit RequestLog(std::size_t logged_max) : logged_max_(logged_max) {}

  std::shared_ptr<LoggedRequest> add(const net::ServerRequest& request, std::string body_sha256);
  std::string json() const;
  void clear() { requests_.clear(); }
  std::uint64_t seen() const { return seen_; }
  // Oldest first.
  const std::deque<std::shared_ptr<LoggedRequest>>& requests() const { return requests_; }

 private:
  std::size_t logged_max_;
  std::uint64_t seen_ = 0;
  std::deque<std::shared_ptr<LoggedRequest>> requests_;
};

}  // namespace sallyport::sim
