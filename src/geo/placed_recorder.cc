// SPDX-License-Identifier: Apache-2.0
#include "geo/placed_recorder.h"

namespace sallyport::geo {

// What a record says already stays: an address of the provider's own log comes with its country.
void PlacedRecorder::place(Event& event) const {
  if (event.ip.empty() || event.geo || event.asn) return;
  const auto address = IpAddress::parse(event.ip);
  if (!address) return;
  Location where = places_.locate(*address);
  event.geo = std::move(where.country);
  event.asn = where.asn;
  event.network = std::move(where.network);
}

void PlacedRecorder::record(Event event, Durability until, Done done) {
  place(event);
  to_.record(std::move(event), until, std::move(done));
}

void PlacedRecorder::record_soon(Event event, Durability until, Done done) {
  place(event);
  to_.record_soon(std::move(event), until, std::move(done));
}

void PlacedRecorder::record_twice(Event event, Done written, Done synced) {
  place(event);
  to_.record_twice(std::move(event), std::move(written), std::move(synced));
}

}  // namespace sallyport::geo
