// SPDX-License-Identifier: Apache-2.0
// For tests only: two connected ends in one process, and coroutines that start at once and may be
// destroyed while they wait.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::net {

// `near` is non-blocking, for the loop; `far` is blocking, for the test, and closed with the pair.
struct SocketPair {
  SocketPair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    near = ends[0];
    far = ends[1];
    ::fcntl(near, F_SETFL, O_NONBLOCK);
  }
  ~SocketPair() {
    if (near >= 0) ::close(near);
    close_far();
  }
  SocketPair(const SocketPair&) = delete;

  int take_near() { return std::exchange(near, -1); }
  int take_far() { return std::exchange(far, -1); }
  void close_far() {
    if (far >= 0) ::close(std::exchange(far, -1));
  }
  void say(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(far, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  int near = -1;
  int far = -1;
};

// A coroutine that runs until its first wait when called and dies with this object.
class Started {
 public:
  struct promise_type {
    Started get_return_object() {
      return Started(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  Started() = default;
  Started(Started&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Started& operator=(Started&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Started() { reset(); }
  void reset() {
    if (handle_) std::exchange(handle_, nullptr).destroy();
  }

 private:
  explicit Started(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  std::coroutine_handle<promise_type> handle_;
};

}  // namespace sallyport::net
