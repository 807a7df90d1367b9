// SPDX-License-Identifier: Apache-2.0
// Reading segments: which there are, and the good lines of one. Shared by recovery, reader and
// verify.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/file_system.h"
#include "audit/line.h"
#include "base/result.h"

namespace sallyport::audit {

// A segment larger than this is not read: configuration keeps segments far below.
inline constexpr std::size_t kSegmentBytesMax = 2ull << 30;

std::string segment_directory(const std::string& journal);               // <journal>/seg
std::string segment_name(std::uint64_t first_seq);                       // 20 digits and .jsonl
std::string open_intents_name(std::uint64_t first_seq);                  // 20 digits and .open
std::optional<std::uint64_t> parse_segment_name(std::string_view name);  // its first seq

struct SegmentId {
  std::uint64_t first_seq = 0;
  // The first seq of the next segment: lines of this one from there on are void. Nothing: the last
  // one.
  std::optional<std::uint64_t> next_seq;
};
// In the order of the log. An absent directory is kNotFound.
Result<std::vector<SegmentId>> list_segments(FileSystem& files, const std::string& journal);

// A segment in memory, with the places of its good lines: from the start, crc right, seq without
// gap.
class Segment {
 public:
  struct Line {
    std::size_t offset = 0;
    std::uint32_t size = 0;  // without the newline
    LineTail tail;
  };

  static Result<Segment> load(FileSystem& files, const std::string& journal, const SegmentId& id);
  // Takes the bytes as they are: for tests and for load.
  static Segment parse(std::string bytes, const SegmentId& id);

  const std::vector<Line>& lines() const { return lines_; }
  std::string_view text(const Line& line) const {
    return std::string_view(bytes_).substr(line.offset, line.size);
  }
  std::uint64_t first_seq() const { return id_.first_seq; }
  // The seq that would come next: first_seq plus the good lines.
  std::uint64_t end_seq() const { return id_.first_seq + lines_.size(); }
  std::size_t good_bytes() const { return good_bytes_; }  // where the good lines end
  // What stands behind the good lines up to the zero tail; empty when the segment ends cleanly.
  std::string_view rest() const {
    return std::string_view(bytes_).substr(good_bytes_, rest_bytes_);
  }
  bool has_zero_tail() const { return good_bytes_ + rest_bytes_ < bytes_.size(); }

 private:
  std::string bytes_;
  SegmentId id_;
  std::vector<Line> lines_;
  std::size_t good_bytes_ = 0;
  std::size_t rest_bytes_ = 0;
};

}  // namespace sallyport::audit
