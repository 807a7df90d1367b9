// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "net/http_client.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::net {
namespace {

using Link = RawPeer::Link;

constexpr const char* kGet = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

// What one question over a fresh connection came to.
struct Seen {
  bool sent = false;
  bool sent_any = false;
  int status = 0;
  std::string body;
  std::vector<std::string> pieces;
  std::string error;  // name of the code of whatever failed
  bool has_body = false;
  bool reusable = false;
  bool finished_with_last_piece = false;
};

Task<void> read_body(ClientConnection& connection, Seen& seen) {
  for (;;) {
    const Result<std::string_view> piece = co_await connection.body().pull();
    if (!piece) seen.error = name(piece.error().code);
    if (!piece || piece->empty()) break;
    seen.body += *piece;
    seen.pieces.emplace_back(*piece);
    seen.finished_with_last_piece = connection.body().finished();
  }
}

Task<void> exchange(ClientConnection& connection, std::string method, std::string head,
                    BodySource* body, bool chunk, Seen& seen) {
  const Result<void> sent = co_await connection.send(std::move(head), body, chunk);
  seen.sent = sent.has_value();
  seen.sent_any = connection.sent_any();
  if (!sent) {
    seen.error = name(sent.error().code);
    co_return;
  }
  const Result<ResponseMeta> meta = co_await connection.read_head(method);
  if (!meta) {
    seen.error = name(meta.error().code);
    co_return;
  }
  seen.status = meta->status;
  seen.has_body = meta->has_body;
  if (meta->has_body) {
    co_await read_body(connection, seen);
  }
  seen.reusable = connection.reusable();
}

Task<void> connect_and_ask(Loop& loop, std::uint16_t port, ClientTimeouts timeouts,
                           std::string method, std::string head, BodySource* body, bool chunk,
                           Seen& seen) {
  const Endpoint to{IpAddress::v4(0x7f000001), port};
  const Result<int> fd = co_await connect_tcp(loop, to, loop.now_ms() + 5'000);
  if (!fd) {
    seen.error = "connect";
    co_return;
  }
  ClientConnection connection(plain_stream(loop, *fd), timeouts);
  co_await exchange(connection, method, head, body, chunk, seen);
}

Seen ask(std::uint16_t port, std::string method = "GET", BodySource* body = nullptr,
         std::string head = kGet, bool chunk = false, ClientTimeouts timeouts = {}) {
  Loop loop;
  Seen seen;
  run_on(loop, connect_and_ask(loop, port, timeouts, method, head, body, chunk, seen));
  return seen;
}

struct Case {
  const char* why;
  const char* answer;
  int status;
  const char* body;
  const char* error;
  bool reusable;
  const char* method = "GET";
};

#define OK "HTTP/1.1 200 OK\r\n"
const Case kCases[] = {
    {"a length", OK "content-length: 2\r\n\r\nhi", 200, "hi", "", true},
    {"nothing", OK "content-length: 0\r\n\r\n", 200, "", "", true},
    {"chunks", OK "transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 200, "abc",
     "", true},
    {"until the end", OK "\r\nwhatever", 200, "whatever", "", false},
    {"HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nold", 200, "old", "", false},
    {"the peer wants to close", OK "connection: close\r\ncontent-length: 1\r\n\r\nx", 200, "x", "",
     false},
    {"HEAD has no body", OK "content-length: 9\r\n\r\n", 200, "", "", true, "HEAD"},
    {"204 has none", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", true},
    {"304 has none", "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, "", "", true},
    {"interim answers are skipped",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" OK
     "content-length: 2\r\n\r\nhi",
     200, "hi", "", true},
    {"bytes behind the answer", OK "content-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", 200, "hi",
     "", false},
    {"bytes behind the last chunk", OK "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nX",
     200, "a", "", false},
    {"too short", OK "content-length: 9\r\n\r\nhi", 200, "hi", "unavailable", false},
    {"no last chunk", OK "transfer-encoding: chunked\r\n\r\n1\r\na\r\n", 200, "a", "unavailable",
     false},
    {"cut inside a chunk", OK "transfer-encoding: chunked\r\n\r\n9\r\nab", 200, "ab", "unavailable",
     false},
    {"a bad chunk behind a good one", OK "transfer-encoding: chunked\r\n\r\n1\r\na\r\nxyz\r\n", 200,
     "a", "corrupt", false},
    {"both framings", OK "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 0, "",
     "corrupt", false},
    {"two lengths", OK "content-length: 1\r\ncontent-length: 2\r\n\r\nab", 0, "", "corrupt", false},
    {"nobody asked to switch", "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n", 0, "",
     "corrupt", false},
    {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, "", "corrupt", false},
    {"a leading blank line", "\r\n" OK "content-length: 0\r\n\r\n", 0, "", "corrupt", false},
    {"a head that ends early", "HTTP/1.1 200 OK\r\ncont", 0, "", "corrupt", false},
    {"nothing at all", "", 0, "", "unavailable", false},
};

TEST(ClientConnection, Answers) {
  for (const Case& c : kCases) {
    std::promise<void> read;
    RawPeer peer({[&](Link& link) {
      link.read_request();
      link.send(c.answer);
      // A peer that keeps the connection, unless the answer's end is the end of the bytes.
      if (c.reusable) {
        read.get_future().wait();
      } else {
        link.finish();
        link.read_all();
      }
    }});
    const std::string head = std::string(c.method) + " / HTTP/1.1\r\nhost: a\r\n\r\n";
    const Seen seen = ask(peer.port(), c.method, nullptr, head);
    read.set_value();
    EXPECT_EQ(seen.status, c.status) << c.why;
    EXPECT_EQ(seen.body, c.body) << c.why;
    EXPECT_EQ(seen.error, c.error) << c.why;
    EXPECT_EQ(seen.reusable, c.reusable) << c.why;
  }
}

TEST(ClientConnection, SameAnswerOneByteAtATime) {
  const std::string answer =
      OK "transfer-encoding: chunked\r\nx: y\r\n\r\n3;a=b\r\nabc\r\n1\r\nd\r\n0\r\nt: u\r\n\r\n";
  RawPeer peer({[&](Link& link) {
    link.read_request();
    for (const char byte : answer) link.send({&byte, 1});
    link.read_all();
  }});
  const Seen seen = ask(peer.port());
  EXPECT_EQ(seen.body, "abcd");
  EXPECT_TRUE(seen.reusable);
}

TEST(ClientConnection, TheEndIsKnownWithTheLastPiece) {
  for (const char* framing :
       {"content-length: 2\r\n\r\nhi", "transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"}) {
    RawPeer peer({[&](Link& link) {
      link.read_request();
      link.send(std::string(OK) + framing);
      link.read_all();
    }});
    EXPECT_TRUE(ask(peer.port()).finished_with_last_piece) << framing;
  }
}

// A body in pieces, as splices make it.
class Pieces final : public BodySource {
 public:
  explicit Pieces(std::vector<std::string> pieces) : pieces_(std::move(pieces)) {}
  Task<Result<std::string_view>> pull() override {
    if (next_ == pieces_.size()) co_return std::string_view();
    co_return std::string_view(pieces_[next_++]);
  }

 private:
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

struct Upload {
  const char* why;
  std::vector<std::string> pieces;
  bool chunk;
  std::string on_the_wire;  // after the head
};

TEST(ClientConnection, Uploads) {
  const std::string large(100'000, 'x');
  const std::string huge(1'000'000, 'y');
  const Upload uploads[] = {
      {"one small piece", {"abc"}, false, "abc"},
      {"several leave together", {"a", "b", "c"}, false, "abc"},
      {"no piece", {}, false, ""},
      {"small, then large", {"a", large, "b"}, false, "a" + large + "b"},
      {"larger than a slice", {huge}, false, huge},
      {"many of the buffer's size", {large, large, large}, false, large + large + large},
      {"chunks", {"ab", "c"}, true, "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"},
      {"a large chunk", {huge}, true, "f4240\r\n" + huge + "\r\n0\r\n\r\n"},
      {"no chunk", {}, true, "0\r\n\r\n"},
  };
  for (const Upload& upload : uploads) {
    std::string got;
    const std::string head = "POST / HTTP/1.1\r\nhost: a\r\n\r\n";
    const std::size_t whole = head.size() + upload.on_the_wire.size();
    RawPeer peer({[&](Link& link) {
      got = link.read_request();
      while (got.size() < whole) {
        const std::string more = link.read_some();
        if (more.empty()) break;
        got += more;
      }
      link.send(OK "content-length: 0\r\n\r\n");
      link.read_all();
    }});
    Pieces body(upload.pieces);
    const Seen seen = ask(peer.port(), "POST", &body, head, upload.chunk);
    EXPECT_EQ(seen.status, 200) << upload.why;
    EXPECT_TRUE(seen.reusable) << upload.why;
    EXPECT_TRUE(got == head + upload.on_the_wire) << upload.why << ": " << got.substr(0, 200);
  }
}

TEST(ClientConnection, AnEarlyAnswerStopsTheSending) {
  // The peer reads no body at all: the sender is stuck until the answer wakes it.
  std::promise<void> asked;
  RawPeer peer({[&](Link& link) {
    link.read_request();
    link.send("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno");
    asked.get_future().wait();
  }});
  Pieces body(std::vector<std::string>(1'000, std::string(100'000, 'x')));
  const Seen seen = ask(peer.port(), "POST", &body, "POST / HTTP/1.1\r\nhost: a\r\n\r\n");
  asked.set_value();
  EXPECT_EQ(seen.status, 413);
  EXPECT_EQ(seen.body, "no");
  EXPECT_FALSE(seen.reusable) << "half a request lies in the connection";
}

TEST(ClientConnection, APeerThatGoesAwayStopsTheSending) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.reset();
  }});
  Pieces body(std::vector<std::string>(1'000, std::string(100'000, 'x')));
  const Seen seen = ask(peer.port(), "POST", &body, "POST / HTTP/1.1\r\nhost: a\r\n\r\n");
  EXPECT_EQ(seen.error, "unavailable");
  EXPECT_TRUE(seen.sent_any);
}

