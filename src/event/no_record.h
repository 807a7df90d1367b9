// SPDX-License-Identifier: Apache-2.0
// Stands for the journal where the configuration switched it off (audit.enabled: false, for
// measurements; doctor calls it a danger): every record is accepted and forgotten.
#pragma once

#include "event/ports/recorder.h"

namespace sallyport {

class NoRecord final : public Recorder {
 public:
  void record(Event, Durability, Done done) override {
    if (done) done(std::uint64_t{0});
  }
  bool accepting() const override { return true; }
  bool keeps() const override { return false; }
};

}  // namespace sallyport
