// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <sys/socket.h>

#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "net/server_connection.h"

namespace sallyport::net {
namespace {

bool is_unix_socket(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
         name.ss_family == AF_UNIX;
}

// A place in a list for as long as this lives, also when the loop ends the coroutine around it.
class Listed {
 public:
  Listed(std::list<ServerConnection*>& list, ServerConnection& entry)
      : list_(list), place_(list.insert(list.end(), &entry)) {}
  ~Listed() { list_.erase(place_); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  std::list<ServerConnection*>& list_;
  std::list<ServerConnection*>::iterator place_;
};

}  // namespace

std::string* ServerRequest::find(std::string_view lower_name) {
  return const_cast<std::string*>(std::as_const(*this).find(lower_name));
}

const std::string* ServerRequest::find(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return &value;
  }
  return nullptr;
}

// Shared by the server and its coroutines, so that these may end after it.
struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
  State(Loop& on, ServerHandler& to, ServerLimits bounds, std::shared_ptr<const TlsContext> secured)
      : loop(on), handler(to), limits(bounds), tls(std::move(secured)) {}

  Loop& loop;
  ServerHandler& handler;
  ServerLimits limits;
  std::shared_ptr<const TlsContext> tls;
  std::shared_ptr<bool> stopping = std::make_shared<bool>(false);
  std::size_t open = 0;  // connections that have not ended, hand-shaking ones included
  std::list<ServerConnection*> connections;
  std::vector<std::unique_ptr<Acceptor>> acceptors;

  void taken(int fd, bool local_socket);
  void ended();
  static Task<void> serve(std::shared_ptr<State> state, int fd, bool local_socket);
};

void HttpServer::State::taken(int fd, bool local_socket) {
  if (++open >= limits.connections_max) {
    for (const auto& acceptor : acceptors) acceptor->pause();
  }
  loop.spawn(serve(shared_from_this(), fd, local_socket));
}

void HttpServer::State::ended() {
  if (--open + 1 != limits.connections_max || *stopping) return;
  for (const auto& acceptor : acceptors) acceptor->resume();
}

Task<void> HttpServer::State::serve(std::shared_ptr<State> state, int fd, bool local_socket) {
  std::unique_ptr<Stream> stream;
  if (state->tls) {
    const Deadline until = state->loop.now_ms() + state->limits.head_ms;
    Result<std::unique_ptr<Stream>> secured = co_await state->tls->accept(state->loop, fd, until);
    if (secured) stream = std::move(*secured);
  } else {
    stream = plain_stream(state->loop, fd);
  }
  if (stream && !*state->stopping) {
    ServerConnection connection(std::move(stream), local_socket, state->handler, state->limits,
                                state->stopping);
    const Listed listed(state->connections, connection);
    co_await connection.run();
  }
  state->ended();
}

HttpServer::HttpServer(Loop& loop, ServerHandler& handler, ServerLimits limits,
                       std::shared_ptr<const TlsContext> tls)
    : state_(std::make_shared<State>(loop, handler, limits, std::move(tls))) {}

HttpServer::~HttpServer() {
  stop_accepting();
  for (ServerConnection* connection : state_->connections) connection->cancel();
}

void HttpServer::serve(int listening_fd) {
  // The acceptor is closed before the state ends: stop_accepting().
  const bool local_socket = is_unix_socket(listening_fd);
  state_->acceptors.push_back(std::make_unique<Acceptor>(
      state_->loop, listening_fd, [state = state_.get(), local_socket](int fd, const Endpoint&) {
        state->taken(fd, local_socket);
      }));
}

void HttpServer::stop_accepting() {
  *state_->stopping = true;
  for (const auto& acceptor : state_->acceptors) acceptor->close();
  for (ServerConnection* connection : state_->connections) {
    if (connection->idle()) connection->cancel();
  }
}

std::size_t HttpServer::connections() const { return state_->open; }

}  // namespace sallyport::net
