// SPDX-License-Identifier: Apache-2.0
#include "audit/column_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace sallyport::audit {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::array<char, 8> kMagic = {'S', 'P', 'C', 'O', 'L', 'U', 'M', 'N'};
constexpr std::size_t kFileBytesMax = 1u << 30;
constexpr std::int64_t kTimeMaxMs = 253'402'300'799'999;  // the last of the year 9999
constexpr unsigned kShiftedBitsMax = 57;  // with a shift of up to 7 they fit into 64

std::uint64_t load64(const char* at) {
  std::uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
std::uint32_t load32(const char* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

std::size_t packed_bytes(std::size_t rows, unsigned bits) {
  return bits == 0 ? 0 : (rows * bits + 7) / 8 + 8;
}

template <class Emit>
void unpack(const char* from, unsigned bits, std::size_t first, std::size_t count, Emit emit) {
  if (bits == 64) {
    for (std::size_t i = 0; i < count; ++i) emit(i, load64(from + (first + i) * 8));
    return;
  }
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  std::size_t bit = first * bits;
  for (std::size_t i = 0; i < count; ++i, bit += bits) {
    emit(i, (load64(from + (bit >> 3)) >> (bit & 7)) & mask);
  }
}

}  // namespace

std::optional<std::string_view> Dictionary::word(std::uint32_t code) const {
  if (code == 0 || code >= words_) return std::nullopt;
  const std::uint32_t begin = load32(offsets_ + code * sizeof(std::uint32_t));
  const std::uint32_t end = load32(offsets_ + (code + 1) * sizeof(std::uint32_t));
  return text_.substr(begin, end - begin);  // checked to be in order and within the text
}

std::optional<std::uint32_t> Dictionary::find(std::string_view word) const {
  for (std::uint32_t code = 1; code < words_; ++code) {
    if (this->word(code) == word) return code;
  }
  return std::nullopt;
}

ColumnFile::~ColumnFile() {
  if (fd_ < 0) return;
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  ::close(fd_);
}

std::unexpected<Error> ColumnFile::damaged(std::string_view what) const {
  return fail(Code::kCorrupt, "column file " + name_ + ": " + std::string(what));
}

Result<std::shared_ptr<const ColumnFile>> ColumnFile::map(const std::string& path) {
  const std::shared_ptr<ColumnFile> file(new ColumnFile());
  file->name_ = path.substr(path.rfind('/') + 1);
  file->fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat status{};
  if (file->fd_ < 0 || ::fstat(file->fd_, &status) != 0) {
    return fail(Code::kUnavailable, "column file " + file->name_ + ": " + std::strerror(errno));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size < sizeof(ColumnHeader) || size > kFileBytesMax) {
    return file->damaged("is not of a size that such a file has");
  }
  void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file->fd_, 0);
  if (at == MAP_FAILED) {
    return fail(Code::kUnavailable, "column file " + file->name_ + ": " + std::strerror(errno));
  }
  file->bytes_ = std::string_view(static_cast<const char*>(at), size);
  if (const auto parsed = file->parse(); !parsed) return std::unexpected(parsed.error());
  return file;
}

Result<std::shared_ptr<const ColumnFile>> ColumnFile::from_bytes(std::string bytes,
                                                                 std::string name) {
  const std::shared_ptr<ColumnFile> file(new ColumnFile());
  file->name_ = std::move(name);
  file->owned_ = std::move(bytes);
  file->bytes_ = file->owned_;
  if (const auto parsed = file->parse(); !parsed) return std::unexpected(parsed.error());
  return file;
}

Result<std::shared_ptr<const ColumnFile>> ColumnFile::from_view(std::string_view bytes,
                                                                std::string name) {
  const std::shared_ptr<ColumnFile> file(new ColumnFile());
  file->name_ = std::move(name);
  file->bytes_ = bytes;
  if (const auto parsed = file->parse(); !parsed) return std::unexpected(parsed.error());
  return file;
}

Result<void> ColumnFile::parse() {
  if (bytes_.size() < sizeof header_) return damaged("is too short");
  std::memcpy(&header_, bytes_.data(), sizeof header_);
  const ColumnHeader& h = header_;
  if (h.magic != kMagic) return damaged("is no column file");
  if (h.version != kColumnVersion || h.columns != kColumns) return damaged("has another version");
  if (crc32c(bytes_.substr(0, offsetof(ColumnHeader, header_crc))) != h.header_crc) {
    return damaged("has a damaged header");
  }
  if (h.rows == 0 || h.rows > kFileRowsMax || h.first_seq == 0 ||
      h.first_seq > UINT64_MAX - kFileRowsMax ||
      h.blocks != (h.rows + kBlockRows - 1) / kBlockRows || h.min_ms > h.max_ms || h.min_ms < 0 ||
      h.max_ms > kTimeMaxMs) {
    return damaged("has a header that cannot be");
  }
  const std::size_t entries = h.blocks * kColumns;
  const std::size_t expected = sizeof dictionaries_ + entries * sizeof(BlockEntry);
  if (h.directory_bytes != expected || h.directory_offset > bytes_.size() ||
      bytes_.size() - h.directory_offset < expected) {
    return damaged("is truncated");
  }
  const std::string_view directory = bytes_.substr(h.directory_offset, expected);
  if (crc32c(directory) != h.directory_crc) return damaged("has a damaged directory");
  const std::uint64_t behind = h.directory_offset + expected;
  if (h.sums_bytes == 0
          ? h.sums_offset != 0
          : h.sums_offset < behind || h.sums_offset % 8 != 0 || h.sums_offset > bytes_.size() ||
                h.sums_bytes != bytes_.size() - h.sums_offset) {
    return damaged("has sums that cannot be");
  }
  entries_.resize(entries);
  std::memcpy(dictionaries_.data(), directory.data(), sizeof dictionaries_);
  std::memcpy(entries_.data(), directory.data() + sizeof dictionaries_,
              entries * sizeof(BlockEntry));
  return parse_directory();
}

