// SPDX-License-Identifier: Apache-2.0
#include "cli/notify_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace sallyport::cli {
namespace {

TEST(NotifySocket, TellsSystemd) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("sallyport-notify-" + std::to_string(::getpid())))
          .string();
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  const auto heard = [&] {
    char text[256];
    const ssize_t n = ::recv(fd, text, sizeof text, MSG_DONTWAIT);
    return n < 0 ? std::string("nothing") : std::string(text, static_cast<std::size_t>(n));
  };

  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "15000000", 1);
  const NotifySocket socket = NotifySocket::from_environment();
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr) << "no child may speak for us";
  EXPECT_EQ(socket.watchdog_every_ms(), 7'500);
  socket.ready();
  EXPECT_EQ(heard(), "READY=1");
  socket.reloading();
  EXPECT_EQ(heard().substr(0, 27), "RELOADING=1\nMONOTONIC_USEC=");
  socket.stopping();
  EXPECT_EQ(heard(), "STOPPING=1");
  ::close(fd);
  std::filesystem::remove(path);
  socket.ready();  // nobody listens any more: no failure
}

TEST(NotifySocket, WithoutSystemdNothingHappens) {
  ::unsetenv("NOTIFY_SOCKET");
  NotifySocket::from_environment().ready();
  NotifySocket("relative/path").ready();
  NotifySocket(std::string(200, '/')).ready();
}

}  // namespace
}  // namespace sallyport::cli
