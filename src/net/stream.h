// SPDX-License-Identifier: Apache-2.0
// A connected byte stream, plain or TLS, on one loop. Errors: kExhausted is a deadline that passed,
// kUnavailable a connection that broke or was cancelled.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/task.h"
#include "net/loop.h"

namespace sallyport::net {

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
};

// A socket that is never empty, or never full, must not keep the others of its loop waiting: what a
// stream may move between two waits.
inline constexpr std::size_t kTurnBytes = 256 * 1024;

class Stream {
 public:
  virtual ~Stream() = default;

  // Waits until a read would return something (data or the end) without holding a buffer.
  virtual Task<Ready> readable(Deadline until) = 0;

  // At least one byte, or 0 at the orderly end of the peer's bytes.
  virtual Task<Result<std::size_t>> read_some(std::span<char> into, Deadline until) = 0;

  // All of `parts`, in one system call where the kernel takes it. The parts stay valid until done.
  virtual Task<Result<void>> write_all(std::span<const iovec> parts, Deadline until) = 0;

  // Orderly end of our bytes (FIN, for TLS close_notify first); reading goes on.
  virtual void shutdown_write() = 0;

  // Wakes whoever waits; every later operation fails with kUnavailable.
  virtual void cancel() = 0;

  virtual Handle& handle() = 0;
  virtual Endpoint peer() const = 0;
  virtual Endpoint local() const = 0;
  virtual bool encrypted() const = 0;
  // SHA-256 of the peer's verified certificate (base64url), empty without one (RFC 8705).
  virtual std::string peer_certificate_thumbprint() const = 0;
};

// Takes a connected, non-blocking socket.
std::unique_ptr<Stream> plain_stream(Loop& loop, int fd);

}  // namespace sallyport::net