// After this every place the directory names lies within the file, and every code within its
// dictionary.
Result<void> ColumnFile::parse_directory() {
  const auto within = [&](std::uint64_t offset, std::uint64_t size) {
    return offset <= bytes_.size() && size <= bytes_.size() - offset;
  };
  for (std::size_t c = 0; c < kColumns; ++c) {
    const DictionaryEntry& dictionary = dictionaries_[c];
    const bool words = has_words(static_cast<Column>(c));
    if (words != (dictionary.words > 0) || dictionary.words > kFileRowsMax + 1) {
      return damaged("has a dictionary that cannot be");
    }
    const std::uint64_t size = (std::uint64_t{dictionary.words} + 1) * sizeof(std::uint32_t);
    if (words && !within(dictionary.offset, size + dictionary.text_bytes)) {
      return damaged("is truncated");
    }
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const BlockEntry& entry = entries_[i];
    const auto column = static_cast<Column>(i % kColumns);
    const std::size_t rows = block_rows(i / kColumns);
    const bool bits_fit = entry.bits <= kShiftedBitsMax || entry.bits == 64;
    if (!bits_fit || entry.nulls > 2 || entry.bytes != packed_bytes(rows, entry.bits)) {
      return damaged("has a block that cannot be");
    }
    if (!within(entry.offset, entry.bytes)) return damaged("is truncated");
    if (has_words(column)) {
      const std::uint64_t words = dictionaries_[i % kColumns].words;
      if (entry.nulls != 0 || entry.base < 0 || static_cast<std::uint64_t>(entry.base) >= words ||
          entry.span >= words - static_cast<std::uint64_t>(entry.base)) {
        return damaged("has codes outside of their dictionary");
      }
    } else if (column == Column::kTime &&
               (entry.nulls != 0 || entry.base < 0 || entry.base > kTimeMaxMs ||
                entry.span > static_cast<std::uint64_t>(kTimeMaxMs - entry.base))) {
      return damaged("has times that cannot be");
    } else if (entry.base == kNoNumber || entry.span > static_cast<std::uint64_t>(INT64_MAX) -
                                                           static_cast<std::uint64_t>(entry.base)) {
      return damaged("has numbers that cannot be");
    }
  }
  const std::size_t flags = entries_.size() + kColumns + 1;
  known_ = std::make_unique<std::atomic<std::uint8_t>[]>(flags);
  return {};
}

std::size_t ColumnFile::block_rows(std::size_t block) const {
  return std::min(kBlockRows, header_.rows - block * kBlockRows);
}

BlockEntry ColumnFile::zone(std::size_t block, Column column) const {
  return entries_[block * kColumns + static_cast<std::size_t>(column)];
}

Result<Dictionary> ColumnFile::dictionary(Column column) const {
  const auto c = static_cast<std::size_t>(column);
  const DictionaryEntry& entry = dictionaries_[c];
  Dictionary out;
  if (entry.words == 0) return out;
  const std::size_t table = (std::size_t{entry.words} + 1) * sizeof(std::uint32_t);
  const std::string_view all = bytes_.substr(entry.offset, table + entry.text_bytes);
  out.offsets_ = all.data();
  out.text_ = all.substr(table);
  out.words_ = entry.words;
  auto& known = known_[entries_.size() + c];
  if (known.load(std::memory_order_relaxed) != 0) return out;
  if (crc32c(all) != entry.crc) return damaged("has a damaged dictionary");
  std::uint32_t before = 0;
  for (std::size_t i = 0; i <= entry.words; ++i) {
    const std::uint32_t at = load32(out.offsets_ + i * sizeof(std::uint32_t));
    if (at < before || at > entry.text_bytes) return damaged("has a dictionary that cannot be");
    before = at;
  }
  known.store(1, std::memory_order_relaxed);
  return out;
}

// A column's blocks stand behind one another: what is asked of the first is soon asked of all.
void ColumnFile::read_ahead(Column column) const {
  if (fd_ < 0) return;
  const BlockEntry first = zone(0, column), last = zone(header_.blocks - 1, column);
  if (last.offset < first.offset) return;
  static const std::size_t kPage = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t begin = first.offset / kPage * kPage;
  ::madvise(const_cast<char*>(bytes_.data()) + begin, last.offset + last.bytes - begin,
            MADV_WILLNEED);
}

