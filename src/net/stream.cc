// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

std::unexpected<Error> broken(const char* what, int error) {
  return fail(Code::kUnavailable, std::string(what) + ": " + strerror(error));
}

std::unexpected<Error> not_ready(Ready ready) {
  if (ready == Ready::kTimeout) return fail(Code::kExhausted, "deadline");
  return fail(Code::kUnavailable, "cancelled");
}

class PlainStream final : public Stream {
 public:
  PlainStream(Loop& loop, int fd) : handle_(loop, fd) {}

  Task<Ready> readable(Deadline until) override {
    Ready ready = co_await handle_.readable(until);
    co_return ready;
  }

  Task<Result<std::size_t>> read_some(std::span<char> into, Deadline until) override {
    for (;;) {
      if (handle_.cancelled()) co_return fail(Code::kUnavailable, "cancelled");
      const ssize_t got = ::recv(handle_.fd(), into.data(), into.size(), 0);
      if (got >= 0) {
        // Less than offered: the socket is empty, so the next wait needs no system call to find
        // out.
        if (static_cast<std::size_t>(got) < into.size()) handle_.drained();
        co_return static_cast<std::size_t>(got);
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return broken("recv", errno);
      handle_.drained();
      if (handle_.peer_closed()) co_return broken("recv", ECONNRESET);
      const Ready ready = co_await handle_.readable(until);
      if (ready != Ready::kReady) co_return not_ready(ready);
    }
  }

  Task<Result<void>> write_all(std::span<const iovec> parts, Deadline until) override {
    std::array<iovec, 16> left;
    std::size_t count = std::min(parts.size(), left.size());
    std::copy_n(parts.begin(), count, left.begin());
    std::size_t next = count;  // of `parts`, not yet taken over
    std::size_t at = 0;
    while (at < count || next < parts.size()) {
      if (at == count) {
        count = std::min(parts.size() - next, left.size());
        std::copy_n(parts.begin() + static_cast<std::ptrdiff_t>(next), count, left.begin());
        next += count;
        at = 0;
      }
      if (handle_.cancelled()) co_return fail(Code::kUnavailable, "cancelled");
      msghdr message{};
      message.msg_iov = &left[at];
      message.msg_iovlen = count - at;
      const ssize_t sent = ::sendmsg(handle_.fd(), &message, MSG_NOSIGNAL);
      if (sent >= 0) {
        advance(left, at, count, static_cast<std::size_t>(sent));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return broken("send", errno);
      handle_.congested();
      const Ready ready = co_await handle_.writable(until);
      if (ready != Ready::kReady) co_return not_ready(ready);
    }
    co_return Result<void>();
  }

  void shutdown_write() override { ::shutdown(handle_.fd(), SHUT_WR); }
  void cancel() override { handle_.cancel(); }
  Handle& handle() override { return handle_; }
  Endpoint peer() const override { return peer_endpoint(handle_.fd()); }
  Endpoint local() const override { return local_endpoint(handle_.fd()).value_or(Endpoint()); }
  bool encrypted() const override { return false; }
  std::string peer_certificate_thumbprint() const override { return {}; }

 private:
  static void advance(std::array<iovec, 16>& left, std::size_t& at, std::size_t count,
                      std::size_t sent) {
    while (at < count && sent >= left[at].iov_len) sent -= left[at++].iov_len;
    if (at < count && sent > 0) {
      left[at].iov_base = static_cast<char*>(left[at].iov_base) + sent;
      left[at].iov_len -= sent;
    }
  }

  Handle handle_;
};

}  // namespace

std::unique_ptr<Stream> plain_stream(Loop& loop, int fd) {
  return std::make_unique<PlainStream>(loop, fd);
}

}  // namespace sallyport::net
