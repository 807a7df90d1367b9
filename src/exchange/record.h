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
  // The same until it is synced; whether it is written can be awaited before (wait_written).
  static std::shared_ptr<Ticket> submit_twice(net::Loop& loop, Recorder& recorder, Event event);

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

  // Written is less than synced: it survives the death of the process, not the loss of power. Only
  // for tickets of submit_twice().
  class WaitWritten {
   public:
    explicit WaitWritten(std::shared_ptr<Ticket> ticket) : ticket_(std::move(ticket)) {}
    ~WaitWritten() {
      if (ticket_) ticket_->waiting_written_ = nullptr;
    }
    WaitWritten(const WaitWritten&) = delete;
    bool await_ready() const { return ticket_->written_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiting) { ticket_->waiting_written_ = waiting; }
    Result<std::uint64_t> await_resume() const { return *ticket_->written_; }

   private:
    std::shared_ptr<Ticket> ticket_;
  };
  static WaitWritten wait_written(std::shared_ptr<Ticket> ticket) {
    return WaitWritten(std::move(ticket));
  }

  // The record's place in the journal, once it is known; loop's thread.
  std::optional<std::uint64_t> seq() const {
    const auto& known = result_ ? result_ : written_;
    return known && *known ? std::optional(**known) : std::nullopt;
  }

 private:
  void finish();
  void finish_written();
  Result<std::uint64_t> arrived_;          // by the recorder's thread, before it posts finish()
  Result<std::uint64_t> arrived_written_;  // the same, before finish_written()
  std::optional<Result<std::uint64_t>> result_, written_;
  std::coroutine_handle<> waiting_, waiting_written_;
};

// Puts the intent into the journal and lets the exchange go on: the fsync runs beside the upstream
// call, and the answer's first byte waits for it. Where a hard budget holds money back for the call
// (x.written_before_call), the intent is written before the call begins, so that a start after a
// crash knows of it. Trusts every stage before it; writes x.intent.
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
