// SPDX-License-Identifier: Apache-2.0
#include "net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <utility>

#include "base/log.h"
#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

std::unexpected<Error> system_error(const char* what, int error) {
  return fail(Code::kUnavailable, std::string(what) + ": " + strerror(error));
}

void no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

// Closes unless given away.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }
  int give() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace

Endpoint to_endpoint(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    return {IpAddress::v4(ntohl(four.sin_addr.s_addr)), ntohs(four.sin_port)};
  }
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    std::array<std::uint8_t, 16> bytes;
    ::memcpy(bytes.data(), six.sin6_addr.s6_addr, bytes.size());
    return {IpAddress::v6(bytes), ntohs(six.sin6_port)};
  }
  return {};
}

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& address) {
  address = {};
  const auto& bytes = endpoint.address.bytes();
  if (endpoint.address.is_v4()) {
    auto& four = reinterpret_cast<sockaddr_in&>(address);
    four.sin_family = AF_INET;
    four.sin_port = htons(endpoint.port);
    ::memcpy(&four.sin_addr.s_addr, bytes.data() + 12, 4);
    return sizeof four;
  }
  auto& six = reinterpret_cast<sockaddr_in6&>(address);
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(endpoint.port);
  ::memcpy(six.sin6_addr.s6_addr, bytes.data(), bytes.size());
  return sizeof six;
}

Result<Endpoint> local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return system_error("getsockname", errno);
  }
  return to_endpoint(address);
}

Endpoint peer_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return to_endpoint(address);
}

Task<Result<int>> connect_tcp(Loop& loop, Endpoint to, Deadline until) {
  sockaddr_storage address;
  const socklen_t size = to_sockaddr(to, address);
  const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return system_error("socket", errno);
  Descriptor socket(fd);
  no_delay(fd);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) co_return socket.give();
  if (errno != EINPROGRESS) co_return system_error("connect", errno);

  Handle handle(loop, socket.give());
  handle.congested();
  const Ready ready = co_await handle.writable(until);
  if (ready == Ready::kTimeout) co_return fail(Code::kExhausted, "connect: deadline");
  if (ready == Ready::kCancelled) co_return fail(Code::kUnavailable, "connect: cancelled");
  int error = 0;
  socklen_t error_size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
  if (error != 0) co_return system_error("connect", error);
  co_return handle.release();
}

Result<int> listen_tcp(const Endpoint& at, bool reuse_port, int backlog) {
  sockaddr_storage address;
  const socklen_t size = to_sockaddr(at, address);
  Descriptor socket(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return system_error("socket", errno);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return system_error(("listen on " + at.address.text() + ":" + std::to_string(at.port)).c_str(),
                        errno);
  }
  if (::listen(socket.get(), backlog) != 0) return system_error("listen", errno);
  return socket.give();
}

Result<int> listen_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Code::kInvalid, "the path of a UNIX socket has 1 to 107 bytes");
  }
  ::memcpy(address.sun_path, path.data(), path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return system_error("socket", errno);
  const auto* const at = reinterpret_cast<const sockaddr*>(&address);
  // Somebody answers there: it is not ours to take. Nobody does: a dead process left it behind.
  Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), at, sizeof address) == 0) {
    return fail(Code::kDenied, path + " is in use by another process");
  }
  struct stat existing;
  if (errno == ECONNREFUSED && ::lstat(path.c_str(), &existing) == 0 &&
      S_ISSOCK(existing.st_mode)) {
    ::unlink(path.c_str());
  }
  // The mode is set before the name appears to others: umask is the process's, so bind, then
  // restrict before listen, when a connect still fails.
  if (::bind(socket.get(), at, sizeof address) != 0) return system_error(path.c_str(), errno);
  if (::chmod(path.c_str(), 0600) != 0) return system_error(path.c_str(), errno);
  if (::listen(socket.get(), 128) != 0) return system_error("listen", errno);
  return socket.give();
}

// --- Accepting.

struct Acceptor::State : std::enable_shared_from_this<Acceptor::State> {
  State(Loop& loop, int fd, Taken t) : handle(loop, fd), taken(std::move(t)) {}
  // A descriptor that another process shares stays in the epoll set when ours is closed: take it
  // out.
  ~State() { ::close(handle.release()); }
  Handle handle;
  Taken taken;
  Timer retry;
  bool paused = false;
  bool closed = false;
  bool complained = false;

  void take_all();
  bool take_one();
  void go_on_next_turn();
  static Task<void> run(std::shared_ptr<State> state);
};

// False: nothing more to take for now.
bool Acceptor::State::take_one() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd = ::accept4(handle.fd(), reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    no_delay(fd);
    taken(fd, to_endpoint(address));
    return true;
  }
  if (errno == EINTR || errno == ECONNABORTED) return true;
  if (errno == EAGAIN) {
    complained = false;  // the backlog is empty again: a later shortage is news
    return false;
  }
  if (!std::exchange(complained, true)) {
    log::error("accept.failed", {{"reason", strerror(errno)}});
  }
  handle.loop().arm(
      retry, handle.loop().now_ms() + kRetryMs,
      [](void* self) { static_cast<State*>(self)->take_all(); }, this);
  return false;
}

void Acceptor::State::take_all() {
  const std::shared_ptr<State> alive = shared_from_this();  // `taken` may end the Acceptor
  for (int taken_now = 0; !paused && !closed; ++taken_now) {
    if (taken_now == kTurnMax) return go_on_next_turn();
    if (!take_one()) return;
  }
}

// A crowd at the door must not keep those inside waiting.
void Acceptor::State::go_on_next_turn() {
  handle.loop().post([state = weak_from_this()] {
    const std::shared_ptr<State> alive = state.lock();
    if (alive && !alive->retry.armed()) alive->take_all();
  });
}

Task<void> Acceptor::State::run(std::shared_ptr<State> state) {
  while (!state->closed) {
    const Ready ready = co_await state->handle.readable(kNever);
    if (ready == Ready::kCancelled) co_return;
    state->handle.drained();
    if (!state->retry.armed()) state->take_all();
  }
}

Acceptor::Acceptor(Loop& loop, int listening_fd, Taken taken)
    : state_(std::make_shared<State>(loop, listening_fd, std::move(taken))) {
  loop.spawn(State::run(state_));
}

Acceptor::~Acceptor() { close(); }

void Acceptor::pause() { state_->paused = true; }

void Acceptor::resume() {
  if (!std::exchange(state_->paused, false)) return;
  state_->take_all();
}

void Acceptor::close() {
  if (std::exchange(state_->closed, true)) return;
  state_->retry.disarm();
  ::shutdown(state_->handle.fd(), SHUT_RDWR);
  state_->handle.cancel();
}

}  // namespace sallyport::net
