// SPDX-License-Identifier: Apache-2.0
// Records of refusals of callers without a name on the admin listener. A flood of wrong tokens is
// folded as at the gate (event/refusal_fold.h, docs/adr/0004): the first of a source each second
// stand one by one, the others in one record with their count. Belongs to the admin loop's thread.
#pragma once

#include "base/clock.h"
#include "base/ip_address.h"
#include "event/event.h"
#include "event/ports/recorder.h"
#include "event/refusal_fold.h"
#include "net/loop.h"

namespace sallyport::admin {

class RefusalRecords final {
 public:
  // All outlive it.
  RefusalRecords(net::Loop& loop, Recorder& recorder, const Clock& clock)
      : loop_(loop), recorder_(recorder), clock_(clock) {}
  ~RefusalRecords() { flush(); }
  RefusalRecords(const RefusalRecords&) = delete;

  void tell(const IpAddress& source, Event refusal);

 private:
  void flush();

  net::Loop& loop_;
  Recorder& recorder_;
  const Clock& clock_;
  RefusalFold fold_;
  net::Timer timer_;  // armed while counts are held
};

}  // namespace sallyport::admin
