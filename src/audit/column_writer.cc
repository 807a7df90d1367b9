// SPDX-License-Identifier: Apache-2.0
#include "audit/column_writer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/text.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kWordOverhead = 64;  // what a word costs in memory beside its text

template <class T>
void append_bytes(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// `out` is 8 bytes longer than the values need.
void put(char* out, std::size_t at, unsigned bits, std::uint64_t value) {
  if (bits == 64) {
    std::memcpy(out + at * 8, &value, 8);
    return;
  }
  const std::size_t bit = at * bits;
  std::uint64_t word;
  std::memcpy(&word, out + (bit >> 3), sizeof word);
  word |= value << (bit & 7);
  std::memcpy(out + (bit >> 3), &word, sizeof word);
}

}  // namespace

std::uint32_t ColumnWriter::code_of(Words& words, std::string_view word) {
  if (words.last != 0) {
    const std::size_t begin = words.offsets[words.last];
    if (std::string_view(words.text).substr(begin, words.offsets[words.last + 1] - begin) == word) {
      return words.last;
    }
  }
  const auto found = words.codes.find(word);
  if (found != words.codes.end()) return words.last = found->second;
  const auto code = static_cast<std::uint32_t>(words.offsets.size() - 1);
  words.codes.emplace(word, code);
  words.text += word;
  words.offsets.push_back(static_cast<std::uint32_t>(words.text.size()));
  word_bytes_ += word.size() + kWordOverhead;
  return words.last = code;
}

Result<ColumnWriter> ColumnWriter::resume(const ColumnFile& file) {
  ColumnWriter out(file.first_seq());
  const std::size_t whole = file.rows() / kBlockRows;
  const std::size_t rest = file.rows() % kBlockRows;
  std::vector<std::uint32_t> codes(rest);
  for (std::size_t c = 0; c < kColumns; ++c) {
    const auto column = static_cast<Column>(c);
    const auto words = file.dictionary(column);
    if (!words) return std::unexpected(words.error());
    for (std::uint32_t code = 1; code < words->size(); ++code) {
      out.code_of(out.words_[c], *words->word(code));
    }
    for (std::size_t block = 0; block < whole; ++block) {
      const auto packed = file.packed(block, column);
      if (!packed) return std::unexpected(packed.error());
      out.packed_[c].entries.push_back(file.zone(block, column));
      out.packed_[c].entries.back().offset = out.packed_[c].bytes.size();
      out.packed_[c].bytes += *packed;
    }
    out.block_[c].resize(rest);
    if (rest == 0) continue;
    const auto read = has_words(column)
                          ? file.read_codes(column, whole, 0, rest, codes.data())
                          : file.read_numbers(column, whole, 0, rest, out.block_[c].data());
    if (!read) return std::unexpected(read.error());
    if (has_words(column)) std::ranges::copy(codes, out.block_[c].begin());
  }
  out.rows_ = file.rows();
  out.min_ms_ = file.min_ms();
  out.max_ms_ = out.last_ms_ = file.max_ms();  // time never goes back in the log
  return out;
}

void ColumnWriter::put_value(std::size_t column, std::int64_t value) {
  std::vector<std::int64_t>& values = block_[column];
  const std::int64_t null = has_words(static_cast<Column>(column)) ? 0 : kNoNumber;
  const std::size_t row = rows_ % kBlockRows;
  if (values.empty() && (value == null || row > 0)) {
    if (value == null) return;
    values.resize(row, null);
  }
  values.push_back(value);
}

void ColumnWriter::append(const Event& event) {
  for (std::size_t c = 0; c < kColumns; ++c) {
    const auto column = static_cast<Column>(c);
    if (has_words(column)) {
      const auto word = word_of(column, event, scratch_);
      put_value(c, word ? code_of(words_[c], *word) : 0);
    } else {
      put_value(c, number_of(column, event).value_or(kNoNumber));
    }
  }
  end_row(event.timestamp_utc.time_since_epoch().count());
}

void ColumnWriter::append_unknown(UtcTime time) {
  const std::int64_t ms = time.time_since_epoch().count();
  for (std::size_t c = 0; c < kColumns; ++c) {
    const std::int64_t null = has_words(static_cast<Column>(c)) ? 0 : kNoNumber;
    put_value(c, static_cast<Column>(c) == Column::kTime ? ms : null);
  }
  end_row(ms);
}

void ColumnWriter::end_row(std::int64_t time_ms) {
  last_ms_ = time_ms;
  min_ms_ = std::min(min_ms_, time_ms);
  max_ms_ = std::max(max_ms_, time_ms);
  ++rows_;
  if (rows_ % kBlockRows == 0) pack_blocks();
}

