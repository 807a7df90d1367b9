// SPDX-License-Identifier: Apache-2.0
// Requests that the gate answers itself (exchange/own_route.h): the head is asked first, the body
// read whole, the answer recorded, then sent. No stage sees them.
#include <string.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "http/connection.h"
#include "http/read_body.h"

namespace sallyport::http {
namespace {

// What a client whose body is not wanted may still send, so that it sees the answer.
constexpr std::uint64_t kRefusedDrainBytes = 64 * 1024;
constexpr std::int64_t kRefusedDrainMs = 1'000;

// What the head says of a body that will not be read.
std::optional<Refusal> unreadable(const Exchange& x, std::size_t bytes_max) {
  const std::string_view coding = x.header("content-encoding").value_or("identity");
  if (!equal_ascii_nocase(coding, "identity")) {
    return Refusal{.status = 415,
                   .code = "unsupported_content_encoding",
                   .message = "This endpoint accepts no content coding.",
                   .close = true};
  }
  if (x.incoming_length && *x.incoming_length > bytes_max) return body_too_large();
  return std::nullopt;
}

Refusal too_many_strangers() {
  return {.status = 503,
          .code = "overloaded",
          .message = "The gateway answers as many such requests as it may. Try again in a moment.",
          .type = "server_error",
          .retry_after_s = 1,
          .close = true};
}

// The body of `x` in `body`, or why it is refused. The announced length is a promise, not memory.
Task<std::optional<Refusal>> read_whole(Exchange& x, std::size_t bytes_max, BodyMemory* memory,
                                        std::string& body) {
  while (x.incoming != nullptr) {
    const Result<std::string_view> piece = co_await x.incoming->pull();
    if (!piece) co_return broken_body(piece.error());
    if (piece->empty()) break;
    const std::size_t size = body.size() + piece->size();
    if (size > bytes_max) co_return body_too_large();
    if (memory != nullptr && !x.body.memory.grow(*memory, size)) co_return too_many_strangers();
    body.append(*piece);
  }
  x.request_bytes = body.size();
  co_return std::nullopt;
}

}  // namespace

OwnRoute* Connection::own_route(const Exchange& x) const {
  const auto taker =
      std::ranges::find_if(way_->routes, [&](const auto& route) { return route->takes(x); });
  return taker == way_->routes.end() ? nullptr : taker->get();
}

Task<bool> Connection::serve_own(Exchange& x, OwnRoute& route) {
  std::optional<Refusal> refusal = unreadable(x, route.body_bytes_max());
  std::optional<OwnAnswer> early;
  if (!refusal) early = route.refuse(x);
  if (early) {
    const bool kept = co_await send_own(x, std::move(*early));
    if (!incoming_.finished()) co_await linger(kRefusedDrainBytes, kRefusedDrainMs);
    co_return kept;
  }
  // Before the body, and until the answer is out: that is how long its memory is taken.
  std::optional<SourcePlaces::Place> place;
  if (!refusal) place = way_->own_places.take(x.source);
  if (!refusal && !place) refusal = too_many_strangers();
  std::string body;
  if (!refusal) {
    incoming_.until(worker_.loop().now_ms() + way_->own_body_ms);
    refusal = co_await read_whole(x, route.body_bytes_max(), way_->body_memory, body);
  }
  const House& house = worker_.house();
  const bool mute = house.recorder != nullptr && !house.recorder->accepting();
  if (!refusal && mute && way_->refuse_without_record) refusal = journal_unavailable();
  if (refusal) {
    // Not held while the client is told and listened to.
    std::string().swap(body);
    x.body.memory = BodyMemory::Share();
    place.reset();
    const bool kept = co_await refuse(x, std::move(*refusal), 0);
    co_return kept;
  }
  OwnAnswer answer = co_await route.answer(x, std::move(body));
  const bool kept = co_await send_own(x, std::move(answer));
  co_return kept;
}

// Recorded, then sent. What is left of the body is not read: the connection ends then.
Task<bool> Connection::send_own(Exchange& x, OwnAnswer answer) {
  x.answer.status = answer.status;
  x.answer.headers = std::move(answer.headers);
  x.answer.headers.emplace_back("content-type", std::move(answer.content_type));
  x.answer.headers.emplace_back("cache-control", "no-store");
  x.answer.content_length = answer.body.size();
  x.error_code = std::move(answer.error_code);
  account(x, answer.body);
  const bool recorded = co_await settle(x, 0);
  const bool keep = keeps_alive(x);
  std::string bytes;
  if (!recorded && way_->refuse_without_record) {
    bytes = write_refusal(journal_unavailable(), x.request_id, keep, head_method_);
  } else {
    write_answer_head(bytes, x, Framing::kLength, keep, minor_);
    if (!head_method_) bytes += answer.body;
  }
  const bool sent = co_await write(bytes);
  explicit_bzero(bytes.data(), bytes.size());  // a new key may stand in it
  explicit_bzero(answer.body.data(), answer.body.size());
  co_return sent&& keep;
}

}  // namespace sallyport::http
