// SPDX-License-Identifier: Apache-2.0
// A record becomes a Sighting: names to numbers, address to network. Fills in what the record does
// not say from the geography; works with the mission's fields alone.
#pragma once

#include "detect/datacentres.h"
#include "detect/sighting.h"
#include "event/event.h"
#include "event/ports/geography.h"

namespace sallyport::detect {

class Decoder {
 public:
  explicit Decoder(const Geography* geography) : geography_(geography) {}

  // `now` is the watch's time, which never goes back.
  Sighting decode(const Event& event, Second now);

 private:
  void place(const Event& event, Sighting& sighting);

  const Geography* geography_;
  Datacentres datacentres_;
};

}  // namespace sallyport::detect
