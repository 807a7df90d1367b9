// SPDX-License-Identifier: Apache-2.0
// Goes over columns with several threads: zone maps skip the blocks that cannot hold what is
// asked, conditions pick the rows of the others, a visitor of each thread takes them in pieces of
// 4,096.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/column_file.h"
#include "audit/condition.h"
#include "base/clock.h"
#include "base/result.h"

namespace sallyport::audit {

inline constexpr std::size_t kChunkRows = 4'096;

// The columns of a log as of one moment. Immutable; the files live as long as it does.
struct ColumnSnapshot {
  std::vector<std::shared_ptr<const ColumnFile>> files;  // in the order of the log
  std::uint64_t end_seq = 1;                             // of the record after the last one
  std::optional<UtcTime> until;                          // the time of the last record
  std::vector<std::uint64_t> open;   // intents without an outcome, in their order
  std::vector<std::string> missing;  // what could not be read, in words

  std::size_t rows() const;
};

struct Selection {
  std::optional<UtcTime> since = {};  // included
  std::optional<UtcTime> until = {};  // excluded
  std::vector<Condition> conditions = {};
  // False: of intents only those that have no outcome.
  bool all_intents = false;
};

// Up to 4,096 rows of one block; `rows` are those that were picked.
class Chunk {
 public:
  const ColumnFile& file() const { return *file_; }
  std::span<const std::uint16_t> rows() const { return rows_; }
  std::uint64_t seq(std::uint16_t row) const { return first_seq_ + row; }
  // Of all rows of the chunk. Live until the visit ends. After damage they are null, and the scan
  // ends with the error.
  const std::uint32_t* codes(Column column);
  const std::int64_t* numbers(Column column);

 private:
  friend class ScanThread;
  void begin(const ColumnFile& file, std::size_t block, std::size_t first, std::size_t count);

  const ColumnFile* file_ = nullptr;
  std::size_t block_ = 0, first_ = 0, count_ = 0;
  std::uint64_t first_seq_ = 0;
  std::span<const std::uint16_t> rows_;
  std::array<bool, kColumns> read_{};
  std::array<std::unique_ptr<std::uint32_t[]>, kColumns> codes_;
  std::array<std::unique_ptr<std::int64_t[]>, kColumns> numbers_;
  std::optional<Error> error_;
};

class ChunkVisitor {
 public:
  virtual ~ChunkVisitor() = default;
  // A file that lies within the selection's times, before anything else of it: true when its sums
  // were enough, and no row is to be looked at. The visitor sees to the conditions itself.
  virtual Result<bool> whole_file(const ColumnFile& file) {
    (void)file;
    return false;
  }
  // Before the first chunk of a file; chunks come in the order of the log.
  virtual Result<void> begin_file(const ColumnFile& file) = 0;
  virtual Result<void> visit(Chunk& chunk) = 0;
  virtual Result<void> end_file() { return {}; }
};

struct ScanCount {
  std::uint64_t rows = 0;    // in blocks that were looked at
  std::uint64_t picked = 0;  // of them
  std::uint64_t blocks = 0, blocks_skipped = 0;
};

// One thread for each visitor; the first one sees the older part of the log, and so on. kCorrupt
// names the damaged file.
Result<ScanCount> scan(const ColumnSnapshot& snapshot, const Selection& selection,
                       std::span<ChunkVisitor* const> visitors);

}  // namespace sallyport::audit
