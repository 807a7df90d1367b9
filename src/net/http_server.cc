// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <utility>

#include "base/log.h"
#include "net/server_connection.h"

namespace sallyport::net {
namespace {

constexpr std::int64_t kPauseMs = 100;  // out of descriptors or connections: try again after

bool is_unix_socket(int fd) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  return getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0 &&
         name.ss_family == AF_UNIX;
}

// A place in a list for as long as this lives, also when the loop ends the coroutine around it.
template <class T>
class Listed {
 public:
  Listed(std::list<T*>& list, T& entry) : list_(list), place_(list.insert(list.end(), &entry)) {}
  ~Listed() { list_.erase(place_); }
  Listed(const Listed&) = delete;
  Listed& operator=(const Listed&) = delete;

 private:
  std::list<T*>& list_;
  std::list<T*>::iterator place_;
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
struct HttpServer::State {
  Loop& loop;
  ServerHandler& handler;
  ServerLimits limits;
  std::shared_ptr<const TlsContext> tls;
  std::shared_ptr<bool> stopping = std::make_shared<bool>(false);
  std::size_t accepted = 0;  // connections that have not ended, hand-shaking ones included
  std::list<ServerConnection*> connections;
  std::list<Handle*> listening;

  static Task<void> accept_all(std::shared_ptr<State> state, int fd);
  static Task<void> serve(std::shared_ptr<State> state, int fd, bool local_socket);
};

Task<void> HttpServer::State::accept_all(std::shared_ptr<State> state, int fd) {
  Loop& loop = state->loop;
  const bool local_socket = is_unix_socket(fd);
  Handle handle(loop, fd);
  const Listed<Handle> listed(state->listening, handle);
  while (!*state->stopping) {
    if (state->accepted >= state->limits.connections_max) {
      co_await loop.sleep_for(kPauseMs);
      continue;
    }
    const int accepted = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
      ++state->accepted;
      loop.spawn(serve(state, accepted, local_socket));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      handle.drained();
      const Ready ready = co_await handle.readable(kNever);
      if (ready == Ready::kCancelled) break;
      continue;
    }
    log::warn("server.accept_failed", {{"errno", errno}});
    co_await loop.sleep_for(kPauseMs);
  }
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
    const Listed<ServerConnection> listed(state->connections, connection);
    co_await connection.run();
  }
  --state->accepted;
}

HttpServer::HttpServer(Loop& loop, ServerHandler& handler, ServerLimits limits,
                       std::shared_ptr<const TlsContext> tls)
    : state_(std::make_shared<State>(loop, handler, limits, std::move(tls))) {}

HttpServer::~HttpServer() {
  stop_accepting();
  // A copy: a cancelled connection leaves the list at once.
  const std::list<ServerConnection*> connections = state_->connections;
  for (ServerConnection* connection : connections) connection->cancel();
}

void HttpServer::serve(int listening_fd) {
  state_->loop.spawn(State::accept_all(state_, listening_fd));
}

void HttpServer::stop_accepting() {
  *state_->stopping = true;
  const std::list<Handle*> listening = state_->listening;
  for (Handle* handle : listening) handle->cancel();
  const std::list<ServerConnection*> connections = state_->connections;
  for (ServerConnection* connection : connections) {
    if (connection->idle()) connection->cancel();
  }
}

std::size_t HttpServer::connections() const { return state_->accepted; }

}  // namespace sallyport::net
