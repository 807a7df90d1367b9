// SPDX-License-Identifier: Apache-2.0
// What only an operator may decide after a person has looked: that a log goes on although its
// last-signed state is lost or its key is, or that what is there goes on under another name.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "audit/config.h"
#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"

namespace sallyport::audit {

struct Accepted {
  std::string origin;
  std::uint64_t size = 0;  // of the checkpoint that is taken as the last one; 0: none
  std::string key;
  std::string note;  // what was decided, one sentence
};

// The server must be stopped: takes the lock of the state. Without `new_origin` the newest
// checkpoint becomes the state again, if the records still give its root; a log that does not is
// never signed again under its name (kDenied). With it, everything signed so far is put aside in
// <journal>/retired/<origin>, and the log is signed from its first record under the new name
// (empty: a random one); kDenied when the first records were pruned.
// `record` writes accepted_event() down, durably, before anything is changed: an act that is cut
// off is known, and is done again by asking again.
using RecordAccepted = std::function<Result<void>(const Accepted&)>;
Result<Accepted> accept_state(FileSystem& files, const Config& config,
                              const std::optional<std::string>& new_origin,
                              const RecordAccepted& record);

Event accepted_event(const Accepted& accepted, UtcTime now, const std::string& actor);

}  // namespace sallyport::audit
