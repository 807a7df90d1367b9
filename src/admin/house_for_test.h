// SPDX-License-Identifier: Apache-2.0
// For tests only: the admin API over real sockets, and a client that shows every byte.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "admin/admin_api.h"
#include "admin/test_parts.h"
#include "base/json_reader.h"
#include "keys/memory_key_store.h"

namespace sallyport::admin {

struct Answer {
  int status = 0;
  std::string head, body;
  JsonValue json() const { return *JsonValue::parse(body); }
  std::string text(std::string_view member) const {
    const auto value = json().at(member);
    return std::string(value ? value->string().value_or("") : "");
  }
  std::string code() const {
    const auto error = json().at("error");
    return std::string(error ? error->at("code")->string().value_or("") : "");
  }
};

struct Ask {
  std::string method = "GET";
  std::string path = {};
  std::string host = "localhost";
  std::string extra = {};  // header lines
  std::string body = {};
};

inline std::string written(const Ask& ask) {
  std::string out = ask.method + " " + ask.path + " HTTP/1.1\r\nhost: " + ask.host +
                    "\r\nconnection: close\r\n" + ask.extra;
  if (ask.method != "GET") out += "content-length: " + std::to_string(ask.body.size()) + "\r\n";
  return out + "\r\n" + ask.body;
}

inline Answer transfer(int fd, const std::string& request) {
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string bytes;
  char piece[4096];
  for (ssize_t n = 0; (n = ::recv(fd, piece, sizeof piece, 0)) > 0;) {
    bytes.append(piece, static_cast<std::size_t>(n));
  }
  ::close(fd);
  Answer answer;
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos || bytes.size() < 12) return answer;
  answer.status = std::atoi(bytes.c_str() + 9);
  answer.head = bytes.substr(0, end);
  answer.body = bytes.substr(end + 4);
  return answer;
}

class Sick final : public HealthSource {
 public:
  void report(std::vector<HealthCheck>& checks) const override {
    checks.push_back({"upstream.openai", ok, essential, ok ? "closed" : "breaker open"});
  }
  std::atomic<bool> ok = true, essential = true;
};

class Counting final : public MetricSource {
 public:
  void collect(MetricSink& sink) const override {
    sink.counter("sallyport_requests", "Requests.", {{"status", "200"}}, 7);
  }
};

// A loopback listener and a UNIX socket on one loop, the ring in memory.
class AdminHouse : public ::testing::Test {
 protected:
  virtual void configure(Config&, AdminParts&) {}  // before it opens

  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "sallyport-admin-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    keys::Config keys;
    keys.pepper = Secret(std::string(32, 'p'));
    keys.derive_key = Secret(std::string(32, 'd'));
    auto ring = keys::KeyRing::open(keys, store_, clock_);
    ASSERT_TRUE(ring) << ring.error().what;
    ring_ = std::move(*ring);
    Config config;
    config.address = "127.0.0.1:9443";
    config.hosts = {"sallyport.internal"};
    AdminParts parts{.loop = loop_,
                     .offload = offload_,
                     .keys = *ring_,
                     .recorder = recorder_,
                     .settings = settings_,
                     .clock = clock_,
                     .metrics = {&counting_},
                     .health = {&sick_},
                     .version = "1.2.3",
                     .resolver = &resolver_};
    configure(config, parts);
    auto api = AdminApi::make(config, std::move(parts));
    ASSERT_TRUE(api) << api.error().what;
    api_ = std::move(*api);
    auto token = ensure_admin_token(settings_);  // after the API was made, as at a first start
    ASSERT_TRUE(token && *token);
    token_ = (*token)->reveal();
    server_ = std::make_unique<net::HttpServer>(loop_, *api_, net::ServerLimits{});
    const auto tcp = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
    ASSERT_TRUE(tcp) << tcp.error().what;
    port_ = net::local_endpoint(*tcp)->port;
    socket_ = folder_ + "/admin.sock";
    const auto local = net::listen_unix(socket_);
    ASSERT_TRUE(local) << local.error().what;
    server_->serve(*tcp);
    server_->serve(*local);
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      loop_.stop();
      thread_.join();
    }
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  Answer tcp(const Ask& ask) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return transfer(fd, written(ask));
  }
  Answer local(const Ask& ask) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, socket_.c_str(), sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    return transfer(fd, written(ask));
  }
  Ask with_token(Ask ask) const {
    ask.extra += "authorization: Bearer " + token_ + "\r\n";
    return ask;
  }
  static Ask create(std::string body) {
    return {.method = "POST",
            .path = "/admin/v1/keys",
            .extra = "content-type: application/json\r\n",
            .body = std::move(body)};
  }
  static Ask revoke(const std::string& name) {
    return {.method = "POST",
            .path = "/admin/v1/keys/" + name + "/revoke",
            .extra = "content-type: application/json\r\n",
            .body = "{\"why\":\"seen in a paste\"}"};
  }

  std::string folder_, token_, socket_;
  std::uint16_t port_ = 0;
  ManualClock clock_{*parse_utc("2026-11-24T12:00:00Z")};
  keys::MemoryKeyStore store_;
  SettingsInMemory settings_;
  RecorderInMemory recorder_;
  Sick sick_;
  Counting counting_;
  std::unique_ptr<keys::KeyRing> ring_;
  net::Resolver resolver_;
  net::Offload offload_{1};
  net::Loop loop_;
  std::unique_ptr<AdminApi> api_;
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
};

}  // namespace sallyport::admin
