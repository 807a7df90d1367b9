// SPDX-License-Identifier: Apache-2.0
// Reads the log as it grows: every durable record once and in order. The tree, the columns and the
// sinks are made from what a follower gives; each has its own and keeps its own cursor, so that
// none of them can hold up the journal or another.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "audit/file_system.h"
#include "audit/reader.h"
#include "base/result.h"

namespace sallyport::audit {

class Follower {
 public:
  // Begins with the record `next_seq` (1: the first of the log). `files` outlives the follower.
  Follower(FileSystem& files, std::string journal, std::uint64_t next_seq)
      : files_(&files), journal_(std::move(journal)), next_seq_(next_seq) {}

  // Gives records up to `durable_seq` (Recorder::durable_seq, read before the call), at most about
  // `bytes_max` bytes of them, until `each` returns false; the record it refused comes again. The
  // number of records that were taken. kNotFound: the segment of the next record is gone.
  // kCorrupt: a durable record is damaged. kUnavailable: the disk did not answer. After an error
  // the same record comes next.
  Result<std::size_t> read(std::uint64_t durable_seq, std::size_t bytes_max,
                           const std::function<bool(const Record&)>& each);

  std::uint64_t next_seq() const { return next_seq_; }

 private:
  struct Place {
    std::uint64_t first_seq = 0;  // of the segment
    std::uint64_t end_seq = 0;    // of the next segment: lines from there on are void in this one
    std::uint64_t at_seq = 0;     // of the line at `offset`
    std::uint64_t offset = 0;
  };
  Result<void> find_segment();

  FileSystem* files_;
  std::string journal_;
  std::uint64_t next_seq_;
  std::optional<Place> place_;
};

}  // namespace sallyport::audit
