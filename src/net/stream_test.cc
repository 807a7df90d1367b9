// SPDX-License-Identifier: Apache-2.0
#undef _FORTIFY_SOURCE  // its inline recv() would stand in the way of the counting one below
#include "net/stream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/syscall.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/connect.h"
#include "net/raw_peer_for_test.h"
#include "net/socket_pair_for_test.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SALLYPORT_UNCOUNTED 1
#endif
#endif

// The system calls of this thread, counted: their number per message is a promise. (ThreadSanitizer
// must see the calls itself.)
namespace {
thread_local int receives = 0;
thread_local int sends = 0;
[[maybe_unused]] thread_local bool endless = false;  // a socket that is never empty and never full
}  // namespace
#ifndef SALLYPORT_UNCOUNTED
extern "C" ssize_t recv(int fd, void* into, size_t size, int flags) {
  ++receives;
  if (endless) return static_cast<ssize_t>(size);
  return ::syscall(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}
extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  ++sends;
  if (endless) return static_cast<ssize_t>(message->msg_iov[0].iov_len);
  return ::syscall(SYS_sendmsg, fd, message, flags);
}
#endif

namespace sallyport::net {
namespace {

constexpr Deadline kSoonMs = 5'000;  // a broken test ends instead of hanging

iovec part(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

Task<void> read_into(Stream& stream, std::size_t room, Deadline until, Result<std::string>& out) {
  std::string bytes(room, '\0');
  const std::span<char> into(bytes);
  const Result<std::size_t> got = co_await stream.read_some(into, until);
  if (!got) {
    out = std::unexpected(got.error());
    co_return;
  }
  bytes.resize(*got);
  out = bytes;
}

Task<void> write_parts(Stream& stream, std::vector<std::string> parts, Deadline until,
                       Result<void>& out) {
  std::vector<iovec> list;
  for (const std::string& bytes : parts) list.push_back(part(bytes));
  const std::span<const iovec> all(list);
  out = co_await stream.write_all(all, until);
}

Result<std::string> read_once(Loop& loop, Stream& stream, std::size_t room, Deadline until) {
  Result<std::string> out = fail(Code::kCorrupt, "not read");
  run_on(loop, read_into(stream, room, until, out));
  return out;
}

TEST(PlainStreamRead, GivesWhatCameAndAtMostTheRoom) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  pair.say("abcdef");
  EXPECT_EQ(read_once(loop, *stream, 4, loop.now_ms() + kSoonMs).value(), "abcd");
}

TEST(PlainStreamRead, TheOrderlyEndIsZero) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  pair.close_far();
  EXPECT_EQ(read_once(loop, *stream, 4, loop.now_ms() + kSoonMs).value(), "");
}

TEST(PlainStreamRead, TheDeadlineIsExhausted) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  const auto read = read_once(loop, *stream, 4, loop.now_ms() + 20);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kExhausted);
}

Task<void> ask_raw_peer(Loop& loop, Endpoint to, Result<std::string>& out) {
  const Deadline until = loop.now_ms() + kSoonMs;
  const Result<int> fd = co_await connect_tcp(loop, to, until);
  const auto stream = plain_stream(loop, fd.value());
  std::vector<std::string> question = {"x"};
  Result<void> written;
  co_await write_parts(*stream, std::move(question), until, written);
  co_await read_into(*stream, 10, until, out);
}

TEST(PlainStreamRead, AResetIsUnavailableNeverAnEnd) {
  Loop loop;
  RawPeer peer({[](RawPeer::Link& link) {
    link.read_some();
    link.reset();
  }});
  Result<std::string> read = "";
  run_on(loop, ask_raw_peer(loop, {IpAddress::v4(0x7f000001), peer.port()}, read));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kUnavailable);
}

Task<void> cancel_later(Loop& loop, Stream& stream) {
  co_await loop.sleep_for(1);
  stream.cancel();
}

Task<void> read_then_write(Stream& stream, Result<std::string>& read, Result<void>& written) {
  std::vector<std::string> answer = {"x"};
  co_await read_into(stream, 10, kNever, read);
  co_await write_parts(stream, std::move(answer), kNever, written);
}

TEST(PlainStreamCancel, WakesTheReaderAndEndsEveryLaterUse) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  loop.spawn(cancel_later(loop, *stream));
  Result<std::string> read = "";
  Result<void> written;
  run_on(loop, read_then_write(*stream, read, written));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::kUnavailable);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kUnavailable);
}

TEST(PlainStreamShutdown, EndsOurBytesAndGoesOnReading) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  stream->shutdown_write();
  char byte = 0;
  EXPECT_EQ(::read(pair.far, &byte, 1), 0);
  pair.say("still");
  EXPECT_EQ(read_once(loop, *stream, 10, loop.now_ms() + kSoonMs).value(), "still");
}

// --- A socket that never makes us wait does not keep the loop's others waiting.

#ifndef SALLYPORT_UNCOUNTED
constexpr std::size_t kPiece = 16 * 1024;

Task<void> read_on(Stream& stream, std::size_t until, std::size_t& done) {
  std::string bytes(kPiece, '\0');
  const std::span<char> into(bytes);
  while (done < until) {
    const Result<std::size_t> got = co_await stream.read_some(into, kNever);
    done += *got;
  }
}

Task<void> write_on(Stream& stream, std::size_t until, std::size_t& done) {
  const std::string bytes(kPiece, 'x');
  const iovec piece = part(bytes);
  const std::span<const iovec> all(&piece, 1);
  while (done < until) {
    const Result<void> written = co_await stream.write_all(all, kNever);
    done += written ? kPiece : 0;
  }
}

