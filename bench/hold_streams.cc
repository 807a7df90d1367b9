// SPDX-License-Identifier: Apache-2.0
// Opens streams and holds them: hold_streams PORT COUNT < request
// Prints "held N" once every stream has begun, then keeps them until a signal ends it, so that
// whoever measures has the time it needs.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int kBeginMs = 10'000;

// A stream has begun when its first event is here.
int open_stream(std::uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) return -1;
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return -1;
  std::string in;
  while (in.find("data: ") == std::string::npos) {
    pollfd wait{fd, POLLIN, 0};
    char buffer[4096];
    if (::poll(&wait, 1, kBeginMs) != 1) return -1;
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return -1;
    in.append(buffer, static_cast<std::size_t>(got));
  }
  return in.starts_with("HTTP/1.1 200") ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: hold_streams PORT COUNT < request\n");
    return 2;
  }
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  std::string request;
  for (int c = std::getchar(); c != EOF; c = std::getchar())
    request.push_back(static_cast<char>(c));
  const auto port = static_cast<std::uint16_t>(std::strtoul(argv[1], nullptr, 10));
  const unsigned long count = std::strtoul(argv[2], nullptr, 10);
  std::vector<int> held;
  for (unsigned long i = 0; i < count; ++i) {
    const int fd = open_stream(port, request);
    if (fd < 0) {
      std::printf("failed at %lu\n", i);
      return 1;
    }
    held.push_back(fd);
  }
  std::printf("held %zu\n", held.size());
  std::fflush(stdout);
  for (;;) ::pause();
}
