// SPDX-License-Identifier: Apache-2.0
#include "cli/notify_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace sallyport::cli {

NotifySocket NotifySocket::from_environment() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  NotifySocket socket(path == nullptr ? "" : path);
  const char* watchdog_us = std::getenv("WATCHDOG_USEC");
  const auto us = watchdog_us == nullptr ? std::nullopt : parse_uint(watchdog_us);
  if (us) socket.watchdog_every_ms_ = static_cast<std::int64_t>(*us / 2000);
  ::unsetenv("NOTIFY_SOCKET");
  ::unsetenv("WATCHDOG_USEC");
  return socket;
}

void NotifySocket::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t us = now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us));
}

void NotifySocket::send(const std::string& state) const {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path_.size() < 2 || path_.size() >= sizeof to.sun_path) return;
  if (path_[0] != '/' && path_[0] != '@') return;
  std::memcpy(to.sun_path, path_.data(), path_.size());
  if (path_[0] == '@') to.sun_path[0] = '\0';  // the abstract namespace
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  // A manager that does not listen is no reason to fail.
  (void)::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to),
                 size);
  ::close(fd);
}

}  // namespace sallyport::cli
