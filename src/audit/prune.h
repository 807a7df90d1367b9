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
  UtcTime before{};         // only segments that end before this time
  std::uint64_t keep_from;  // the record from which on others still need the log; UINT64_MAX: none
  std::string policy;       // what asked for it: "audit.retention 90d", "--before 2026-01-01"
  std::string actor;
  bool dry = false;  // only says what it would do
};

struct PruneReport {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t min_index = 0;  // afterwards: records up to this one are gone
};

// Never the newest segment, nor what no checkpoint has signed. The act is recorded, durably, before
// anything is deleted. Blocks on the disk. kUnavailable: it could not be recorded; nothing was
// deleted then.
Result<PruneReport> prune(FileSystem& files, Recorder& recorder, const Clock& clock,
                          const PruneRequest& request);

}  // namespace sallyport::audit