Result<void> ColumnFile::touch(std::size_t block, Column column) const {
  auto& known = known_[block * kColumns + static_cast<std::size_t>(column)];
  if (known.load(std::memory_order_relaxed) != 0) return {};
  if (block == 0) read_ahead(column);
  // A file that somebody cut off under us must not become a SIGBUS.
  struct stat status{};
  if (fd_ >= 0 &&
      (::fstat(fd_, &status) != 0 || static_cast<std::size_t>(status.st_size) < bytes_.size())) {
    return damaged("was truncated");
  }
  const BlockEntry entry = zone(block, column);
  if (crc32c(bytes_.substr(entry.offset, entry.bytes)) != entry.crc) {
    return damaged("has a damaged block of " + std::string(row_of(column).name));
  }
  known.store(1, std::memory_order_relaxed);
  return {};
}

Result<void> ColumnFile::read_codes(Column column, std::size_t block, std::size_t first,
                                    std::size_t count, std::uint32_t* out) const {
  const BlockEntry entry = zone(block, column);
  const auto base = static_cast<std::uint32_t>(entry.base);
  if (entry.bits == 0) {
    std::fill_n(out, count, base);
    return {};
  }
  if (const auto good = touch(block, column); !good) return good;
  const std::uint64_t span = entry.span;
  unpack(bytes_.data() + entry.offset, entry.bits, first, count,
         [=](std::size_t i, std::uint64_t packed) {
           out[i] = base + static_cast<std::uint32_t>(std::min(packed, span));
         });
  return {};
}

Result<void> ColumnFile::read_numbers(Column column, std::size_t block, std::size_t first,
                                      std::size_t count, std::int64_t* out) const {
  const BlockEntry entry = zone(block, column);
  if (entry.nulls == 2 || entry.bits == 0) {
    std::fill_n(out, count, entry.nulls == 2 ? kNoNumber : entry.base);
    return {};
  }
  if (const auto good = touch(block, column); !good) return good;
  const auto base = static_cast<std::uint64_t>(entry.base);
  const std::uint64_t span = entry.span;
  const char* const from = bytes_.data() + entry.offset;
  if (entry.nulls == 0) {
    unpack(from, entry.bits, first, count, [=](std::size_t i, std::uint64_t packed) {
      out[i] = static_cast<std::int64_t>(base + std::min(packed, span));
    });
  } else {
    unpack(from, entry.bits, first, count, [=](std::size_t i, std::uint64_t packed) {
      const auto value = static_cast<std::int64_t>(base + std::min(packed - 1, span));
      out[i] = packed == 0 ? kNoNumber : value;
    });
  }
  return {};
}

Result<std::string_view> ColumnFile::packed(std::size_t block, Column column) const {
  if (const auto good = touch(block, column); !good) return std::unexpected(good.error());
  const BlockEntry entry = zone(block, column);
  return bytes_.substr(entry.offset, entry.bytes);
}

Result<std::optional<ColumnSums>> ColumnFile::sums() const {
  if (header_.sums_bytes == 0) return std::nullopt;
  const auto sums = ColumnSums::parse(bytes_.substr(header_.sums_offset));
  if (!sums) return damaged("has sums that cannot be");
  auto& known = known_[entries_.size() + kColumns];
  if (known.load(std::memory_order_relaxed) != 0) return sums;
  const std::uint64_t behind = header_.directory_offset + header_.directory_bytes;
  if (crc32c(bytes_.substr(behind)) != header_.sums_crc) return damaged("has damaged sums");
  const auto words = [&](Column column) {
    return dictionaries_[static_cast<std::size_t>(column)].words;
  };
  const SumsBounds bounds{.keys = words(Column::kKey),
                          .ips = words(Column::kIp),
                          .geos = words(Column::kGeo),
                          .asns = words(Column::kAsn),
                          .models = words(Column::kModel),
                          .min_ms = header_.min_ms,
                          .max_ms = header_.max_ms};
  if (!sums->within(bounds)) return damaged("has sums that cannot be");
  known.store(1, std::memory_order_relaxed);
  return sums;
}

Result<void> ColumnFile::check_all() const {
  if (const auto sums = this->sums(); !sums) return std::unexpected(sums.error());
  std::vector<std::uint32_t> codes(kBlockRows);
  std::vector<std::int64_t> numbers(kBlockRows);
  for (std::size_t c = 0; c < kColumns; ++c) {
    const auto column = static_cast<Column>(c);
    const auto words = dictionary(column);
    if (!words) return std::unexpected(words.error());
    for (std::size_t block = 0; block < blocks(); ++block) {
      const std::size_t rows = block_rows(block);
      const auto read = has_words(column) ? read_codes(column, block, 0, rows, codes.data())
                                          : read_numbers(column, block, 0, rows, numbers.data());
      if (!read) return read;
    }
  }
  return {};
}

}  // namespace sallyport::audit
