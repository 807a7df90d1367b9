// SPDX-License-Identifier: Apache-2.0
// One file of columns, <journal>/col/<first_seq>.col: what up to a million records of the log say,
// made for counting. Derived from the JSON, so a file that is damaged in any way is refused by name
// and built again. docs/audit-queries.md has the format. Reading is memory-mapped, and the same
// bytes in memory serve for what is not on the disk yet.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/column_sums.h"
#include "audit/columns.h"
#include "base/result.h"

namespace sallyport::audit {

inline constexpr std::size_t kBlockRows = 65'536;
inline constexpr std::size_t kFileRowsMax = 16 * kBlockRows;
inline constexpr std::size_t kDictionaryBytesMax = 32u << 20;  // of all of a file's dictionaries
inline constexpr std::int64_t kNoNumber = INT64_MIN;           // null, in a column of numbers

// As they stand in the file, little-endian.
struct ColumnHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t columns;
  std::uint64_t first_seq;
  std::uint32_t rows;
  std::uint32_t blocks;
  std::int64_t min_ms, max_ms;
  std::uint64_t directory_offset, directory_bytes;
  std::uint64_t sums_offset, sums_bytes;  // 0 bytes: none
  std::uint32_t directory_crc;
  std::uint32_t sums_crc;  // of all that stands behind the directory
  std::uint32_t unused;
  std::uint32_t header_crc;  // of the bytes before it
};
static_assert(sizeof(ColumnHeader) == 96);

struct DictionaryEntry {
  std::uint64_t offset;  // of (words + 1) u32 offsets, then the text; word 0 is null
  std::uint32_t words;   // 0: a column of numbers
  std::uint32_t text_bytes;
  std::uint32_t crc;
  std::uint32_t unused;
};
static_assert(sizeof(DictionaryEntry) == 24);

// One column of one block, and its zone map. A value is `base` plus a packed number of `bits` bits;
// where there are nulls, packed 0 is null and the others are one higher.
struct BlockEntry {
  std::uint64_t offset;
  std::uint32_t bytes;  // with 8 spare ones, so that the last value can be read as 64 bits
  std::uint32_t crc;
  std::int64_t base;   // the smallest value
  std::uint64_t span;  // the greatest minus the smallest
  std::uint8_t bits;
  std::uint8_t nulls;  // 0: none, 1: some, 2: nothing else
  std::array<std::uint8_t, 6> unused;
  std::array<std::uint64_t, 4> codes;  // bit c % 256 is set when code c occurs
};
static_assert(sizeof(BlockEntry) == 72);

// Views into the file; they live as long as it does.
class Dictionary {
 public:
  std::size_t size() const { return words_; }  // with null, so codes are below it
  std::optional<std::string_view> word(std::uint32_t code) const;
  std::optional<std::uint32_t> find(std::string_view word) const;  // linear

 private:
  friend class ColumnFile;
  const char* offsets_ = nullptr;
  std::string_view text_;
  std::size_t words_ = 0;
};

class ColumnFile {
 public:
  // kCorrupt says what is wrong and in which file; kUnavailable: the disk did not answer.
  static Result<std::shared_ptr<const ColumnFile>> map(const std::string& path);
  static Result<std::shared_ptr<const ColumnFile>> from_bytes(std::string bytes, std::string name);
  // `bytes` outlive it.
  static Result<std::shared_ptr<const ColumnFile>> from_view(std::string_view bytes,
                                                             std::string name);
  ~ColumnFile();
  ColumnFile(const ColumnFile&) = delete;
  ColumnFile& operator=(const ColumnFile&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t first_seq() const { return header_.first_seq; }
  std::uint64_t end_seq() const { return header_.first_seq + header_.rows; }
  std::size_t rows() const { return header_.rows; }
  std::size_t blocks() const { return header_.blocks; }
  std::size_t block_rows(std::size_t block) const;
  std::int64_t min_ms() const { return header_.min_ms; }
  std::int64_t max_ms() const { return header_.max_ms; }
  std::size_t bytes() const { return bytes_.size(); }

  // The crc of what is touched is checked when it is first touched; any thread.
  Result<Dictionary> dictionary(Column column) const;
  BlockEntry zone(std::size_t block, Column column) const;
  // `first` and `count` are within the block. Codes are below the dictionary's size whatever the
  // file says. Null is code 0 and kNoNumber.
  Result<void> read_codes(Column column, std::size_t block, std::size_t first, std::size_t count,
                          std::uint32_t* out) const;
  Result<void> read_numbers(Column column, std::size_t block, std::size_t first, std::size_t count,
                            std::int64_t* out) const;
  // The values of a block as they are packed, for who writes them into another file.
  Result<std::string_view> packed(std::size_t block, Column column) const;
  // What the file's rows come to, when it was written with that.
  Result<std::optional<ColumnSums>> sums() const;
  // Everything there is, for tests and fuzzing.
  Result<void> check_all() const;

 private:
  ColumnFile() = default;
  Result<void> parse();
  Result<void> parse_directory();
  Result<void> touch(std::size_t block, Column column) const;
  void read_ahead(Column column) const;
  std::unexpected<Error> damaged(std::string_view what) const;

  std::string name_;
  std::string owned_;  // when it is not mapped
  int fd_ = -1;
  std::string_view bytes_;
  ColumnHeader header_{};
  std::array<DictionaryEntry, kColumns> dictionaries_{};
  std::vector<BlockEntry> entries_;                             // by block, then by column
  mutable std::unique_ptr<std::atomic<std::uint8_t>[]> known_;  // good: blocks, dictionaries, sums
};

}  // namespace sallyport::audit
