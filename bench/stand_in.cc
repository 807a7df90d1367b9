// SPDX-License-Identifier: Apache-2.0
// An upstream for measurements, cheap enough not to be what is measured. One thread, HTTP/1.1 with
// keep-alive, every POST gets the same answer:
//   stand_in PORT sse  PAUSE_US   50 events, each in a write of its own, PAUSE_US apart
//   stand_in PORT late PAUSE_US   a chat answer of 1.7 KB after PAUSE_US
//   stand_in PORT hold 0          the beginning of a stream, and then nothing
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kEvents = 50;
constexpr std::size_t kRequestBytesMax = 1 << 20;

std::int64_t now_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000LL + now.tv_nsec / 1000;
}

std::string chunk(const std::string& data) {
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  return size + data + "\r\n";
}

std::string event(const std::string& choice, const std::string& usage) {
  return R"(data: {"id":"chatcmpl-7QyqpwdfhqwajicIEznoc6Q47XAyW","object":"chat.completion.chunk",)"
         R"("created":1677664795,"model":"gpt-4o-mini-2024-07-18","choices":[)" +
         choice + "]" + usage + "}\n\n";
}

std::vector<std::string> stream_pieces() {
  std::vector<std::string> pieces;
  for (int i = 0; i + 2 < kEvents; ++i) {
    pieces.push_back(chunk(event(
        R"({"index":0,"delta":{"content":" and a word"},"logprobs":null,"finish_reason":null})",
        "")));
  }
  pieces.push_back(chunk(
      event("", R"(,"usage":{"prompt_tokens":230,"completion_tokens":96,"total_tokens":326})")));
  pieces.push_back(chunk("data: [DONE]\n\n"));
  pieces.front().insert(0,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n");
  pieces.back() += "0\r\n\r\n";
  return pieces;
}

std::string chat_answer() {
  std::string text;
  while (text.size() < 1350) text += "The answer is a sentence of several plain words. ";
  const std::string body =
      R"({"id":"chatcmpl-123","object":"chat.completion","created":1677652288,)"
      R"("model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":")" +
      text +
      R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":230,"completion_tokens":280,)"
      R"("total_tokens":510}})";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Peer {
  std::string in;
  std::size_t next_piece = 0;
};

struct Due {
  std::int64_t at_us;
  int fd;
  std::uint64_t peer;  // the descriptor may be another's by then
};

class StandIn {
 public:
  StandIn(std::string_view mode, std::int64_t pause_us) : pause_us_(pause_us) {
    if (mode == "late") {
      pieces_ = {chat_answer()};
      first_pause_us_ = pause_us;
    } else {
      pieces_ = stream_pieces();
      if (mode == "hold") {
        pieces_.resize(1);
        holds_ = true;
      }
    }
  }

  int run(std::uint16_t port) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int one = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
        ::listen(listener, 4096) != 0) {
      std::perror("listen");
      return 1;
    }
    watch(listener, 0);
    for (;;) {
      epoll_event events[256];
      const int count = ::epoll_pwait2(epoll_, events, 256, wait(), nullptr);
      for (int i = 0; i < count; ++i) {
        const int fd = events[i].data.fd;
        if (fd == listener) {
          accept_all(listener);
        } else {
          receive(fd);
        }
      }
      while (!due_.empty() && due_.front().at_us <= now_us()) {
        const Due due = due_.front();
        due_.pop_front();
        const auto peer = peers_.find(due.fd);
        if (peer != peers_.end() && ids_[due.fd] == due.peer) give(due.fd, peer->second);
      }
    }
  }

 private:
  const timespec* wait() {
    if (due_.empty()) return nullptr;
    const std::int64_t left = std::max<std::int64_t>(due_.front().at_us - now_us(), 0);
    wait_ = {left / 1'000'000, left % 1'000'000 * 1000};
    return &wait_;
  }

  void watch(int fd, std::uint32_t more) const {
    epoll_event event{};
    event.events = EPOLLIN | more;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all(int listener) {
    for (;;) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return;
      const int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      peers_[fd] = {};
      ids_[fd] = ++last_id_;
      watch(fd, 0);
    }
  }

  void drop(int fd) {
    peers_.erase(fd);
    ::close(fd);
  }

  void receive(int fd) {
    char buffer[16384];
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN) return;
    Peer& peer = peers_[fd];
    if (got <= 0 || peer.in.size() > kRequestBytesMax) return drop(fd);
    peer.in.append(buffer, static_cast<std::size_t>(got));
    const std::size_t end = peer.in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    std::size_t body = 0;
    for (std::size_t at = 0; at < end; at = peer.in.find("\r\n", at) + 2) {
      static constexpr std::string_view kName = "content-length:";
      if (::strncasecmp(&peer.in[at], kName.data(), kName.size()) == 0) {
        body = std::strtoull(&peer.in[at + kName.size()], nullptr, 10);
      }
    }
    if (peer.in.size() < end + 4 + body) return;
    peer.in.erase(0, end + 4 + body);
    peer.next_piece = 0;
    if (first_pause_us_ > 0) {
      due_.push_back({now_us() + first_pause_us_, fd, ids_[fd]});
    } else {
      give(fd, peer);
    }
  }

  void give(int fd, Peer& peer) {
    while (peer.next_piece < pieces_.size()) {
      const std::string& piece = pieces_[peer.next_piece++];
      const ssize_t sent = ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL);
      if (sent != static_cast<ssize_t>(piece.size())) return drop(fd);
      if (holds_ || peer.next_piece == pieces_.size()) return;
      if (pause_us_ > 0) {
        due_.push_back({now_us() + pause_us_, fd, ids_[fd]});
        return;
      }
    }
  }

  std::vector<std::string> pieces_;
  std::int64_t pause_us_;
  std::int64_t first_pause_us_ = 0;
  bool holds_ = false;
  int epoll_ = ::epoll_create1(0);
  std::map<int, Peer> peers_;
  std::map<int, std::uint64_t> ids_;
  std::uint64_t last_id_ = 0;
  std::deque<Due> due_;  // every pause has the same length: in order by itself
  timespec wait_{};
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: stand_in PORT sse|late|hold PAUSE_US\n");
    return 2;
  }
  ::prctl(PR_SET_TIMERSLACK, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  StandIn server(argv[2], std::strtoll(argv[3], nullptr, 10));
  return server.run(static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10)));
}
