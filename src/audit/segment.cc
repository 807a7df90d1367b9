// SPDX-License-Identifier: Apache-2.0
#include "audit/segment.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kEnding = ".jsonl";
constexpr std::size_t kDigits = 20;

std::string padded(std::uint64_t seq) {
  std::string digits = std::to_string(seq);
  return std::string(kDigits - digits.size(), '0') + digits;
}

}  // namespace

std::string segment_directory(const std::string& journal) { return journal + "/seg"; }
std::string segment_name(std::uint64_t first_seq) { return padded(first_seq) + ".jsonl"; }
std::string open_intents_name(std::uint64_t first_seq) { return padded(first_seq) + ".open"; }

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kDigits + kEnding.size() || !name.ends_with(kEnding)) return std::nullopt;
  return parse_uint(name.substr(0, kDigits));
}

Result<std::vector<SegmentId>> list_segments(FileSystem& files, const std::string& journal) {
  const Result<std::vector<std::string>> names = files.list(segment_directory(journal));
  if (!names) return std::unexpected(names.error());
  std::vector<SegmentId> segments;
  for (const std::string& name : *names) {
    if (const auto first = parse_segment_name(name)) segments.push_back({*first, std::nullopt});
  }
  std::ranges::sort(segments, {}, &SegmentId::first_seq);
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    segments[i].next_seq = segments[i + 1].first_seq;
  }
  return segments;
}

Result<Segment> Segment::load(FileSystem& files, const std::string& journal, const SegmentId& id) {
  const std::string path = segment_directory(journal) + "/" + segment_name(id.first_seq);
  Result<std::string> bytes = files.read(path, kSegmentBytesMax);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  return parse(std::move(*bytes), id);
}

Segment Segment::parse(std::string bytes, const SegmentId& id) {
  Segment segment;
  segment.bytes_ = std::move(bytes);
  segment.id_ = id;
  const std::string_view all = segment.bytes_;
  std::size_t at = 0;
  while (at < all.size() && all[at] != '\0') {
    // A line that is too long is a bad line; looking no further keeps the search linear.
    const std::string_view window = all.substr(at, kEventLineBytesMax + 1);
    const std::size_t end = window.find('\n');
    if (end == std::string_view::npos) break;
    const auto tail = check_line(window.substr(0, end));
    if (!tail || tail->seq != segment.end_seq()) break;
    if (id.next_seq && tail->seq >= *id.next_seq) break;  // void: the next segment has it
    segment.lines_.push_back({at, static_cast<std::uint32_t>(end), *tail});
    at += end + 1;
  }
  segment.good_bytes_ = at;
  const std::size_t last = all.find_last_not_of('\0');
  segment.rest_bytes_ = last == std::string_view::npos || last < at ? 0 : last + 1 - at;
  return segment;
}

}  // namespace sallyport::audit
