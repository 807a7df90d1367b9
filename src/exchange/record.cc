// SPDX-License-Identifier: Apache-2.0
#include "exchange/record.h"

#include <utility>

namespace sallyport {

std::shared_ptr<Ticket> Ticket::submit(net::Loop& loop, Recorder& recorder, Event event,
                                       Durability until) {
  auto ticket = std::make_shared<Ticket>();
  recorder.record(std::move(event), until, [&loop, ticket](Result<std::uint64_t> result) {
    loop.post(
        [ticket, result = std::move(result)]() mutable { ticket->finish(std::move(result)); });
  });
  return ticket;
}

void Ticket::finish(Result<std::uint64_t> result) {
  result_.emplace(std::move(result));
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
