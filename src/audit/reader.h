// SPDX-License-Identifier: Apache-2.0
// Reads the log, also while the gate writes it: a reader is a snapshot that ends at the last good
// line it found when it was opened. One segment is in memory at a time, and the last one
// throughout.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/file_system.h"
#include "audit/open_intents.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "base/result.h"

namespace sallyport::audit {

enum class Order { kOldestFirst, kNewestFirst };

struct Period {
  std::optional<UtcTime> since;  // included
  std::optional<UtcTime> until;  // excluded
  std::uint64_t from_seq = 0;    // included
};

struct Record {
  std::uint64_t seq = 0;
  std::string_view line;  // without its newline; lives until the callback returns
};

class Reader {
 public:
  // kNotFound when there is no journal. `files` outlives the reader.
  static Result<Reader> open(FileSystem& files, const std::string& journal);

  // Intents without an outcome as of the snapshot's end.
  const OpenIntents& open_intents() const { return open_; }
  std::uint64_t end_seq() const { return end_seq_; }  // of the record after the last one
  std::size_t segments() const { return segments_.size(); }

  // Until `each` returns false. Segments that lie outside the period are not read; records in the
  // read ones are not filtered. kCorrupt, after everything readable was given, names the first
  // damage met.
  Result<void> each(Order order, const Period& period,
                    const std::function<bool(const Record&)>& each) const;

 private:
  Reader(FileSystem& files, std::string journal) : files_(&files), journal_(std::move(journal)) {}
  bool outside(std::size_t index, const Period& period) const;
  std::optional<UtcTime> first_time(std::size_t index) const;

  FileSystem* files_;
  std::string journal_;
  std::vector<SegmentId> segments_;
  std::optional<Segment> last_;
  OpenIntents open_;
  std::uint64_t end_seq_ = 1;
};

}  // namespace sallyport::audit
