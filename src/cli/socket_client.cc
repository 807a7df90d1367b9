// SPDX-License-Identifier: Apache-2.0
#include "cli/socket_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/http1_head.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kReplyBytesMax = 64 << 20;  // a list of a hundred thousand keys
constexpr std::size_t kHeadBytesMax = 16 * 1024;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> connect_failure(int error, const std::string& path) {
  if (error == ENOENT || error == ECONNREFUSED) {
    return fail(Code::kNotFound, "no server listens at " + path);
  }
  if (error == EACCES || error == EPERM) {
    return fail(Code::kDenied, "the permissions of " + path + " forbid it");
  }
  return fail(Code::kUnavailable, path + ": " + std::strerror(error));
}

std::unexpected<Error> transfer_failure(int error, int patience_s) {
  if (error == EAGAIN || error == EWOULDBLOCK) {
    return fail(Code::kExhausted,
                "the server did not answer within " + std::to_string(patience_s) + " s");
  }
  return fail(Code::kUnavailable, std::string("the connection broke: ") + std::strerror(error));
}

Result<SocketReply> parse_reply(std::string_view bytes) {
  net::HeadScanner scanner(kHeadBytesMax);
  if (scanner.scan(bytes) != net::HeadScanner::State::kDone) {
    return fail(Code::kCorrupt, "the server's answer is not HTTP");
  }
  net::ResponseHead head;
  const auto start = scanner.start();
  const auto wrong = net::parse_response_head(bytes.substr(start, scanner.size() - start), head);
  if (wrong || !head.content_length) {
    return fail(Code::kCorrupt, "the server's answer is not HTTP as expected");
  }
  const std::string_view body = bytes.substr(scanner.size());
  if (body.size() != *head.content_length) return fail(Code::kCorrupt, "the answer broke off");
  return SocketReply{head.status, std::string(body)};
}

}  // namespace

Result<SocketReply> ask_socket(const std::string& socket_path, std::string_view method,
                               std::string_view target, std::string_view json_body,
                               int patience_s) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (socket_path.empty() || socket_path.size() >= sizeof to.sun_path) {
    return fail(Code::kNotFound, "there is no admin socket");
  }
  std::memcpy(to.sun_path, socket_path.data(), socket_path.size());
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return fail(Code::kUnavailable, std::strerror(errno));
  const timeval patience{.tv_sec = patience_s, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    return connect_failure(errno, socket_path);
  }

  std::string request = std::string(method) + " " + std::string(target) +
                        " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n";
  if (!json_body.empty() || method == "POST") {
    request +=
        "content-type: application/json\r\ncontent-length: " + std::to_string(json_body.size()) +
        "\r\n";
  }
  request += "\r\n";
  request += json_body;
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n =
        ::send(socket.get(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0) return transfer_failure(errno, patience_s);
    sent += static_cast<std::size_t>(n);
  }
  std::string bytes;
  char piece[16 * 1024];
  for (;;) {
    const ssize_t n = ::recv(socket.get(), piece, sizeof piece, 0);
    if (n < 0) return transfer_failure(errno, patience_s);
    if (n == 0) break;
    bytes.append(piece, static_cast<std::size_t>(n));
    if (bytes.size() > kReplyBytesMax) return fail(Code::kExhausted, "the answer is too large");
  }
  Result<SocketReply> reply = parse_reply(bytes);
  explicit_bzero(bytes.data(), bytes.size());  // it may hold a new key
  return reply;
}

}  // namespace sallyport::cli