void ColumnWriter::pack_blocks() {
  for (std::size_t c = 0; c < kColumns; ++c) {
    packed_[c].entries.push_back(pack(c, packed_[c].bytes));
    block_[c].clear();
  }
}

// Appends the rows of the unfinished block. The entry's offset counts from the start of `bytes`.
BlockEntry ColumnWriter::pack(std::size_t column, std::string& bytes) const {
  const std::vector<std::int64_t>& values = block_[column];
  const bool words = has_words(static_cast<Column>(column));
  BlockEntry entry{};
  entry.offset = bytes.size();
  std::int64_t low = INT64_MAX, high = INT64_MIN;
  bool some_null = false;
  if (values.empty() && words) {  // null throughout
    entry.codes[0] = 1;
    low = high = 0;
  }
  for (const std::int64_t value : values) {
    if (words) {
      const auto code = static_cast<std::uint64_t>(value);
      entry.codes[code / 64 % 4] |= std::uint64_t{1} << (code % 64);
    } else if (value == kNoNumber) {
      some_null = true;
      continue;
    }
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) {
    entry.nulls = 2;
    entry.crc = crc32c({});
    return entry;
  }
  entry.nulls = some_null ? 1 : 0;
  entry.base = low;
  entry.span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const auto bits = static_cast<unsigned>(std::bit_width(entry.span + entry.nulls));
  entry.bits = static_cast<std::uint8_t>(bits > 57 ? 64 : bits);
  if (bits > 0) {
    bytes.resize(bytes.size() + (values.size() * entry.bits + 7) / 8 + 8);
    char* const out = bytes.data() + entry.offset;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == kNoNumber) continue;  // packed 0
      put(out, i, entry.bits,
          static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(low) + entry.nulls);
    }
  }
  entry.bytes = static_cast<std::uint32_t>(bytes.size() - entry.offset);
  entry.crc = crc32c(std::string_view(bytes).substr(entry.offset));
  return entry;
}

std::string ColumnWriter::encode() const {
  std::string out(sizeof(ColumnHeader), '\0');
  const std::size_t blocks = (rows_ + kBlockRows - 1) / kBlockRows;
  std::array<DictionaryEntry, kColumns> dictionaries{};
  std::vector<BlockEntry> entries(blocks * kColumns);
  for (std::size_t c = 0; c < kColumns; ++c) {
    const std::uint64_t at = out.size();
    const std::size_t finished = packed_[c].entries.size();
    for (std::size_t block = 0; block < finished; ++block) {
      entries[block * kColumns + c] = packed_[c].entries[block];
      entries[block * kColumns + c].offset += at;
    }
    out += packed_[c].bytes;
    if (finished < blocks) entries[finished * kColumns + c] = pack(c, out);
  }
  for (std::size_t c = 0; c < kColumns; ++c) {
    if (!has_words(static_cast<Column>(c))) continue;
    const Words& words = words_[c];
    dictionaries[c].offset = out.size();
    dictionaries[c].words = static_cast<std::uint32_t>(words.offsets.size() - 1);
    dictionaries[c].text_bytes = static_cast<std::uint32_t>(words.text.size());
    for (const std::uint32_t offset : words.offsets) append_bytes(out, offset);
    out += words.text;
    dictionaries[c].crc = crc32c(std::string_view(out).substr(dictionaries[c].offset));
  }
  const std::uint64_t directory = out.size();
  append_bytes(out, dictionaries);
  out.append(reinterpret_cast<const char*>(entries.data()), entries.size() * sizeof(BlockEntry));
  ColumnHeader header{.magic = {'S', 'P', 'C', 'O', 'L', 'U', 'M', 'N'},
                      .version = kColumnVersion,
                      .columns = kColumns,
                      .first_seq = first_seq_,
                      .rows = static_cast<std::uint32_t>(rows_),
                      .blocks = static_cast<std::uint32_t>(blocks),
                      .min_ms = min_ms_,
                      .max_ms = max_ms_,
                      .directory_offset = directory,
                      .directory_bytes = out.size() - directory,
                      .sums_offset = 0,
                      .sums_bytes = 0,
                      .directory_crc = crc32c(std::string_view(out).substr(directory)),
                      .sums_crc = 0,
                      .unused = 0,
                      .header_crc = 0};
  header.header_crc =
      crc32c({reinterpret_cast<const char*>(&header), offsetof(ColumnHeader, header_crc)});
  std::memcpy(out.data(), &header, sizeof header);
  return out;
}

}  // namespace sallyport::audit