TEST(PlainStreamTurn, OthersHaveTheirsInTheMiddleOfAnEndlessTransfer) {
  for (const auto transfer : {read_on, write_on}) {
    Loop loop;
    SocketPair pair;
    const auto stream = plain_stream(loop, pair.take_near());
    std::size_t done = 0;
    std::size_t done_before_other = 0;
    endless = true;
    loop.spawn(transfer(*stream, 8 * kTurnBytes, done));
    loop.post([&] { done_before_other = done; });
    loop.post([&] { loop.stop(); });
    loop.run();
    endless = false;
    EXPECT_GT(done_before_other, 0u);
    EXPECT_LE(done_before_other, 2 * kTurnBytes);
  }
}
#endif

// --- Writing: everything arrives, whatever the parts and however little the kernel takes at a
// time.

struct Written {
  const char* why;
  std::vector<std::size_t> sizes;
};

std::vector<std::size_t> many(std::size_t count, std::size_t size) {
  return {std::vector(count, size)};
}

const Written kWritten[] = {
    {"nothing", {}},
    {"only empty parts", {0, 0, 0}},
    {"one part", {1}},
    {"empty parts between", {0, 3, 0, 0, 5, 0}},
    {"parts larger than the socket's buffer", {70'000, 1, 300'000, 0, 70'001}},
    {"more parts than one call takes", many(2'500, 3)},
    {"many parts and a full buffer", many(1'100, 777)},
};

TEST(PlainStreamWrite, AllPartsArriveInOrder) {
  for (const Written& c : kWritten) {
    Loop loop;
    SocketPair pair;
    const int small = 8'192;
    ::setsockopt(pair.near, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    std::vector<std::string> parts;
    std::string expected;
    for (const std::size_t size : c.sizes) {
      std::string bytes;
      while (bytes.size() < size)
        bytes.push_back(static_cast<char>('a' + expected.size() % 23 + bytes.size() % 3));
      expected += bytes;
      parts.push_back(std::move(bytes));
    }
    std::string came;
    std::jthread reader([&came, fd = pair.far] {
      char piece[1'111];
      for (ssize_t got; (got = ::read(fd, piece, sizeof piece)) > 0;)
        came.append(piece, static_cast<std::size_t>(got));
    });
    {
      const auto stream = plain_stream(loop, pair.take_near());
      Result<void> written = fail(Code::kCorrupt, "not written");
      run_on(loop, write_parts(*stream, parts, loop.now_ms() + kSoonMs, written));
      EXPECT_TRUE(written) << c.why;
    }
    reader.join();
    EXPECT_TRUE(came == expected) << c.why << ": " << came.size() << " of " << expected.size();
  }
}

TEST(PlainStreamWrite, APeerThatDoesNotReadExhaustsTheDeadline) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  Result<void> written;
  const std::string large(8 << 20, 'x');
  run_on(loop, write_parts(*stream, {large}, loop.now_ms() + 20, written));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kExhausted);
}

TEST(PlainStreamWrite, APeerThatIsGoneIsAnErrorNotASignal) {
  Loop loop;
  SocketPair pair;
  const auto stream = plain_stream(loop, pair.take_near());
  pair.close_far();
  Result<void> written;
  run_on(loop, write_parts(*stream, {"x"}, loop.now_ms() + kSoonMs, written));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::kUnavailable);
}

// --- The promise of the engine: one receive and one send a message, none in vain.

struct Tally {
  int receives = 0;
  int sends = 0;
};

Task<void> say_and_hear(Stream& stream, bool first, int messages, std::size_t size, Tally& tally) {
  const std::string head(size / 4, 'h');
  const std::string body(size - head.size(), 'b');
  const iovec both[] = {part(head), part(body)};
  const std::span<const iovec> message(both);
  std::string room(16 * 1024, '\0');
  const std::span<char> into(room);
  const Deadline until = stream.handle().loop().now_ms() + kSoonMs;
  for (int i = 0; i < messages; ++i) {
    if (first || i > 0) {
      const int before = sends;
      const Result<void> written = co_await stream.write_all(message, until);
      tally.sends += sends - before;
      EXPECT_TRUE(written);
    }
    const Ready ready = co_await stream.readable(until);
    EXPECT_EQ(ready, Ready::kReady);
    const int before = receives;
    const Result<std::size_t> got = co_await stream.read_some(into, until);
    tally.receives += receives - before;
    EXPECT_EQ(got.value_or(0), size);
  }
  if (first) co_return;
  const Result<void> last = co_await stream.write_all(message, until);
  EXPECT_TRUE(last);
}

TEST(PlainStreamCost, OneReceiveAndOneSendAMessage) {
#ifdef SALLYPORT_UNCOUNTED
  GTEST_SKIP() << "calls are not counted under this sanitizer";
#endif
  constexpr int kMessages = 100;
  Loop loop;
  const Result<int> listening = listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
  const Endpoint at = local_endpoint(listening.value()).value();
  const int caller = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(at.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(caller, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const int taken = ::accept4(listening.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  ::close(listening.value());
  ::fcntl(caller, F_SETFL, O_NONBLOCK);

  const auto a = plain_stream(loop, caller);
  const auto b = plain_stream(loop, taken);
  EXPECT_EQ(a->peer().port, at.port);
  EXPECT_EQ(b->local().port, at.port);
  EXPECT_FALSE(a->encrypted());
  Tally calls;
  Tally answers;
  loop.spawn(say_and_hear(*b, false, kMessages, 1'700, answers));
  run_on(loop, say_and_hear(*a, true, kMessages, 1'700, calls));
  EXPECT_EQ(calls.sends, kMessages);
  EXPECT_EQ(calls.receives, kMessages);
  EXPECT_EQ(answers.receives, kMessages);
}

}  // namespace
}  // namespace sallyport::net
