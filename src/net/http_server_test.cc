// SPDX-License-Identifier: Apache-2.0
#include "net/http_server.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::net {
namespace {

class Pieces final : public BodySource {
 public:
  explicit Pieces(int count, bool breaks) : left_(count), breaks_(breaks) {}
  Task<Result<std::string_view>> pull() override {
    if (left_-- > 0) co_return std::string_view("ab");
    if (breaks_) co_return fail(Code::kUnavailable, "broke");
    co_return std::string_view();
  }

 private:
  int left_;
  bool breaks_;
};

// Says what it was asked.
class Echo final : public ServerHandler {
 public:
  Task<ServerResponse> handle(ServerRequest request) override {
    ServerResponse response;
    response.headers.emplace_back("x-bad", "a\r\nset-cookie: b");
    if (request.path == "/stream") response.stream = std::make_unique<Pieces>(2, false);
    if (request.path == "/breaks") response.stream = std::make_unique<Pieces>(1, true);
    if (request.path == "/empty") response.stream = std::make_unique<Pieces>(0, false);
    if (request.path == "/204") response.status = 204;
    const std::string* type = request.find("content-type");
    response.body = request.method + " " + request.path + "?" + request.query + " " +
                    (type ? *type : "-") + " " + request.body;
    if (request.path == "/who") response.body = request.local_socket ? "local" : "remote";
    co_return response;
  }
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

// The server's loop on a thread; the test talks to it with blocking sockets.
class Served {
 public:
  explicit Served(ServerLimits limits = {}) {
    std::promise<std::uint16_t> port;
    thread_ = std::jthread([this, limits, &port] {
      const Result<int> fd = listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
      port.set_value(local_endpoint(*fd)->port);
      HttpServer server(loop_, echo_, limits);
      server.serve(*fd);
      server_ = &server;
      loop_.run();
    });
    port_ = port.get_future().get();
  }
  ~Served() { loop_.stop(); }

  // Sends all of `bytes`, ends, and gives back everything that comes.
  std::string talk(std::string_view bytes, bool one_at_a_time = false) {
    RawPeer::Link link(connect());
    for (std::size_t i = 0; one_at_a_time && i < bytes.size(); ++i) link.send(bytes.substr(i, 1));
    if (!one_at_a_time) link.send(bytes);
    link.finish();
    return link.read_all();
  }
  int connect() const { return connect_to(port_); }
  void on_loop(std::function<void(HttpServer&)> act) {
    std::promise<void> done;
    loop_.post([&] {
      act(*server_);
      done.set_value();
    });
    done.get_future().wait();
  }

