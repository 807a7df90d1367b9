// SPDX-License-Identifier: Apache-2.0
// How the gate leaves its records: one when an exchange is about to cost something (intent), one
// when it is over (request). Invariant 1: no answer without a record. The journal is behind a port.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>

#include "event/ports/recorder.h"
#include "exchange/stage.h"
#include "net/loop.h"

namespace sallyport {

// A record under way. Awaited on the loop that submitted it; the record is written whether or not
// somebody waits.
class Ticket {
 public:
  static std::shared_ptr<Ticket> submit(net::Loop& loop, Recorder& recorder, Event event,
                                        Durability until);

  class Wait {
   public:
    explicit Wait(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
    ~Wait() {
      if (ticket_) ticket_->waiting_ = nullptr;
    }
    Wait(const Wait&) = delete;
    bool await_ready() const { return ticket_->result_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting) { ticket_->waiting_ = waiting; }
    Result<std::uint64_t> await_resume() const { return *ticket_->result_; }

   private:
    std::shared_ptr<Ticket> ticket_;
  };
  static Wait wait(std::shared_ptr<Ticket> ticket) { return Wait(std::move(ticket)); }

 private:
  void finish();
  Result<std::uint64_t> arrived_;  // by the recorder's thread, before it posts finish()
  std::optional<Result<std::uint64_t>> result_;
  std::coroutine_handle<> waiting_;
};

// Puts the intent into the journal and lets the exchange go on: the fsync runs beside the upstream
// call, and the answer's first byte waits for it. Trusts every stage before it; writes x.intent.
class RecordIntent final : public Stage {
 public:
  RecordIntent(Recorder& recorder, const Clock& clock) : recorder_(recorder), clock_(clock) {}
  const char* name() const override { return "record_intent"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

 private:
  Recorder& recorder_;  // outlives the stage
  const Clock& clock_;  // outlives the stage
};

// The journal cannot write: said to the caller, never hidden.
Refusal journal_unavailable();

}  // namespace sallyport
