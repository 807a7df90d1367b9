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
  x.intent = Ticket::submit(*x.loop, recorder_, make_event(x, Kind::kIntent, clock_.now()),
                            Durability::kSynced);
  co_return std::nullopt;
}

}  // namespace sallyport
