// SPDX-License-Identifier: Apache-2.0
// The gate hands records to the journal through this port; neither room knows the other.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/result.h"
#include "event/event.h"

namespace sallyport {

enum class Durability {
  kWritten,  // write(2) returned: survives the death of the process; fsynced within 5 ms
  kSynced,   // fdatasync(2) returned
};

class Recorder {
 public:
  virtual ~Recorder() = default;

  // Called once, on the recorder's thread, when the record is as durable as asked or cannot be;
  // must not block. The value is the record's seq.
  using Done = std::move_only_function<void(Result<std::uint64_t>)>;

  // Any thread; never blocks. A full queue or a failed journal answers kUnavailable through `done`
  // (which may then be called on the caller's thread). An empty `done` is allowed.
  virtual void record(Event event, Durability until, Done done) = 0;

  // As record(), but whoever writes may sleep on until wake(). For callers that have more to record
  // in a moment: waking a thread costs more than writing a record. Any thread; never blocks.
  virtual void record_soon(Event event, Durability until, Done done) {
    record(std::move(event), until, std::move(done));
  }
  virtual void wake() {}

  // As record_soon() until it is synced, with one more word before that: when it is written. For
  // the few that may not go on before their record would survive the death of the process.
  virtual void record_twice(Event event, Done written, Done synced) {
    record_soon(std::move(event), Durability::kSynced,
                [w = std::move(written), s = std::move(synced)](Result<std::uint64_t> r) mutable {
                  if (w) w(r);
                  if (s) s(std::move(r));
                });
  }

  // Every record up to this seq survives a loss of power. 0: not known. Any thread; cheap.
  virtual std::uint64_t durable_seq() const { return 0; }

  // False: there is no journal (audit.enabled: false), and what needs one must not be begun.
  virtual bool keeps() const { return true; }

  // False while the journal cannot write: ask before work that costs money is begun.
  virtual bool accepting() const = 0;
};

}  // namespace sallyport
