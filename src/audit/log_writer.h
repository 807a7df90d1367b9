// SPDX-License-Identifier: Apache-2.0
// The log as its one writing thread sees it: batches, syncs, segments, and what is left after the
// disk failed. It never retries on a file that failed (a second fsync of the same file "succeeds"
// with the data lost): it lets go of the segment, and the records that are not known to be durable
// are written again, with the same seq, into the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/file_system.h"
#include "audit/recovery.h"
#include "base/result.h"
#include "event/event.h"
#include "event/ports/sealer.h"

namespace sallyport::audit {

class LogWriter {
 public:
  struct Sizes {
    std::size_t segment_bytes = 64ull << 20;  // a new segment is begun when a batch would pass it
    std::size_t allocate_bytes = 1ull << 20;  // zeros written ahead, so that a sync changes no size
  };

  // `files` and `sealer` outlive the writer; without a sealer all lies open.
  LogWriter(FileSystem& files, std::string journal, Sizes sizes, LogState state,
            Sealer* sealer = nullptr);

  bool healthy() const { return file_ != nullptr; }
  // Begins a segment that holds what is acknowledged but not durable. Afterwards all of it is
  // durable.
  Result<void> open_segment();

  // To the batch; nothing is written yet. Raises the event's time where it would go back, and seals
  // what the policy names.
  void add(Event& event);
  std::size_t batch_records() const { return batch_records_; }
  std::size_t batch_bytes() const { return batch_.size(); }

  // Writes the batch; its records have the seqs written_seq() - n + 1 ... written_seq(). On failure
  // the batch is void, its seqs will be given again, and the segment is let go.
  Result<void> write_batch();
  // On failure the segment is let go; what was written stays with us for the next one.
  Result<void> sync();
  // Cuts the zero tail of a synced segment. The writer is unhealthy afterwards.
  Result<void> seal();

  std::uint64_t written_seq() const { return state_.written_seq; }
  std::uint64_t synced_seq() const { return state_.synced_seq; }
  bool owes_sync() const { return state_.written_seq > state_.synced_seq; }
  const OpenIntents& open() const { return state_.open; }  // as of synced_seq

 private:
  Result<void> write_ahead(SegmentFile& file, std::size_t end);
  Result<void> extend(std::size_t end);
  Result<void> fill_segment(SegmentFile& file);
  Result<void> rotate();
  void let_go();
  void all_is_durable();

  FileSystem& files_;
  Sealer* const sealer_;
  std::string journal_;
  Sizes sizes_;
  LogState state_;

  std::unique_ptr<SegmentFile> file_;
  std::uint64_t first_seq_ = 0;
  std::size_t size_ = 0;         // bytes of lines
  std::size_t synced_size_ = 0;  // of them durable
  std::size_t allocated_ = 0;    // bytes of the file
  std::string zeros_;

  std::string batch_;
  std::size_t batch_records_ = 0;
  std::optional<std::uint64_t> batch_announces_;
  std::optional<std::uint64_t> announced_;  // the last `synced` this segment carries
};

}  // namespace sallyport::audit
