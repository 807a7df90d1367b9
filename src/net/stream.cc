// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kPartsMax = 1024;  // IOV_MAX: what the kernel takes in one call

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
    if (!handle_.can_read()) moved_ = 0;
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
        moved_ += static_cast<std::size_t>(got);
        if (turn_is_due()) co_await handle_.loop().next_turn();
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
    std::size_t at = 0;      // the part under way
    std::size_t offset = 0;  // of it, already sent
    skip(parts, at, offset, 0);
    while (at < parts.size()) {
      if (handle_.cancelled()) co_return fail(Code::kUnavailable, "cancelled");
      const ssize_t sent = send(parts, at, offset);
      if (sent >= 0) {
        skip(parts, at, offset, static_cast<std::size_t>(sent));
        moved_ += static_cast<std::size_t>(sent);
        if (turn_is_due()) co_await handle_.loop().next_turn();
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
  bool turn_is_due() {
    if (moved_ < kTurnBytes) return false;
    moved_ = 0;
    return true;
  }

  // One system call. A part sent half goes alone, so that the caller's list is used as it is.
  ssize_t send(std::span<const iovec> parts, std::size_t at, std::size_t offset) const {
    iovec rest{static_cast<char*>(parts[at].iov_base) + offset, parts[at].iov_len - offset};
    msghdr message{};
    message.msg_iov = offset > 0 ? &rest : const_cast<iovec*>(&parts[at]);
    message.msg_iovlen = offset > 0 ? 1 : std::min<std::size_t>(parts.size() - at, kPartsMax);
    return ::sendmsg(handle_.fd(), &message, MSG_NOSIGNAL);
  }

  // Goes `sent` bytes on, and over empty parts.
  static void skip(std::span<const iovec> parts, std::size_t& at, std::size_t& offset,
                   std::size_t sent) {
    offset += sent;
    while (at < parts.size() && offset >= parts[at].iov_len) offset -= parts[at++].iov_len;
  }

  Handle handle_;
  std::size_t moved_ = 0;
};

}  // namespace

std::unique_ptr<Stream> plain_stream(Loop& loop, int fd) {
  return std::make_unique<PlainStream>(loop, fd);
}

}  // namespace sallyport::net