TEST(ClientConnection, Deadlines) {
  struct Late {
    const char* why;
    const char* answer;
    ClientTimeouts timeouts;
    int status;
  };
  const Late late[] = {
      {"no head", "HTTP/1.1 200", {.first_byte_ms = 20}, 0},
      {"no rest of the body", OK "content-length: 9\r\n\r\nhi", {.idle_ms = 20}, 200},
  };
  for (const Late& c : late) {
    RawPeer peer({[&](Link& link) {
      link.read_request();
      link.send(c.answer);
      link.read_all();
    }});
    const Seen seen = ask(peer.port(), "GET", nullptr, kGet, false, c.timeouts);
    EXPECT_EQ(seen.status, c.status) << c.why;
    EXPECT_EQ(seen.error, "exhausted") << c.why;
    EXPECT_FALSE(seen.reusable) << c.why;
  }
}

TEST(ClientConnection, EndlessHeadIsRefused) {
  RawPeer peer({[](Link& link) {
    link.read_request();
    link.send(OK);
    const std::string field = "x: " + std::string(1'000, 'y') + "\r\n";
    for (int i = 0; i < 90; ++i) link.send(field);
    link.read_all();
  }});
  EXPECT_EQ(ask(peer.port()).error, "corrupt");
}

void cancel_now(void* connection) { static_cast<ClientConnection*>(connection)->cancel(); }

Task<void> ask_and_cancel(Loop& loop, std::uint16_t port, Seen& seen) {
  const Endpoint to{IpAddress::v4(0x7f000001), port};
  const Result<int> fd = co_await connect_tcp(loop, to, loop.now_ms() + 5'000);
  ClientConnection connection(plain_stream(loop, *fd), {});
  Timer timer;
  loop.arm(timer, loop.now_ms() + 20, &cancel_now, &connection);
  co_await exchange(connection, "GET", kGet, nullptr, false, seen);
}

TEST(ClientConnection, CancelWakesTheWait) {
  RawPeer peer({[](Link& link) { link.read_all(); }});
  Loop loop;
  Seen seen;
  run_on(loop, ask_and_cancel(loop, peer.port(), seen));
  EXPECT_EQ(seen.error, "unavailable");
}

Task<void> ask_twice(Loop& loop, std::uint16_t port, std::promise<void>& idle,
                     std::future<void> closed, std::vector<Seen>& seen, bool& quiet, bool& dead) {
  const Endpoint to{IpAddress::v4(0x7f000001), port};
  const Result<int> fd = co_await connect_tcp(loop, to, loop.now_ms() + 5'000);
  ClientConnection connection(plain_stream(loop, *fd), {});
  for (int i = 0; i < 2; ++i) {
    co_await exchange(connection, "GET", kGet, nullptr, false, seen.emplace_back());
    connection.rest();
  }
  quiet = !connection.idle_closed() && !connection.seen_closed();
  idle.set_value();
  closed.wait();
  dead = connection.idle_closed();
}

TEST(ClientConnection, IsUsedAgainAndNoticesTheEnd) {
  std::promise<void> idle;
  std::promise<void> closed;
  RawPeer peer({[&](Link& link) {
    for (int i = 0; i < 2; ++i) {
      link.read_request();
      link.send(OK "content-length: 1\r\n\r\n" + std::to_string(i));
    }
    idle.get_future().wait();
    link.finish();
    closed.set_value();
    link.read_all();
  }});
  Loop loop;
  std::vector<Seen> seen;
  bool quiet = false;
  bool dead = false;
  run_on(loop, ask_twice(loop, peer.port(), idle, closed.get_future(), seen, quiet, dead));
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].body + seen[1].body, "01");
  EXPECT_TRUE(quiet);
  EXPECT_TRUE(dead) << "the peek sees the FIN before the loop does";
}

struct UrlCase {
  const char* text;
  const char* result;  // tls host port path authority; or null
};

const UrlCase kUrls[] = {
    {"https://api.openai.com/v1", "1 api.openai.com 443 /v1 api.openai.com"},
    {"http://API.example:8080/", "0 api.example 8080  api.example:8080"},
    {"HTTPS://a.b:443", "1 a.b 443  a.b"},
    {"http://[::1]:9/x/", "0 ::1 9 /x [::1]:9"},
    {"http://[::1]", "0 ::1 80  [::1]"},
    {"http://127.0.0.1:1/v1//", "0 127.0.0.1 1 /v1 127.0.0.1:1"},
    {"ftp://a/", nullptr},
    {"a.b/v1", nullptr},
    {"http://", nullptr},
    {"http:///v1", nullptr},
    {"http://user@a/", nullptr},
    {"http://user:1@a/", nullptr},
    {"http://a/?q", nullptr},
    {"http://a?q", nullptr},
    {"http://a/#f", nullptr},
    {"http://a b/", nullptr},
    {"http://a/b c", nullptr},
    {"http://a\r\nhost: b/", nullptr},
    {"http://a:0/", nullptr},
    {"http://a:65536/", nullptr},
    {"http://a:/", nullptr},
    {"http://a:+1/", nullptr},
    {"http://[::1/", nullptr},
    {"http://[1.2.3.4]/", nullptr},
    {"http://[::1]x/", nullptr},
    {"http://ä.example/", nullptr},
};

TEST(Url, Table) {
  for (const UrlCase& c : kUrls) {
    const Result<Url> url = parse_url(c.text);
    ASSERT_EQ(url.has_value(), c.result != nullptr) << c.text;
    if (!url) continue;
    EXPECT_EQ(std::to_string(url->tls) + " " + url->host + " " + std::to_string(url->port) + " " +
                  url->path + " " + url->authority(),
              c.result)
        << c.text;
  }
}

}  // namespace
}  // namespace sallyport::net
