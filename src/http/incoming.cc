// SPDX-License-Identifier: Apache-2.0
#include "http/incoming.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {

void IncomingBody::expect(const net::RequestHead& head, const Config& config) {
  body_ms_ = config.body_ms;
  bytes_max_ = std::max(config.body_bytes_max, config.upload_bytes_max);
  chunked_ = head.chunked;
  left_ = head.content_length.value_or(0);
  announced_ = chunked_ || left_ > 0;
  done_ = !announced_;
  abandoned_ = false;
  expect_continue_ = head.expect_continue && announced_;
  decoder_ = net::ChunkedDecoder();
  received_ = 0;
  unframed_ = 0;
  started_ms_ = input_.loop.now_ms();
  limit_ = net::kNever;
  rest_ = {};
  if (announced_) {
    carried_ = std::exchange(input_.bytes, {});
    rest_ = carried_;
  }
}

net::Deadline IncomingBody::deadline() const {
  const std::int64_t now = input_.loop.now_ms();
  const std::int64_t earned = static_cast<std::int64_t>(received_ * 1000 / kBytesPerSecondMin);
  return std::min({now + body_ms_, started_ms_ + body_ms_ + earned, limit_});
}

Result<std::string_view> IncomingBody::take() {
  while (!rest_.empty()) {
    if (!chunked_) {
      const std::string_view piece = rest_.substr(0, left_);
      rest_.remove_prefix(piece.size());
      left_ -= piece.size();
      done_ = left_ == 0;
      if (done_) input_.bytes.assign(rest_);
      return piece;
    }
    const net::ChunkedDecoder::Step step = decoder_.step(rest_);
    rest_.remove_prefix(step.consumed);
    if (step.state == net::ChunkedDecoder::Step::kBad) {
      return fail(Code::kCorrupt, "the chunked coding is malformed");
    }
    if (step.state == net::ChunkedDecoder::Step::kDone) {
      done_ = true;
      input_.bytes.assign(rest_);
      return step.data;
    }
    unframed_ += step.data.size();
    if (unframed_ + decoder_.pending_bytes() > bytes_max_) {
      return fail(Code::kDenied, "a chunk announces more than any body may have");
    }
    if (!step.data.empty()) return step.data;
    if (step.consumed == 0) return fail(Code::kCorrupt, "the chunked coding is malformed");
  }
  return std::string_view();
}

void IncomingBody::abandon() {
  if (std::exchange(abandoned_, true) || done_) return;
  input_.stream.handle().wake_reader();
}

Task<Result<void>> IncomingBody::receive() {
  if (abandoned_) co_return fail(Code::kUnavailable, "abandoned");
  if (expect_continue_) {
    expect_continue_ = false;
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    const iovec part{const_cast<char*>(kContinue.data()), kContinue.size()};
    const std::span<const iovec> parts(&part, 1);
    const Result<void> told = co_await input_.stream.write_all(parts, deadline());
    if (!told) co_return std::unexpected(told.error());
  }
  buffer_.release();
  const net::Ready ready = co_await input_.stream.readable(deadline());
  if (abandoned_) co_return fail(Code::kUnavailable, "abandoned");
  if (ready == net::Ready::kTimeout) co_return fail(Code::kExhausted, "the body came too slowly");
  if (ready == net::Ready::kCancelled) co_return fail(Code::kUnavailable, "cancelled");
  buffer_ = input_.loop.buffer();
  const std::span<char> room(buffer_.data(), net::kBufferBytes);
  const Result<std::size_t> got = co_await input_.stream.read_some(room, deadline());
  if (!got) co_return std::unexpected(got.error());
  if (*got == 0) co_return fail(Code::kUnavailable, "the client closed in the middle of a body");
  received_ += *got;
  rest_ = std::string_view(buffer_.data(), *got);
  co_return Result<void>();
}

Task<Result<std::string_view>> IncomingBody::pull() {
  while (!done_) {
    const Result<std::string_view> piece = take();
    if (!piece || !piece->empty()) co_return piece;
    if (done_) break;
    const Result<void> more = co_await receive();
    if (!more) co_return std::unexpected(more.error());
  }
  buffer_.release();
  std::string().swap(carried_);
  co_return std::string_view();
}

Task<bool> IncomingBody::discard(std::uint64_t bytes_max, net::Deadline deadline) {
  limit_ = deadline;
  std::uint64_t dropped = 0;
  while (!done_) {
    const Result<std::string_view> piece = co_await pull();
    if (!piece) co_return false;
    dropped += piece->size();
    if (dropped > bytes_max) co_return false;
  }
  buffer_.release();
  std::string().swap(carried_);
  co_return true;
}

}  // namespace sallyport::http
