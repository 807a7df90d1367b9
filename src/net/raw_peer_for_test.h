// SPDX-License-Identifier: Apache-2.0
// For tests only: a peer on loopback that does exactly what a script says, byte by byte. Each
// accepted connection runs the next script on a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "net/loop.h"

namespace sallyport::net {

class RawPeer {
 public:
  static constexpr int kPatienceS = 5;  // a broken test ends instead of hanging

  class Link {
   public:
    explicit Link(int fd) : fd_(fd) {
      const timeval patience{kPatienceS, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~Link() {
      if (fd_ >= 0) ::close(fd_);
    }
    Link(const Link&) = delete;

    // The next request with its Content-Length body; what came if it ends before.
    std::string read_request() {
      std::size_t whole = std::string::npos;
      while (whole == std::string::npos || kept_.size() < whole) {
        const std::size_t end = kept_.find("\r\n\r\n");
        if (end != std::string::npos) whole = end + 4 + length(kept_.substr(0, end));
        if (whole != std::string::npos && kept_.size() >= whole) break;
        if (!read_more()) return std::exchange(kept_, {});
      }
      std::string request = kept_.substr(0, whole);
      kept_.erase(0, whole);
      return request;
    }
    std::string read_some() {
      if (kept_.empty()) read_more();
      return std::exchange(kept_, {});
    }
    // Everything up to the other side's end.
    std::string read_all() {
      while (read_more()) {
      }
      return std::exchange(kept_, {});
    }
    void send(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
    void finish() { ::shutdown(fd_, SHUT_WR); }
    void reset() {
      const linger at_once{1, 0};
      ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(std::exchange(fd_, -1));
    }

   private:
    bool read_more() {
      char piece[4096];
      const ssize_t got = ::recv(fd_, piece, sizeof piece, 0);
      if (got <= 0) return false;
      kept_.append(piece, static_cast<std::size_t>(got));
      return true;
    }
    static std::size_t length(const std::string& head) {
      const std::size_t at = head.find("content-length: ");
      std::size_t size = 0;
      if (at == std::string::npos) return 0;
      std::from_chars(head.data() + at + 16, head.data() + head.size(), size);
      return size;
    }
    int fd_;
    std::string kept_;
  };

  using Script = std::function<void(Link&)>;

  explicit RawPeer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&at), size) != 0 ||
        ::listen(listening_, 16) != 0 ||
        ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(at.sin_port);
    accepting_ = std::jthread([this] { accept_all(); });
  }
  ~RawPeer() {
    ::shutdown(listening_, SHUT_RDWR);
    accepting_.join();
    running_.clear();
    ::close(listening_);
  }
  RawPeer(const RawPeer&) = delete;

  std::uint16_t port() const { return port_; }
  std::size_t accepted() const { return accepted_; }

 private:
  void accept_all() {
    for (;;) {
      const int fd = ::accept(listening_, nullptr, nullptr);
      if (fd < 0) return;
      const std::size_t index = accepted_++;
      if (index >= scripts_.size()) {
        ::close(fd);
        continue;
      }
      running_.emplace_back([this, fd, index] {
        Link link(fd);
        scripts_[index](link);
      });
    }
  }

  std::vector<Script> scripts_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> accepted_{0};
  std::vector<std::jthread> running_;
  std::jthread accepting_;
};

inline Task<void> then_stop(Loop& loop, Task<void> work) {
  co_await work;
  loop.stop();
}

// Runs `work` to its end on `loop`, which runs only once.
inline void run_on(Loop& loop, Task<void> work) {
  loop.spawn(then_stop(loop, std::move(work)));
  loop.run();
}

}  // namespace sallyport::net
