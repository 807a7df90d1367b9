// SPDX-License-Identifier: Apache-2.0
#include "provider/record.h"

#include <utility>

namespace sallyport::provider {

Event make_event(UtcTime now, std::string_view action,
                 const std::function<void(JsonWriter&)>& members) {
  Event event;
  event.timestamp_utc = now;
  event.kind = Kind::kProvider;
  event.action = std::string(action);
  if (!members) return event;
  std::string detail;
  JsonWriter json(detail);
  json.begin_object();
  members(json);
  json.end_object();
  event.detail = std::move(detail);
  return event;
}

void record(Recorder& recorder, Event event) {
  recorder.record(std::move(event), Durability::kWritten, {});
}

}  // namespace sallyport::provider
