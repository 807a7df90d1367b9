// SPDX-License-Identifier: Apache-2.0
#include "net/server_connection.h"

#include <string.h>

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kDrainBytesMax = 64 * 1024;  // read and thrown away after a refusal, so that
constexpr std::int64_t kDrainMs = 1'000;           // the answer is not lost to a reset
constexpr std::int64_t kWriteMs = 60'000;          // for each piece, a client that does not read

// An answer may hold a new key.
struct Wipe {
  explicit Wipe(std::string& of) : text(of) {}
  Wipe(const Wipe&) = delete;
  ~Wipe() { explicit_bzero(text.data(), text.size()); }
  std::string& text;
};

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

// What a handler says must not break the head: bad fields and framing fields are left out.
void append_fields(std::string& head, const ServerResponse& response) {
  for (const auto& [name, value] : response.headers) {
    const std::string lower = lower_ascii(name);
    if (!is_token(name) || !is_field_value(value)) continue;
    if (lower == "content-length" || lower == "transfer-encoding" || lower == "connection")
      continue;
    head += name;
    head += ": ";
    head += value;
    head += "\r\n";
  }
}

std::string start_head(int status) {
  std::string head = "HTTP/1.1 ";
  head += std::to_string(status);
  head += ' ';
  head += reason_phrase(status);
  head += "\r\n";
  return head;
}

std::string refusal_body(const std::string& reason) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("error").begin_object();
  json.field("message", "The request was refused: " + reason);
  json.field("type", "invalid_request_error");
  json.key("param").null();
  json.field("code", reason);
  json.end_object().end_object();
  return body;
}

}  // namespace

Task<void> ServerConnection::run() {
  bool going_on = true;
  while (going_on && !*stopping_) going_on = co_await serve_one();
}

Task<bool> ServerConnection::serve_one() {
  Loop& loop = stream_->handle().loop();
  if (received_.unread().empty()) {
    idle_ = true;
    const Result<std::size_t> read = co_await received_.more(loop.now_ms() + limits_.idle_ms);
    if (!read || *read == 0) co_return false;
  }
  idle_ = false;
  refusal_ = 0;
  Result<Facts> facts = co_await read_head();
  Result<void> whole = {};
  if (facts) {
    whole = co_await read_body(*facts);
  }
  if (!facts || !whole) {
    if (refusal_ != 0) co_await refuse(refusal_, reason_);
    co_return false;
  }
  ServerResponse response = co_await handler_.handle(std::move(facts->request));
  const bool going_on = co_await answer(*facts, std::move(response));
  co_return going_on;
}

Task<Result<ServerConnection::Facts>> ServerConnection::read_head() {
  const Deadline until = stream_->handle().loop().now_ms() + limits_.head_ms;
  HeadScanner scanner(limits_.head_bytes_max);
  HeadScanner::State state = scanner.scan(received_.unread());
  while (state == HeadScanner::State::kMore) {
    Result<std::size_t> read = co_await received_.more(until);
    if (!read) {
      refusal_ = read.error().code == Code::kExhausted ? 408 : 0;
      reason_ = "request_timeout";
      co_return std::unexpected(std::move(read).error());
    }
    if (*read == 0) co_return fail(Code::kUnavailable, "closed inside a head");
    state = scanner.scan(received_.unread());
  }
  RequestHead head;
  std::optional<HeadError> error = scanner.error();
  if (state == HeadScanner::State::kDone) {
    const std::size_t size = scanner.size() - scanner.start();
    error = parse_request_head(received_.unread().substr(scanner.start(), size), head);
  }
  if (error) {
    refusal_ = error->status;
    reason_ = error->reason;
    co_return fail(Code::kInvalid, error->reason);
  }

  Facts facts;
  facts.request.method = head.method;
  facts.request.path = head.path;
  facts.request.query = head.query;
  facts.request.peer = stream_->peer();
  facts.request.local_socket = local_socket_;
  facts.request.connection = &stream_->handle();
  facts.request.headers.reserve(head.header_count);
  for (const Header& field : head.fields()) {
    facts.request.headers.emplace_back(lower_ascii(field.name), field.value);
  }
  facts.head_method = head.method == "HEAD";
  facts.content_length = head.content_length;
  facts.chunked = head.chunked;
  facts.keep_alive = head.keep_alive;
  facts.expect_continue = head.expect_continue;
  facts.minor = head.minor;
  received_.consume(scanner.size());
  co_return facts;
}

Task<Result<void>> ServerConnection::say_continue(const Facts& facts) {
  if (!facts.expect_continue || !received_.unread().empty()) co_return Result<void>();
  const std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\n";
  Result<void> written = co_await write(interim, {}, {}, {});
  co_return written;
}

