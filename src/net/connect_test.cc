// SPDX-License-Identifier: Apache-2.0
#include "net/connect.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "net/raw_peer_for_test.h"
#include "net/socket_endpoint.h"

namespace sallyport::net {
namespace {

const IpAddress kLoopback = IpAddress::v4(0x7f000001);
constexpr Deadline kSoonMs = 5'000;  // a broken test ends instead of hanging

Task<void> connect_into(Loop& loop, Endpoint to, Deadline until, std::optional<Result<int>>& out) {
  Result<int> fd = co_await connect_tcp(loop, to, until);
  out = std::move(fd);
}

Result<int> connect_once(Endpoint to) {
  Loop loop;
  std::optional<Result<int>> fd;
  run_on(loop, connect_into(loop, to, loop.now_ms() + kSoonMs, fd));
  return std::move(*fd);
}

// A blocking client, connected as far as the kernel is concerned.
int dial(const Endpoint& to) {
  sockaddr_storage address;
  const socklen_t size = to_sockaddr(to, address);
  const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), size) == 0) return fd;
  ::close(fd);
  return -1;
}

TEST(ConnectTcp, GivesANonBlockingSocketWithoutDelay) {
  const int listening = listen_tcp({kLoopback, 0}, false).value();
  const Endpoint at = local_endpoint(listening).value();
  const Result<int> fd = connect_once(at);
  ASSERT_TRUE(fd) << fd.error().what;
  int on = 0;
  socklen_t size = sizeof on;
  ::getsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, &size);
  EXPECT_NE(on, 0);
  EXPECT_NE(::fcntl(*fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(*fd, F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(peer_endpoint(*fd).port, at.port);
  EXPECT_EQ(peer_endpoint(*fd).address, kLoopback);
  ::close(*fd);
  ::close(listening);
}

TEST(ConnectTcp, WorksOverIpv6WhereThereIsAny) {
  const IpAddress loopback6 = *IpAddress::parse("::1");
  const Result<int> listening = listen_tcp({loopback6, 0}, false);
  if (!listening) GTEST_SKIP() << listening.error().what;
  const Result<int> fd = connect_once(local_endpoint(*listening).value());
  ASSERT_TRUE(fd) << fd.error().what;
  EXPECT_EQ(peer_endpoint(*fd).address, loopback6);
  ::close(*fd);
  ::close(*listening);
}

TEST(ConnectTcp, NobodyThereIsUnavailable) {
  const int listening = listen_tcp({kLoopback, 0}, false).value();
  const Endpoint at = local_endpoint(listening).value();
  ::close(listening);
  const Result<int> fd = connect_once(at);
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().code, Code::kUnavailable);
}

TEST(ConnectTcp, SilenceExhaustsTheDeadline) {
  // A backlog that is full drops further hellos: nobody answers.
  const int listening = listen_tcp({kLoopback, 0}, false, 0).value();
  const Endpoint at = local_endpoint(listening).value();
  const int filler = dial(at);
  Loop loop;
  std::optional<Result<int>> fd;
  run_on(loop, connect_into(loop, at, loop.now_ms() + 30, fd));
  ASSERT_FALSE(*fd);
  EXPECT_EQ(fd->error().code, Code::kExhausted);
  ::close(filler);
  ::close(listening);
}

TEST(ListenTcp, SharesAPortOnlyWhenAsked) {
  const int first = listen_tcp({kLoopback, 0}, true).value();
  const Endpoint at = local_endpoint(first).value();
  const Result<int> second = listen_tcp(at, true);
  const Result<int> alone = listen_tcp(at, false);
  EXPECT_TRUE(second);
  EXPECT_FALSE(alone);
  if (second) ::close(*second);
  ::close(first);
}

// --- UNIX sockets.

class UnixPath : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/sallyport-unix-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/socket";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }
  std::string folder_;
  std::string path_;
};

TEST_F(UnixPath, IsForItsOwnerAlone) {
  const int fd = listen_unix(path_).value();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ::close(fd);
}

TEST_F(UnixPath, OneInUseIsNotTaken) {
  const int fd = listen_unix(path_).value();
  const Result<int> second = listen_unix(path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kDenied);
  ::close(fd);
}

TEST_F(UnixPath, OneLeftBehindIsReplaced) {
  ::close(listen_unix(path_).value());
  const Result<int> again = listen_unix(path_);
  ASSERT_TRUE(again) << again.error().what;
  ::close(*again);
}

TEST_F(UnixPath, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_FALSE(listen_unix(path_));
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");
}

TEST(ListenUnix, APathThatDoesNotFitIsInvalid) {
  for (const std::string& path : {std::string(), std::string(108, 'a')}) {
    const Result<int> fd = listen_unix(path);
    ASSERT_FALSE(fd);
    EXPECT_EQ(fd.error().code, Code::kInvalid);
  }
}

// --- Accepting.

