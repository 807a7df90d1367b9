// SPDX-License-Identifier: Apache-2.0
#include "exchange/record.h"

#include <utility>

namespace sallyport {

std::shared_ptr<Ticket> Ticket::submit(net::Loop& loop, Recorder& recorder, Event event,
                                       Durability until) {
  auto ticket = std::make_shared<Ticket>();
  recorder.record_soon(std::move(event), until, [&loop, ticket](Result<std::uint64_t> result) {
    ticket->arrived_ = std::move(result);
    loop.post([ticket] { ticket->finish(); });
  });
  // One wake-up for all that a turn of the loop records.
  loop.at_turn_end([](void* port) { static_cast<Recorder*>(port)->wake(); }, &recorder);
  return ticket;
}

std::shared_ptr<Ticket> Ticket::submit_twice(net::Loop& loop, Recorder& recorder, Event event) {
  auto ticket = std::make_shared<Ticket>();
  const auto written = [&loop, ticket](Result<std::uint64_t> result) {
    ticket->arrived_written_ = std::move(result);
    loop.post([ticket] { ticket->finish_written(); });
  };
  const auto synced = [&loop, ticket](Result<std::uint64_t> result) {
    ticket->arrived_ = std::move(result);
    loop.post([ticket] { ticket->finish(); });
  };
  recorder.record_twice(std::move(event), written, synced);
  loop.at_turn_end([](void* port) { static_cast<Recorder*>(port)->wake(); }, &recorder);
  return ticket;
}

void Ticket::finish_written() {
  written_.emplace(std::move(arrived_written_));
  if (waiting_written_) std::exchange(waiting_written_, nullptr).resume();
}

void Ticket::finish() {
  result_.emplace(std::move(arrived_));
  if (waiting_) std::exchange(waiting_, nullptr).resume();
}

Refusal journal_unavailable() {
  return {
      .status = 503,
      .code = "journal_unavailable",
      .message = "The gateway cannot write its audit record and does not pass calls without one.",
      .type = "server_error",
      .retry_after_s = 5};
}

Task<std::optional<Refusal>> RecordIntent::admit(Exchange& x) {
  if (!recorder_.accepting()) co_return journal_unavailable();
  Event intent = make_event(x, Kind::kIntent, clock_.now());
  if (!x.written_before_call) {
    x.intent = Ticket::submit(*x.loop, recorder_, std::move(intent), Durability::kSynced);
    co_return std::nullopt;
  }
  x.intent = Ticket::submit_twice(*x.loop, recorder_, std::move(intent));
  const Result<std::uint64_t> written = co_await Ticket::wait_written(x.intent);
  // A seq of 0 was passed unrecorded: good enough for a call, not for money that must be known.
  if (!written || *written == 0) co_return journal_unavailable();
  co_return std::nullopt;
}

}  // namespace sallyport
