// SPDX-License-Identifier: Apache-2.0
// Stands before the journal and says where the address of each record is: country and network, as
// far as the operator's files know. One place for all records, so that none is without.
#pragma once

#include <utility>

#include "event/ports/geography.h"
#include "event/ports/recorder.h"

namespace sallyport::geo {

// What is passed outlives it. Any thread, as the recorder; a look-up takes about 0.1 us a file.
class PlacedRecorder final : public Recorder {
 public:
  PlacedRecorder(Recorder& to, const Geography& places) : to_(to), places_(places) {}

  void record(Event event, Durability until, Done done) override;
  void record_soon(Event event, Durability until, Done done) override;
  void wake() override { to_.wake(); }
  void record_twice(Event event, Done written, Done synced) override;
  std::uint64_t durable_seq() const override { return to_.durable_seq(); }
  bool keeps() const override { return to_.keeps(); }
  bool accepting() const override { return to_.accepting(); }

 private:
  void place(Event& event) const;

  Recorder& to_;
  const Geography& places_;
};

}  // namespace sallyport::geo
