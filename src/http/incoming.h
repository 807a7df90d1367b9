// SPDX-License-Identifier: Apache-2.0
// What a client sends, as it arrives: bytes that were received but not yet used, and the body of
// the request being read. Between requests no buffer is held.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/config.h"
#include "net/body.h"
#include "net/http1_head.h"
#include "net/stream.h"

namespace sallyport::http {

struct Input {
  net::Stream& stream;
  net::Loop& loop;
  std::string
      bytes;  // received, not yet used: the head being read, or what came behind the last request
};

// The body of one request, unframed (Content-Length or chunked). Errors: kExhausted too slow,
// kCorrupt malformed chunking, kDenied announced too large,
// kUnavailable the client went away before the end.
class IncomingBody final : public net::BodySource {
 public:
  // A sender that is never faster than this over a whole body is cut off.
  static constexpr std::int64_t kBytesPerSecondMin = 1024;

  explicit IncomingBody(Input& input) : input_(input) {}
  // A new request; its head is out of input.bytes. `config` outlives its body.
  void expect(const net::RequestHead& head, const Config& config);

  Task<Result<std::string_view>> pull() override;
  bool finished() const override { return done_; }

  // The whole body must be here by then, however fast its pieces come.
  void until(net::Deadline deadline) { limit_ = deadline; }
  // Reads and drops the rest, at most `bytes_max` of it until `deadline`. True when the body ended
  // cleanly.
  Task<bool> discard(std::uint64_t bytes_max, net::Deadline deadline);
  // Nobody wants the rest any more: the pull under way and later ones fail with kUnavailable.
  void abandon();
  // The client waits for "100 Continue" and has not been told: it will not send the body.
  bool held_by_client() const { return expect_continue_ && input_.bytes.empty(); }
  bool announced() const { return announced_; }

 private:
  Result<std::string_view> take();  // from what is here; empty when more must be received
  Task<Result<void>> receive();
  net::Deadline deadline() const;

  Input& input_;
  net::ChunkedDecoder decoder_;
  net::Buffer buffer_;
  std::string carried_;     // bytes that came with the head
  std::string_view rest_;   // not yet used, in buffer_ or carried_
  std::uint64_t left_ = 0;  // of a body with a length
  std::uint64_t received_ = 0;
  std::uint64_t unframed_ = 0;   // of a chunked body, so far
  std::uint64_t bytes_max_ = 0;  // what no body may exceed
  std::int64_t body_ms_ = 0;
  std::int64_t started_ms_ = 0;
  net::Deadline limit_ = net::kNever;
  bool chunked_ = false;
  bool expect_continue_ = false;
  bool announced_ = false;
  bool done_ = true;
  bool abandoned_ = false;
};

}  // namespace sallyport::http
