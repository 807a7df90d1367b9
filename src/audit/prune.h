// SPDX-License-Identifier: Apache-2.0
// Retention: whole segments whose records are all older are deleted. The tiles stay, so that every
// record that is kept stays provable, and every checkpoint comparable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "audit/file_system.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/ports/recorder.h"

namespace sallyport::audit {

struct PruneRequest {
  std::string journal;
  UtcTime before{};  // only segments that end before this time
  // The record from which on others still need the log, UINT64_MAX: none. Asked when it is this
  // prune's turn; any thread.
  std::function<std::uint64_t()> keep_from;
  // Returns when a checkpoint has the record of this seq: nothing goes before the record of it is
  // signed, or who deletes segments could write the record too.
  std::function<Result<void>(std::uint64_t seq)> sign;
  std::string policy;  // what asked for it: "audit.retention 90d", "--before 2026-01-01"
  std::string actor;
  bool dry = false;  // only says what it would do
};

struct PruneReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t min_index = 0;  // afterwards: records up to this one are gone
};

// Never the newest segment, nor what no checkpoint has signed. The act is recorded, durably, and
// the record signed, before anything is deleted. Blocks on the disk. kUnavailable: that could not
// be done, or another prune of this log is under way; nothing was deleted then.
Result<PruneReport> prune(FileSystem& files, Recorder& recorder, const Clock& clock,
                          const PruneRequest& request);

}  // namespace sallyport::audit