class Door {
 public:
  explicit Door(Loop& loop, int backlog = 4096) {
    const int listening = listen_tcp({kLoopback, 0}, false, backlog).value();
    at = local_endpoint(listening).value();
    acceptor = std::make_unique<Acceptor>(loop, listening, [this](int fd, Endpoint peer) {
      fds.push_back(fd);
      peers.push_back(peer);
      if (on_taken) on_taken();
    });
  }
  ~Door() {
    for (const int fd : fds) ::close(fd);
  }
  Endpoint at;
  std::vector<int> fds;
  std::vector<Endpoint> peers;
  std::move_only_function<void()> on_taken;
  std::unique_ptr<Acceptor> acceptor;
};

void close_all(const std::vector<int>& fds) {
  for (const int fd : fds) ::close(fd);
}

Task<void> sleep(Loop& loop, std::int64_t ms) { co_await loop.sleep_for(ms); }

TEST(Acceptor, TakesEachClientReadyForUse) {
  Loop loop;
  Door door(loop);
  const std::vector<int> clients = {dial(door.at), dial(door.at)};
  run_on(loop, sleep(loop, 20));
  ASSERT_EQ(door.fds.size(), 2u);
  EXPECT_EQ(door.peers[0].address, kLoopback);
  EXPECT_EQ(door.peers[0].port, local_endpoint(clients[0])->port);
  EXPECT_NE(::fcntl(door.fds[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(door.fds[0], F_GETFD) & FD_CLOEXEC, 0);
  int on = 0;
  socklen_t size = sizeof on;
  ::getsockopt(door.fds[0], IPPROTO_TCP, TCP_NODELAY, &on, &size);
  EXPECT_NE(on, 0);
  close_all(clients);
}

Task<void> resume_later(Loop& loop, Door& door, std::size_t& while_paused) {
  co_await loop.sleep_for(30);
  while_paused = door.fds.size();
  door.acceptor->resume();
}

TEST(Acceptor, PausedFromWithinItTakesNobodyMoreUntilResumed) {
  Loop loop;
  Door door(loop);
  door.on_taken = [&door] { door.acceptor->pause(); };
  const std::vector<int> clients = {dial(door.at), dial(door.at), dial(door.at)};
  std::size_t while_paused = 0;
  run_on(loop, resume_later(loop, door, while_paused));
  EXPECT_EQ(while_paused, 1u);
  EXPECT_EQ(door.fds.size(), 2u) << "resumed, it takes the next and is paused again";
  close_all(clients);
}

TEST(Acceptor, ACrowdIsTakenOverSeveralTurns) {
  Loop loop;
  Door door(loop);
  std::vector<int> clients;
  for (int i = 0; i < 3 * Acceptor::kTurnMax; ++i) clients.push_back(dial(door.at));
  std::vector<std::size_t> seen;
  door.on_taken = [&] {
    if (door.fds.size() == 1) loop.post([&] { seen.push_back(door.fds.size()); });
  };
  run_on(loop, sleep(loop, 60));
  EXPECT_EQ(door.fds.size(), clients.size());
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0], static_cast<std::size_t>(Acceptor::kTurnMax)) << "others had their turn";
  close_all(clients);
}

TEST(Acceptor, ClosedTheKernelRefusesFurtherClients) {
  Loop loop;
  Door door(loop);
  door.acceptor->close();
  EXPECT_EQ(dial(door.at), -1);
  run_on(loop, sleep(loop, 1));
  EXPECT_TRUE(door.fds.empty());
}

TEST(Acceptor, MayBeDestroyedByWhatItCalls) {
  Loop loop;
  Door door(loop);
  door.on_taken = [&door] { door.acceptor.reset(); };
  const std::vector<int> clients = {dial(door.at), dial(door.at)};
  run_on(loop, sleep(loop, 20));
  EXPECT_EQ(door.fds.size(), 1u);
  close_all(clients);
}

// Lowers the limit so that no further descriptor can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(next);
    ::setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

Task<void> shortage(Loop& loop, Door& door, std::size_t& during) {
  {
    const NoDescriptors none;
    co_await loop.sleep_for(40);
    during = door.fds.size();
  }
  co_await loop.sleep_for(2 * Acceptor::kRetryMs);
}

TEST(Acceptor, OutOfDescriptorsItWaitsSaysSoOnceAndRecoversAlone) {
  Loop loop;
  Door door(loop);
  const std::vector<int> clients = {dial(door.at), dial(door.at)};
  std::size_t during = 99;
  // UBSan looks at an object it meets first through a pipe: let it meet the log before the
  // shortage.
  log::warn("acceptor_test.shortage_follows");
  testing::internal::CaptureStderr();
  run_on(loop, shortage(loop, door, during));
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(during, 0u);
  EXPECT_EQ(door.fds.size(), 2u);
  const std::size_t line = said.find("accept.failed");
  EXPECT_NE(line, std::string::npos) << said;
  EXPECT_EQ(said.find("accept.failed", line + 1), std::string::npos) << said;
  close_all(clients);
}

}  // namespace
}  // namespace sallyport::net
