// SPDX-License-Identifier: Apache-2.0
// What a start finds in the journal. Reads only; the writer then opens a new segment, which makes
// void what was torn. Only the last segment is read (and its list of open intents), however long
// the log is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "audit/file_system.h"
#include "audit/open_intents.h"
#include "base/clock.h"
#include "base/result.h"

namespace sallyport::audit {

// A segment that is not written any more, and how many of its bytes still count.
struct Abandoned {
  std::uint64_t first_seq = 0;
  std::size_t bytes = 0;
};

// Where the log stands. Records after `synced_seq` are kept in memory: whoever goes on writes them
// again into the next segment, because nobody knows whether the disk has them.
struct LogState {
  std::uint64_t synced_seq = 0;
  std::uint64_t written_seq = 0;
  std::string unsynced_text;  // their lines, each with its newline
  UtcTime last_time{};
  OpenIntents open;  // as of synced_seq
  std::optional<Abandoned> abandoned;
};

struct Recovered {
  LogState state;
  std::size_t cut_bytes = 0;  // of a torn tail: never acknowledged
  std::size_t segments = 0;
};

// kCorrupt when a durable record is damaged or missing: then nothing may be appended, a person must
// look. kUnavailable when the disk does not answer.
Result<Recovered> recover(FileSystem& files, const std::string& journal);

}  // namespace sallyport::audit
