// SPDX-License-Identifier: Apache-2.0
// Records of what happens at the provider or with its credentials: kind "provider", ids and
// numbers only.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json_writer.h"
#include "event/event.h"
#include "event/ports/recorder.h"

namespace sallyport::provider {

// `members` writes the members of `detail`.
Event make_event(UtcTime now, std::string_view action,
                 const std::function<void(JsonWriter&)>& members = {});

// Written without waiting; a journal that cannot write is told in the operator's log by itself.
void record(Recorder& recorder, Event event);

}  // namespace sallyport::provider
