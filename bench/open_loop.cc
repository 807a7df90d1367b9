// SPDX-License-Identifier: Apache-2.0
// An open-loop client: requests leave by a fixed schedule whether or not earlier ones are answered,
// and latency counts from the planned time, so a stall is seen by every request it holds up.
//   open_loop PORT REQUESTS_PER_S SECONDS < request
// Prints one line of JSON; latencies in microseconds.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kConnections = 64;
constexpr std::int64_t kGraceUs = 5'000'000;  // for answers after the last request

std::int64_t now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
}

struct Connection {
  int fd = -1;
  std::int64_t planned_us = 0;
  std::string in;
  bool busy = false;
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
    std::perror("connect");
    std::exit(1);
  }
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

class OpenLoop {
 public:
  OpenLoop(std::uint16_t port, std::string request)
      : epoll_(::epoll_create1(0)), request_(std::move(request)), connections_(kConnections) {
    for (std::size_t i = 0; i < kConnections; ++i) {
      connections_[i].fd = connect_to(port);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[i].fd, &event);
    }
  }

  void run(double per_second, double seconds) {
    const auto count = static_cast<std::int64_t>(per_second * seconds);
    const std::int64_t start = now_us() + 1000;
    std::int64_t sent = 0;
    const auto planned = [&](std::int64_t i) {
      return start + static_cast<std::int64_t>(static_cast<double>(i) * 1e6 / per_second);
    };
    const std::int64_t end = planned(count) + kGraceUs;
    while (static_cast<std::int64_t>(latencies_.size()) + failed_ < count && now_us() < end) {
      while (sent < count && planned(sent) <= now_us()) send(planned(sent++));
      receive((sent < count ? planned(sent) : end) - now_us());
    }
    failed_ += count - failed_ - static_cast<std::int64_t>(latencies_.size());
  }

  void tell() {
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [&](double share) {
      if (latencies_.empty()) return std::int64_t{-1};
      const auto place = static_cast<std::size_t>(share * static_cast<double>(latencies_.size()));
      return latencies_[std::min(place, latencies_.size() - 1)];
    };
    std::printf("{\"answers\":%zu,\"failed\":%lld,\"p50\":%lld,\"p90\":%lld,\"p99\":%lld}\n",
                latencies_.size(), static_cast<long long>(failed_), static_cast<long long>(at(0.5)),
                static_cast<long long>(at(0.9)), static_cast<long long>(at(0.99)));
  }

 private:
  void send(std::int64_t planned_us) {
    // The connections take turns; one that still waits is passed over.
    for (std::size_t tried = 0; tried < kConnections; ++tried) {
      Connection& connection = connections_[turn_++ % kConnections];
      if (connection.busy || connection.fd < 0) continue;
      connection.busy = true;
      connection.planned_us = planned_us;
      const ssize_t sent = ::send(connection.fd, request_.data(), request_.size(), MSG_NOSIGNAL);
      if (sent != static_cast<ssize_t>(request_.size())) ++failed_;
      return;
    }
    ++failed_;  // nothing free: the target is far behind
  }

  void receive(std::int64_t wait_us) {
    wait_us = std::max<std::int64_t>(wait_us, 0);
    const timespec wait{wait_us / 1'000'000, wait_us % 1'000'000 * 1000};
    std::array<epoll_event, 64> events;
    const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &wait, nullptr);
    for (int i = 0; i < count; ++i) {
      take(connections_[events[static_cast<std::size_t>(i)].data.u64]);
    }
  }

  void take(Connection& connection) {
    std::array<char, 16384> buffer;
    const ssize_t got = ::recv(connection.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      if (connection.busy) ++failed_;
      ::close(connection.fd);
      connection.fd = -1;
      return;
    }
    std::string& in = connection.in;
    in.append(buffer.data(), static_cast<std::size_t>(got));
    const std::size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    std::size_t body = 0;
    for (std::size_t at = 0; at < end; at = in.find("\r\n", at) + 2) {
      static constexpr std::string_view kName = "content-length:";
      if (::strncasecmp(&in[at], kName.data(), kName.size()) == 0) {
        body = std::strtoull(&in[at + kName.size()], nullptr, 10);
      }
    }
    if (in.size() < end + 4 + body) return;
    if (in.starts_with("HTTP/1.1 200")) {
      latencies_.push_back(now_us() - connection.planned_us);
    } else {
      ++failed_;
    }
    in.clear();
    connection.busy = false;
  }

  int epoll_;
  std::string request_;
  std::vector<Connection> connections_;
  std::vector<std::int64_t> latencies_;
  std::int64_t failed_ = 0;
  std::size_t turn_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: open_loop PORT REQUESTS_PER_S SECONDS < request\n");
    return 2;
  }
  ::prctl(PR_SET_TIMERSLACK, 1);
  std::string request;
  for (int c = std::getchar(); c != EOF; c = std::getchar())
    request.push_back(static_cast<char>(c));
  OpenLoop load(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)), request);
  load.run(std::strtod(argv[2], nullptr), std::strtod(argv[3], nullptr));
  load.tell();
}
