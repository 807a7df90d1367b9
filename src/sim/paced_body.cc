// SPDX-License-Identifier: Apache-2.0
#include "sim/paced_body.h"

#include <algorithm>

namespace sallyport::sim {
namespace {

constexpr std::int64_t kStepMs = 50;
constexpr std::int64_t kApartMs = 2;  // between two halves, so that they travel in two segments
constexpr std::size_t kErrorAfter = 5;

// Where the first character of several bytes is cut: behind its first byte. 0: there is none.
std::size_t inside_character(std::string_view piece) {
  for (std::size_t at = 0; at < piece.size(); ++at) {
    if (static_cast<unsigned char>(piece[at]) >= 0xc0) return at + 1;
  }
  return 0;
}

std::string with_crlf(std::string_view piece) {
  std::string out;
  for (const char c : piece) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

}  // namespace

Task<bool> wait_for(net::Loop& loop, net::Handle* connection, std::int64_t ms) {
  const net::Deadline until = loop.now_ms() + ms;
  while (loop.now_ms() < until) {
    if (connection != nullptr && connection->peer_closed()) co_return false;
    const net::Deadline next = std::min(until, loop.now_ms() + kStepMs);
    co_await loop.sleep_until(next);
  }
  co_return connection == nullptr || !connection->peer_closed();
}

PacedBody::PacedBody(net::Loop& loop, net::Handle* connection, Answer answer,
                     const Behaviour& behaviour, std::shared_ptr<LoggedRequest> logged)
    : loop_(loop),
      connection_(connection),
      answer_(std::move(answer)),
      behaviour_(behaviour),
      logged_(std::move(logged)) {
  upcoming_ = next_piece();
}

PacedBody::~PacedBody() {
  if (ended_ || finished()) {
    logged_->finished = !logged_->died;
  } else {
    logged_->client_left = true;
  }
}

std::string PacedBody::next_piece() {
  if (behaviour_.error_midstream && logged_->pieces + 1 >= kErrorAfter) {
    if (error_given_) return "";
    error_given_ = true;
    return answer_.error_event;
  }
  std::string piece = answer_.script();
  shape(piece);
  return piece;
}

void PacedBody::shape(std::string& piece) const {
  if (piece.empty() || !answer_.content_type.starts_with("text/event-stream")) return;
  if (behaviour_.comments) piece.insert(0, ": keep-alive\n\n");
  if (behaviour_.crlf) piece = with_crlf(piece);
}

Result<std::string_view> PacedBody::give(std::string piece) {
  current_ = std::move(piece);
  return std::string_view(current_);
}

Task<Result<std::string_view>> PacedBody::pull() {
  if (!held_.empty()) {
    const bool here = co_await wait_for(loop_, connection_, kApartMs);
    if (!here) co_return fail(Code::kUnavailable, "the client left");
    co_return give(std::exchange(held_, ""));
  }
  const bool begun = logged_->pieces > 0;
  const bool dies = behaviour_.die_before_head ||
                    (behaviour_.die_after && logged_->pieces >= *behaviour_.die_after);
  if (dies) {
    logged_->died = true;
    ended_ = true;
    co_return fail(Code::kUnavailable, "dies as asked");
  }
  if (begun && behaviour_.piece_delay_ms > 0) {
    const bool here = co_await wait_for(loop_, connection_, behaviour_.piece_delay_ms);
    if (!here) co_return fail(Code::kUnavailable, "the client left");
  }
  std::string piece = std::exchange(upcoming_, "");
  if (piece.empty()) {
    ended_ = true;
    co_return give("");
  }
  ++logged_->pieces;
  upcoming_ = next_piece();
  const bool last_before_death = behaviour_.die_after && logged_->pieces >= *behaviour_.die_after;
  if (behaviour_.die_in_event && last_before_death) piece.resize(piece.size() / 2);
  if (behaviour_.split_utf8) {
    const std::size_t cut = inside_character(piece);
    if (cut > 0) {
      held_ = piece.substr(cut);
      piece.resize(cut);
    }
  }
  co_return give(std::move(piece));
}

}  // namespace sallyport::sim
