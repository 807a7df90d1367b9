// SPDX-License-Identifier: Apache-2.0
// The way out: the answer's head, then its body, piece by piece. The first byte waits for the
// durable intent, the last byte for the outcome's record (invariant 1).
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "http/connection.h"

namespace sallyport::http {
namespace {

struct BrokenAnswer {
  const char* code;
  const char* message;
};

// Why an answer broke off, as the record and the client's error event say it.
BrokenAnswer broken_answer(const Exchange& x, const Error& why) {
  switch (x.cancelled) {
    case Cancel::kKeyRevoked:
      return {"key_revoked", "The stream was ended by the gateway: the key is no longer valid."};
    case Cancel::kShutdown:
      return {"shutting_down", "The gateway is shutting down."};
    case Cancel::kClientGone:
      return {"client_gone", "The client went away."};
    case Cancel::kNone:
      break;
  }
  if (why.code == Code::kExhausted) {
    return {"upstream_timeout", "The provider stopped sending in the middle of its answer."};
  }
  if (why.code == Code::kCorrupt) {
    return {"upstream_malformed", "The provider's answer is malformed."};
  }
  return {"upstream_disconnected", "The provider's answer broke off before its end."};
}

Refusal bad_gateway(const BrokenAnswer& broken) {
  return {.status = 502, .code = broken.code, .message = broken.message, .type = "server_error"};
}

constexpr std::int64_t kAfterEndMs = 250;

// How long and how far a provider is heard out whose client has left. Its usage stands at the end;
// what takes longer costs more to hear than the reservation that stands.
constexpr std::int64_t kDrainMs = 2'000;
constexpr std::size_t kDrainBytesMax = 1 << 20;

bool has_no_body(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace

// Whoever was cut gets a moment for its last words, not the patience of a living call.
net::Deadline Connection::write_deadline() const {
  const bool cut = exchange_ != nullptr && exchange_->cancelled != Cancel::kNone;
  return worker_.loop().now_ms() + (cut ? kLastWordsMs : way_->config.write_ms);
}

// An answer without framing ends with the connection: only a reset tells that it is not whole.
void Connection::end_with_reset(Framing framing) {
  broken_ = true;
  if (framing != Framing::kUntilClose) return;
  const struct ::linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(stream_->handle().fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

Task<bool> Connection::write(std::string_view bytes) {
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  const std::span<const iovec> parts(&part, 1);
  const Result<void> written = co_await stream_->write_all(parts, write_deadline());
  if (!written) broken_ = true;
  co_return written.has_value();
}

// One system call for head, chunk frame, piece and end, whichever of them there are.
Task<bool> Connection::send(Exchange& x, std::string_view head, std::string_view piece,
                            Framing framing, bool last) {
  std::array<iovec, 5> parts;
  std::size_t count = 0;
  const auto add = [&](std::string_view bytes) {
    if (!bytes.empty()) parts[count++] = {const_cast<char*>(bytes.data()), bytes.size()};
  };
  std::array<char, 20> prefix;
  add(head);
  if (framing == Framing::kChunked && !piece.empty()) {
    add(net::chunk_prefix(piece.size(), prefix));
    add(piece);
    add("\r\n");
  } else {
    add(piece);
  }
  if (framing == Framing::kChunked && last) add(net::kLastChunk);
  if (count == 0) co_return true;
  const std::span<const iovec> used(parts.data(), count);
  const Result<void> written = co_await stream_->write_all(used, write_deadline());
  if (!written) {
    end_with_reset(framing);
    client_gone(x);  // unless it was cut before: then that is why
    x.broken = broken_answer(x, written.error()).code;
    co_return false;
  }
  co_return true;
}

// What is about to leave counts as left: the record is made before its last piece goes.
void Connection::account(Exchange& x, std::string_view piece) const {
  if (!x.first_byte_us) x.first_byte_us = worker_.house().clock.steady_us();
  x.response_bytes += piece.size();
}

// Ends the exchange for the stages, then writes its record. False when there is none and there must
// be.
Task<bool> Connection::settle(Exchange& x, std::size_t admitted) {
  const House& house = worker_.house();
  for (std::size_t i = admitted; i-- > 0;) way_->stages[i]->finish(x);
  x.finished_us = house.clock.steady_us();
  const int status_class =
      x.answer.status >= 600 || x.answer.status < 100 ? 0 : x.answer.status / 100;
  house.counters.requests[status_class].fetch_add(1, std::memory_order_relaxed);
  if (house.recorder == nullptr) co_return true;
  Event outcome = make_event(x, Kind::kRequest, house.clock.now());
  const bool stranger = !x.principal && !x.intent && x.answer.status >= 400;
  if (stranger && worker_.fold(x.source, outcome)) co_return true;
  const Durability until = way_->outcome_synced ? Durability::kSynced : Durability::kWritten;
  std::shared_ptr<Ticket> ticket =
      Ticket::submit(worker_.loop(), *house.recorder, std::move(outcome), until);
  const Result<std::uint64_t> recorded = co_await Ticket::wait(std::move(ticket));
  if (!recorded)
    log::error("record.refused", {{"request_id", x.request_id}, {"reason", recorded.error().what}});
  co_return recorded.has_value();
}

// Each stage sees the answer's head; true if events follow.
bool Connection::open_answer(Exchange& x) {
  relaying_ = x.cancelled == Cancel::kNone;
  for (std::size_t i = way_->stages.size(); i-- > 0;) way_->stages[i]->answer(x);
  if (has_no_body(x.answer.status) || head_method_) x.answer.body.reset();
  if (!x.answer.event_stream || x.answer.body == nullptr) return false;
  x.answer.body = std::make_unique<EventStreamBody>(
      std::move(x.answer.body), stream_dialect(x.path), std::move(x.answer.event_filters));
  x.answer.content_length.reset();
  return true;
}

Framing Connection::framing_of(const Answer& answer) const {
  if (answer.body && !answer.content_length) {
    return minor_ == 0 ? Framing::kUntilClose : Framing::kChunked;
  }
  const bool bare = has_no_body(answer.status) || (head_method_ && !answer.content_length);
  return !answer.body && bare ? Framing::kNone : Framing::kLength;
}

// The provider is told at once, unless a hard budget waits for its word about what it made.
void Connection::client_gone(Exchange& x) {
  if (!x.drain_for_usage || !relaying_) return x.cancel(Cancel::kClientGone);
  if (x.cancelled != Cancel::kNone) return;
  x.cancelled = Cancel::kClientGone;
  worker_.loop().arm(
      drain_timer_, worker_.loop().now_ms() + kDrainMs,
      [](void* exchange) {
        auto* const left = static_cast<Exchange*>(exchange);
        if (left->on_cancel) left->on_cancel();
      },
      &x);
}

// Reads the rest of an answer that nobody listens to any more, for the stages that count.
Task<void> Connection::drain(Exchange& x) {
  if (!x.drain_for_usage || x.cancelled != Cancel::kClientGone || !x.answer.body) co_return;
  std::size_t bytes = 0;
  while (!x.answer.body->finished()) {
    if (bytes > kDrainBytesMax) co_return;
    const Result<std::string_view> piece = co_await x.answer.body->pull();
    if (!piece) co_return;
    if (piece->empty()) break;
    bytes += piece->size();
  }
  x.answer_whole = true;
}

Task<void> Connection::end_without_client(Exchange& x, Framing framing) {
  x.broken = "client_gone";
  co_await drain(x);
  co_await settle(x, way_->stages.size());
  end_with_reset(framing);
}

Task<void> Connection::write_unrecorded(Exchange& x) {
  const std::string refusal =
      write_refusal(journal_unavailable(), x.request_id, false, head_method_);
  co_await write(refusal);
}

Task<bool> Connection::relay(Exchange& x) {
  const std::size_t admitted = way_->stages.size();
  const bool streams = open_answer(x);

  if (x.intent) {  // invariant 1: durable before the first byte
    const Result<std::uint64_t> durable = co_await Ticket::wait(x.intent);
    if (!durable && way_->refuse_without_record) {
      x.cancel(Cancel::kShutdown);
      x.answer = Answer();
      const bool keep = co_await refuse(x, journal_unavailable(), admitted);
      co_return keep;
    }
  }

  const Framing framing = framing_of(x.answer);
  const bool keep_alive = keeps_alive(x) && framing != Framing::kUntilClose;
  std::string head;
  head.reserve(512);
  write_answer_head(head, x, framing, keep_alive, minor_);
  std::vector<std::pair<std::string, std::string>>().swap(x.answer.headers);  // a held stream: none

  if (streams) {  // the head goes at once: the first event may be long in coming
    co_await send(x, head, {}, framing, false);
    head.clear();
  }
  std::string_view piece;
  if (x.answer.body && !broken_) {
    const Result<std::string_view> first = co_await x.answer.body->pull();
    if (!first && !streams) {  // nothing has left yet: this can still be said properly
      const BrokenAnswer broken = broken_answer(x, first.error());
      x.broken = broken.code;
      x.answer = Answer();
      const bool keep = co_await refuse(x, bad_gateway(broken), admitted);
      co_return keep;
    }
    if (!first) {
      co_await break_off(x, first.error(), framing);
      co_return false;
    }
    piece = *first;
    if (x.cancelled == Cancel::kClientGone && !piece.empty()) {
      co_await end_without_client(x, framing);
      co_return false;
    }
  }
  const bool more = x.answer.body && !broken_ && !piece.empty() && !x.answer.body->finished();
  if (!broken_) account(x, piece);
  if (more) {
    const bool sent = co_await send(x, head, piece, framing, false);
    std::string().swap(head);
    if (sent) {
      co_await relay_rest(x, framing);
    } else {
      co_await drain(x);
      co_await settle(x, admitted);
    }
    co_return keep_alive && !broken_ && x.broken == nullptr;
  }
  if (broken_) co_await drain(x);  // the head found nobody
  const bool recorded = co_await settle(x, admitted);
  if (!recorded && way_->refuse_without_record) {
    if (head.empty()) end_with_reset(framing);  // it has begun: it must not look whole
    if (!broken_) co_await write_unrecorded(x);
    co_return false;
  }
  if (broken_) co_return false;
  const bool sent = co_await send(x, head, piece, framing, true);
  if (sent && streams && !piece.empty()) co_await drop_rest(x);
  co_return sent&& keep_alive;
}

// The pieces after the first. The last one is held until the outcome is recorded.
Task<void> Connection::relay_rest(Exchange& x, Framing framing) {
  const std::size_t admitted = way_->stages.size();
  for (;;) {
    const Result<std::string_view> next = co_await x.answer.body->pull();
    if (!next) {
      co_await break_off(x, next.error(), framing);
      co_return;
    }
    if (x.cancelled == Cancel::kClientGone && !next->empty()) {
      co_await end_without_client(x, framing);
      co_return;
    }
    const bool last = next->empty() || x.answer.body->finished();
    account(x, *next);
    if (last) {
      const bool recorded = co_await settle(x, admitted);
      if (!recorded && way_->refuse_without_record) {
        end_with_reset(framing);  // the client sees that the answer is not whole
        co_return;
      }
    }
    const bool sent = co_await send(x, {}, *next, framing, last);
    if (last && sent && x.answer.event_stream && !next->empty()) co_await drop_rest(x);
    if (last) co_return;
    if (!sent) {
      co_await drain(x);
      co_await settle(x, admitted);
      co_return;
    }
  }
}

// What the provider says behind the end is dropped, so that its connection can be used again. One
// that says nothing, not even the end of its body, does not keep the client's next request waiting.
Task<void> Connection::drop_rest(Exchange& x) {
  net::Timer patience;
  worker_.loop().arm(
      patience, worker_.loop().now_ms() + kAfterEndMs,
      [](void* exchange) {
        auto* const ended = static_cast<Exchange*>(exchange);
        if (ended->on_cancel) ended->on_cancel();
      },
      &x);
  const Result<std::string_view> dropped = co_await x.answer.body->pull();
  if (!dropped) log::debug("upstream.after_end", {{"reason", dropped.error().what}});
}

// The answer broke after its first byte. A stream gets an error event and an orderly end;
// everything else is cut, so that it can not be taken for whole.
Task<void> Connection::break_off(Exchange& x, Error why, Framing framing) {
  const BrokenAnswer broken = broken_answer(x, why);
  x.broken = broken.code;
  std::string event;
  if (x.answer.event_stream && x.cancelled != Cancel::kClientGone) {
    const auto& body = static_cast<const EventStreamBody&>(*x.answer.body);
    event = stream_error_event(stream_dialect(x.path), broken.code, broken.message,
                               body.next_sequence_number());
  }
  const bool recorded = co_await settle(x, way_->stages.size());
  bool told = false;
  if (!event.empty() && recorded && !broken_) {
    told = co_await send(x, {}, event, framing, true);
  }
  if (told) {
    broken_ = true;
  } else {
    end_with_reset(framing);
  }
}

}  // namespace sallyport::http