Task<Result<void>> ServerConnection::read_body(Facts& facts) {
  std::uint64_t left = facts.content_length.value_or(0);
  if (!facts.chunked && left == 0) co_return Result<void>();
  refusal_ = 413;
  reason_ = "body_too_large";
  if (left > limits_.body_bytes_max) co_return fail(Code::kExhausted, "body too large");
  Result<void> told = co_await say_continue(facts);
  if (!told) co_return told;

  const Deadline until = stream_->handle().loop().now_ms() + limits_.body_ms;
  std::string& body = facts.request.body;
  ChunkedDecoder decoder;
  bool ended = false;
  while (!ended) {
    std::string_view data =
        received_.unread().substr(0, facts.chunked ? std::string_view::npos : left);
    std::size_t used = data.size();
    if (facts.chunked && !data.empty()) {
      const ChunkedDecoder::Step step = decoder.step(data);
      if (step.state == ChunkedDecoder::Step::kBad) {
        refusal_ = 400;
        reason_ = "bad_chunk";
        co_return fail(Code::kInvalid, "bad chunk");
      }
      ended = step.state == ChunkedDecoder::Step::kDone;
      data = step.data;
      used = step.consumed;
    }
    if (data.size() > limits_.body_bytes_max - body.size()) {
      co_return fail(Code::kExhausted, "body too large");
    }
    body += data;
    received_.consume(used);
    if (!facts.chunked) {
      left -= used;
      ended = left == 0;
    }
    if (ended || used > 0) continue;
    Result<std::size_t> read = co_await received_.more(until);
    if (read && *read > 0) continue;
    refusal_ = !read && read.error().code == Code::kExhausted ? 408 : 0;
    reason_ = "request_timeout";
    co_return fail(Code::kUnavailable, "the body did not come");
  }
  co_return Result<void>();
}

Task<bool> ServerConnection::answer(const Facts& facts, ServerResponse response) {
  const Wipe wipe(response.body);
  const bool close = response.close || !facts.keep_alive || *stopping_;
  const bool head_only = facts.head_method || !may_have_body(response.status);
  const bool chunked = response.stream && facts.minor >= 1;
  const bool until_close = response.stream && !chunked;

  std::string head = start_head(response.status);
  append_fields(head, response);
  if (chunked) {
    head += "transfer-encoding: chunked\r\n";
  } else if (!response.stream && may_have_body(response.status)) {
    head += "content-length: " + std::to_string(response.body.size()) + "\r\n";
  }
  if (close || until_close) head += "connection: close\r\n";
  if (!close && facts.minor == 0) head += "connection: keep-alive\r\n";
  head += "\r\n";

  Result<void> sent = {};
  if (head_only) {
    sent = co_await write(head, {}, {}, {});
  } else if (response.stream) {
    sent = co_await send_stream(std::move(head), *response.stream, chunked);
  } else {
    sent = co_await write(head, response.body, {}, {});
  }
  if (!sent) co_return false;
  if (!close && !until_close) co_return true;
  co_await drain();
  co_return false;
}

// Each piece leaves at once; the head leaves with the first, the end with the last if it is known.
Task<Result<void>> ServerConnection::send_stream(std::string head, BodySource& body, bool chunked) {
  std::string_view before = head;
  for (bool ended = false; !ended;) {
    Result<std::string_view> piece = co_await body.pull();
    if (!piece) {
      // No last chunk and no clean end: the client must see that this is not the whole answer.
      stream_->cancel();
      co_return std::unexpected(std::move(piece).error());
    }
    ended = piece->empty() || body.finished();
    std::array<char, 20> digits{};
    std::string_view prefix;
    std::string_view after;
    if (chunked) {
      if (!piece->empty()) prefix = chunk_prefix(piece->size(), digits);
      after = ended ? std::string_view("\r\n0\r\n\r\n") : std::string_view("\r\n");
      if (piece->empty()) after = kLastChunk;
    }
    Result<void> written = co_await write(before, prefix, *piece, after);
    if (!written) co_return written;
    before = {};
  }
  co_return Result<void>();
}

// Answers, then reads on for a moment so that the answer is not lost, and closes.
Task<void> ServerConnection::refuse(int status, std::string reason) {
  const std::string body = refusal_body(reason);
  const std::string head =
      start_head(status) +
      "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) +
      "\r\nconnection: close\r\n\r\n";
  const Result<void> written = co_await write(head, body, {}, {});
  if (!written) co_return;
  co_await drain();
}

Task<void> ServerConnection::drain() {
  stream_->shutdown_write();
  const Deadline until = stream_->handle().loop().now_ms() + kDrainMs;
  std::size_t drained = received_.unread().size();
  while (drained < kDrainBytesMax) {
    received_.consume(received_.unread().size());
    const Result<std::size_t> read = co_await received_.more(until);
    if (!read || *read == 0) break;
    drained += *read;
  }
}

Task<Result<void>> ServerConnection::write(std::string_view a, std::string_view b,
                                           std::string_view c, std::string_view d) {
  std::array<iovec, 4> vectors{};
  std::size_t count = 0;
  for (const std::string_view part : {a, b, c, d}) {
    if (!part.empty()) vectors[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  if (count == 0) co_return Result<void>();
  const std::span<const iovec> together(vectors.data(), count);
  const Deadline until = stream_->handle().loop().now_ms() + kWriteMs;
  Result<void> written = co_await stream_->write_all(together, until);
  co_return written;
}

}  // namespace sallyport::net
