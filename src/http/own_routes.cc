// SPDX-License-Identifier: Apache-2.0
// Requests that the gate answers itself (exchange/own_route.h): body read whole, answer recorded,
// then sent. No stage sees them.
#include <string.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "http/connection.h"
#include "http/read_body.h"

namespace sallyport::http {
namespace {

// The body of `x` in `body`, or why it is refused. The announced length is a promise, not memory.
Task<std::optional<Refusal>> read_whole(Exchange& x, std::size_t bytes_max, std::string& body) {
  const std::string_view coding = x.header("content-encoding").value_or("identity");
  if (!equal_ascii_nocase(coding, "identity")) {
    co_return Refusal{.status = 415,
                      .code = "unsupported_content_encoding",
                      .message = "This endpoint accepts no content coding.",
                      .close = true};
  }
  if (x.incoming_length && *x.incoming_length > bytes_max) co_return body_too_large();
  while (x.incoming != nullptr) {
    const Result<std::string_view> piece = co_await x.incoming->pull();
    if (!piece) co_return broken_body(piece.error());
    if (piece->empty()) break;
    if (piece->size() > bytes_max - body.size()) co_return body_too_large();
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
  const House& house = worker_.house();
  std::string body;
  std::optional<Refusal> refusal = co_await read_whole(x, route.body_bytes_max(), body);
  const bool mute = house.recorder != nullptr && !house.recorder->accepting();
  if (!refusal && mute && way_->refuse_without_record) refusal = journal_unavailable();
  if (refusal) {
    const bool kept = co_await refuse(x, std::move(*refusal), 0);
    co_return kept;
  }

  OwnAnswer answer = co_await route.answer(x, std::move(body));
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
