// SPDX-License-Identifier: Apache-2.0
#include "cli/socket_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <thread>

namespace sallyport::cli {
namespace {

// Answers one connection with fixed bytes, after the request's empty line was seen.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : answer_(std::move(answer)) {
    path_ =
        (std::filesystem::temp_directory_path() / ("sallyport-ask-" + std::to_string(::getpid())))
            .string();
    std::filesystem::remove(path_);
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path_.c_str(), sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listening_, 1), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswer() {
    thread_.join();
    ::close(listening_);
    std::filesystem::remove(path_);
  }
  const std::string& path() const { return path_; }
  const std::string& request() const { return request_; }

 private:
  void serve() {
    const int fd = ::accept(listening_, nullptr, nullptr);
    char piece[4096];
    while (request_.find("\r\n\r\n") == std::string::npos) {
      const ssize_t n = ::recv(fd, piece, sizeof piece, 0);
      if (n <= 0) break;
      request_.append(piece, static_cast<std::size_t>(n));
    }
    ::send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
    ::close(fd);
  }
  std::string answer_, path_, request_;
  int listening_ = -1;
  std::thread thread_;
};

TEST(SocketClient, AsksAndReads) {
  OneAnswer server("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}");
  const auto reply = ask_socket(server.path(), "GET", "/x");
  ASSERT_TRUE(reply) << reply.error().what;
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->body, "{}");
}

struct Broken {
  const char* why;
  const char* answer;
};

TEST(SocketClient, WhatIsNoAnswer) {
  const Broken kCases[] = {
      {"nothing", ""},
      {"not HTTP", "hello\r\n\r\n"},
      {"broke off in the head", "HTTP/1.1 200 OK\r\ncontent-le"},
      {"broke off in the body", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}"},
      {"more than it said", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}"},
      {"without a length", "HTTP/1.1 200 OK\r\n\r\n{}"},
  };
  for (const Broken& broken : kCases) {
    OneAnswer server(broken.answer);
    const auto reply = ask_socket(server.path(), "GET", "/x");
    ASSERT_FALSE(reply) << broken.why;
    EXPECT_EQ(reply.error().code, Code::kCorrupt) << broken.why;
  }
}

TEST(SocketClient, NobodyListens) {
  EXPECT_EQ(ask_socket("/nonexistent/admin.sock", "GET", "/").error().code, Code::kNotFound);
  EXPECT_EQ(ask_socket("", "GET", "/").error().code, Code::kNotFound);
  EXPECT_EQ(ask_socket(std::string(300, 'x'), "GET", "/").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace sallyport::cli