 private:
  Echo echo_;
  Loop loop_;
  HttpServer* server_ = nullptr;
  std::uint16_t port_ = 0;
  std::jthread thread_;
};

struct Case {
  const char* why;
  const char* request;
  const char* answer;
};

#define OK(length) "HTTP/1.1 200 OK\r\ncontent-length: " length "\r\n"
const Case kCases[] = {
    {"a GET", "GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n", OK("11") "\r\nGET /a?b - "},
    {"two, one behind the other",
     "GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\n",
     OK("10") "\r\nGET /a? - " OK("10") "\r\nGET /b? - "},
    {"the client wants to close, what follows is not read",
     "GET /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
     OK("10") "connection: close\r\n\r\nGET /a? - "},
    {"a length", "POST /a HTTP/1.1\r\nhost: x\r\ncontent-type: t\r\ncontent-length: 2\r\n\r\nhi",
     OK("13") "\r\nPOST /a? t hi"},
    {"chunks",
     "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: "
     "chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
     OK("13") "\r\nPOST /a? - hi"},
    {"HEAD tells the length and no more", "HEAD /a HTTP/1.1\r\nhost: x\r\n\r\n", OK("11") "\r\n"},
    {"204 has no body", "GET /204 HTTP/1.1\r\nhost: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"a stream goes in chunks", "GET /stream HTTP/1.1\r\nhost: x\r\n\r\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n2\r\nab\r\n0\r\n\r\n"},
    {"an empty stream", "GET /empty HTTP/1.1\r\nhost: x\r\n\r\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"a stream that breaks has no end", "GET /breaks HTTP/1.1\r\nhost: x\r\n\r\n",
     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"},
    {"HTTP/1.0 knows no chunks", "GET /stream HTTP/1.0\r\nhost: x\r\n\r\n",
     "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabab"},
    {"over TCP nobody is local", "GET /who HTTP/1.1\r\nhost: x\r\n\r\n", OK("6") "\r\nremote"},
    {"nothing", "", ""},
    {"half a head", "GET /a HT", ""},
    {"half a body", "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhi", ""},
};

TEST(HttpServer, Answers) {
  Served served;
  for (const Case& c : kCases) {
    EXPECT_EQ(served.talk(c.request), c.answer) << c.why;
    EXPECT_EQ(served.talk(c.request, true), c.answer) << c.why << ", one byte at a time";
  }
}

struct Refused {
  const char* why;
  std::string request;
  const char* status_line;
};

TEST(HttpServer, RefusesAndCloses) {
  Served served({.head_bytes_max = 1'000, .body_bytes_max = 10});
  const Refused refused[] = {
      {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
      {"both framings",
       "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
       "HTTP/1.1 400 "},
      {"a bad chunk", "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
       "HTTP/1.1 400 "},
      {"a large body", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n", "HTTP/1.1 413 "},
      {"a large chunk",
       "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nb\r\n12345678901\r\n",
       "HTTP/1.1 413 "},
      {"a large head", "GET / HTTP/1.1\r\nx: " + std::string(2'000, 'y') + "\r\n\r\n",
       "HTTP/1.1 431 "},
  };
  for (const Refused& c : refused) {
    const std::string smuggled = "GET /next HTTP/1.1\r\nhost: x\r\n\r\n";
    const std::string answer = served.talk(c.request + smuggled);
    EXPECT_TRUE(answer.starts_with(c.status_line)) << c.why << ": " << answer;
    EXPECT_TRUE(answer.contains("connection: close")) << c.why;
    EXPECT_FALSE(answer.contains("/next")) << c.why << ": nothing behind it is read";
  }
}

TEST(HttpServer, SaysContinueToWhoWaitsForIt) {
  Served served;
  RawPeer::Link link(served.connect());
  link.send("POST /a HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  EXPECT_EQ(link.read_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  link.send("hi");
  EXPECT_EQ(link.read_some(), OK("13") "\r\nPOST /a? - hi");
}

TEST(HttpServer, StopClosesIdleConnections) {
  Served served;
  RawPeer::Link link(served.connect());
  link.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_EQ(link.read_some(), OK("10") "\r\nGET /a? - ");
  served.on_loop([](HttpServer& server) {
    EXPECT_EQ(server.connections(), 1u);
    server.stop_accepting();
  });
  EXPECT_EQ(link.read_all(), "");
  served.on_loop([](HttpServer& server) { EXPECT_EQ(server.connections(), 0u); });
}

Task<void> outlive(Loop& loop, Echo& echo, int listening_fd, std::promise<void>& gone,
                   std::future<void> asked) {
  auto server = std::make_unique<HttpServer>(loop, echo, ServerLimits{});
  server->serve(listening_fd);
  while (server->connections() < 2) co_await loop.sleep_for(1);
  server.reset();
  gone.set_value();
  while (asked.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    co_await loop.sleep_for(1);
  }
}

TEST(HttpServer, ConnectionsMayOutliveIt) {
  Echo echo;
  Loop loop;
  const Result<int> fd = listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
  const std::uint16_t port = local_endpoint(*fd)->port;
  std::promise<void> gone;
  std::promise<void> asked;
  std::string rest;
  std::jthread client([&] {
    RawPeer::Link silent(connect_to(port));
    RawPeer::Link half(connect_to(port));
    half.send("GET / HT");
    gone.get_future().wait();
    rest = silent.read_all() + half.read_all();
    asked.set_value();
  });
  run_on(loop, outlive(loop, echo, *fd, gone, asked.get_future()));
  client.join();
  EXPECT_EQ(rest, "");
}

TEST(HttpServer, AUnixSocketIsToldApart) {
  const std::string path = ::testing::TempDir() + "server_test." + std::to_string(::getpid());
  const Result<int> fd = listen_unix(path);
  ASSERT_TRUE(fd) << fd.error().what;
  std::string answer;
  Loop loop;
  Echo echo;
  HttpServer server(loop, echo, {});
  server.serve(*fd);
  std::jthread client([&] {
    const int connected = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    path.copy(to.sun_path, sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(connected, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    RawPeer::Link link(connected);
    link.send("GET /who HTTP/1.1\r\nhost: x\r\n\r\n");
    answer = link.read_some();
    loop.stop();
  });
  loop.run();
  client.join();
  ::unlink(path.c_str());
  EXPECT_TRUE(answer.ends_with("local")) << answer;
}

TEST(HttpServer, AboveTheLimitWaitsInTheBacklog) {
  Served served({.connections_max = 1});
  auto first = std::make_unique<RawPeer::Link>(served.connect());
  first->send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_EQ(first->read_some(), OK("10") "\r\nGET /a? - ");
  RawPeer::Link second(served.connect());
  second.send("GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
  served.on_loop([](HttpServer& server) { EXPECT_EQ(server.connections(), 1u); });
  first.reset();
  EXPECT_EQ(second.read_some(), OK("10") "\r\nGET /b? - ");
}

TEST(HttpServer, DeadlinesCloseSlowClients) {
  Served served({.head_ms = 20, .body_ms = 20, .idle_ms = 20});
  RawPeer::Link silent(served.connect());
  EXPECT_EQ(silent.read_all(), "");
  RawPeer::Link slow(served.connect());
  slow.send("GET /");
  EXPECT_TRUE(slow.read_all().starts_with("HTTP/1.1 408 "));
  RawPeer::Link stuck(served.connect());
  stuck.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n");
  EXPECT_TRUE(stuck.read_all().starts_with("HTTP/1.1 408 "));
}

Task<void> ask_once(Loop& loop, Resolver& resolver, Question question, Result<Reply>& out) {
  out = co_await ask(loop, resolver, nullptr, std::move(question));
}

Result<Reply> ask_url(Question question) {
  Loop loop;
  Resolver resolver;
  Result<Reply> out = fail(Code::kNotFound, "");
  run_on(loop, ask_once(loop, resolver, std::move(question), out));
  return out;
}

TEST(Ask, SendsExactlyThisAndReadsTheAnswer) {
  std::string got;
  RawPeer peer({[&](RawPeer::Link& link) {
    got = link.read_request();
    link.send("HTTP/1.1 200 OK\r\nX-A: b\r\ncontent-length: 2\r\n\r\nhi");
  }});
  const std::string host = "127.0.0.1:" + std::to_string(peer.port());
  Question question;
  question.method = "POST";
  question.url = "http://" + host + "/hook/?token=1";
  question.headers = {{"content-type", "text/plain"}};
  question.body = "body";
  const Result<Reply> reply = ask_url(std::move(question));
  ASSERT_TRUE(reply) << reply.error().what;
  EXPECT_EQ(reply->body, "hi");
  EXPECT_EQ(reply->headers[0], (std::pair<std::string, std::string>{"x-a", "b"}));
  EXPECT_EQ(got, "POST /hook/?token=1 HTTP/1.1\r\nhost: " + host +
                     "\r\nconnection: close\r\naccept-encoding: identity\r\n"
                     "content-type: text/plain\r\ncontent-length: 4\r\n\r\nbody");
}

TEST(Ask, BoundsTheAnswerAndTheTime) {
  RawPeer peer({[](RawPeer::Link& link) {
                  link.read_request();
                  link.send("HTTP/1.1 200 OK\r\n\r\n" + std::string(100, 'x'));
                },
                [](RawPeer::Link& link) { link.read_all(); }});
  const std::string url = "http://127.0.0.1:" + std::to_string(peer.port()) + "/";
  Question large;
  large.url = url;
  large.answer_bytes_max = 99;
  const Result<Reply> too_large = ask_url(std::move(large));
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, Code::kExhausted);
  Question slow;
  slow.url = url;
  slow.timeout_ms = 20;
  const Result<Reply> too_late = ask_url(std::move(slow));
  ASSERT_FALSE(too_late);
  EXPECT_EQ(too_late.error().code, Code::kExhausted);
}

}  // namespace
}  // namespace sallyport::net
