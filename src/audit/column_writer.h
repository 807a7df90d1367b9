// SPDX-License-Identifier: Apache-2.0
// Makes columns out of events, in the order of the log. Whole blocks are packed at once, so that
// the rows in memory cost about what they will cost on the disk.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "audit/column_file.h"
#include "audit/columns.h"
#include "event/event.h"

namespace sallyport::audit {

class ColumnWriter {
 public:
  explicit ColumnWriter(std::uint64_t first_seq) : first_seq_(first_seq) {}

  // Goes on where an unfinished file ends.
  static Result<ColumnWriter> resume(const ColumnFile& file);

  // The record that comes next; not when full.
  void append(const Event& event);
  // The record that comes next, of which nothing is known but when it was.
  void append_unknown(UtcTime time);

  // Enough for one file: of rows, or of different words.
  bool full() const { return rows_ >= kFileRowsMax || word_bytes_ >= kDictionaryBytesMax; }
  std::size_t rows() const { return rows_; }
  std::uint64_t first_seq() const { return first_seq_; }
  std::uint64_t next_seq() const { return first_seq_ + rows_; }
  std::int64_t last_ms() const { return last_ms_; }

  // A whole file of what was appended; at least one row.
  std::string encode() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  struct Words {
    std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> codes;
    std::string text;
    std::vector<std::uint32_t> offsets{0, 0};  // null is word 0 and has no text
    std::uint32_t last = 0;                    // often the next one too
  };
  struct Packed {
    std::string bytes;  // all finished blocks of one column
    std::vector<BlockEntry> entries;
  };

  std::uint32_t code_of(Words& words, std::string_view word);
  void put_value(std::size_t column, std::int64_t value);
  void end_row(std::int64_t time_ms);
  void pack_blocks();
  BlockEntry pack(std::size_t column, std::string& bytes) const;

  std::uint64_t first_seq_;
  std::size_t rows_ = 0;
  std::size_t word_bytes_ = 0;
  std::int64_t min_ms_ = INT64_MAX, max_ms_ = INT64_MIN, last_ms_ = 0;
  std::array<Words, kColumns> words_;
  // The rows that fill no block yet; nothing for a column that has only been null in them.
  std::array<std::vector<std::int64_t>, kColumns> block_;
  std::array<Packed, kColumns> packed_;
  std::string scratch_;
};

}  // namespace sallyport::audit
