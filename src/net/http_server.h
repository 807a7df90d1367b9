// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server for our own pages: the admin API, the metrics, the simulated provider.
// Requests are read whole (bounded); answers are bytes or a pulled body. The gate has its own
// connection loop in http/, since it must decide before it reads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/body.h"
#include "net/connect.h"
#include "net/http1_head.h"
#include "net/tls.h"

namespace sallyport::net {

struct ServerRequest {
  std::string method;
  std::string path;
  std::string query;                                         // without '?'
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  Endpoint peer;
  bool local_socket = false;     // came over a UNIX socket: file permissions were the login
  Handle* connection = nullptr;  // lives until the answer is out; tells a slow handler
                                 // (peer_closed) that nobody waits any more
  std::string* find(std::string_view lower_name);
  const std::string* find(std::string_view lower_name) const;
};

struct ServerResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // used when `stream` is null
  // Sent chunked, each piece at once; an error breaks the connection.
  std::unique_ptr<BodySource> stream;
  bool close = false;
};

// One for all connections of a server, on the server's loop.
class ServerHandler {
 public:
  virtual ~ServerHandler() = default;
  virtual Task<ServerResponse> handle(ServerRequest request) = 0;
};

struct ServerLimits {
  std::size_t head_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 8 * 1024 * 1024;
  std::size_t connections_max = 1024;  // further ones wait in the backlog
  std::int64_t head_ms = 10'000;
  std::int64_t body_ms = 60'000;
  std::int64_t idle_ms = 120'000;
};

class HttpServer {
 public:
  // `loop` outlives the server, `handler` also every answer that is under way when the server ends
  // (idle connections are closed, others end with their answer). `tls` may be null.
  HttpServer(Loop& loop, ServerHandler& handler, ServerLimits limits,
             std::shared_ptr<const TlsContext> tls = nullptr);
  ~HttpServer();
  // Takes a listening socket (TCP or UNIX) and begins to accept.
  void serve(int listening_fd);
  void stop_accepting();  // closes idle connections too; others close with their next answer
  std::size_t connections() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sallyport::net
