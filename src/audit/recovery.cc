// SPDX-License-Identifier: Apache-2.0
#include "audit/recovery.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "audit/line.h"
#include "audit/min_index.h"
#include "audit/segment.h"

namespace sallyport::audit {
namespace {

std::unexpected<Error> corrupt(std::uint64_t first_seq, std::size_t offset,
                               const std::string& what) {
  return fail(Code::kCorrupt, "journal segment " + segment_name(first_seq) + " at byte " +
                                  std::to_string(offset) + ": " + what +
                                  "; refusing to append (restore the segment from a copy, or move "
                                  "the journal away to begin a new one)");
}

// Good lines behind the first bad one.
struct Beyond {
  bool any = false;
  std::uint64_t synced = 0;  // the highest seq that one of them says was durable
};

Beyond good_lines_in(std::string_view rest) {
  Beyond beyond;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;  // a line without its newline is a torn one
    std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const std::size_t start = piece.find_last_of('\0');  // a page that never reached the disk
    if (start != std::string_view::npos) piece.remove_prefix(start + 1);
    const auto tail = check_line(piece);
    if (!tail) continue;
    beyond.any = true;
    beyond.synced = std::max(beyond.synced, tail->synced.value_or(0));
  }
  return beyond;
}

// A torn tail and a damaged middle look alike at first. What tells them apart: each batch says up
// to which seq everything was durable when it was written, and only a sealed segment has no zero
// tail.
Result<void> check_rest(const Segment& segment) {
  if (segment.rest().empty()) return {};
  const Beyond beyond = good_lines_in(segment.rest());
  if (beyond.any && (beyond.synced >= segment.end_seq() || !segment.has_zero_tail())) {
    return corrupt(
        segment.first_seq(), segment.good_bytes(),
        "record " + std::to_string(segment.end_seq()) + " is damaged, and good records follow it");
  }
  return {};
}

// Fills in the durable part and the part to be written again.
void read_lines(const Segment& segment, LogState& state) {
  const auto& lines = segment.lines();
  std::uint64_t synced = segment.first_seq() - 1;
  if (!segment.has_zero_tail() && segment.rest().empty() && !lines.empty()) {
    synced = segment.end_seq() - 1;  // sealed: cut only after the sync
  }
  for (const auto& line : lines) synced = std::max(synced, line.tail.synced.value_or(0));

  state.synced_seq = synced;
  state.written_seq = segment.end_seq() - 1;
  std::size_t durable_bytes = 0;
  for (const auto& line : lines) {
    const std::string_view text = segment.text(line);
    if (line.tail.seq <= synced) {
      state.open.apply(text);
      durable_bytes = line.offset + line.size + 1;
    } else {
      state.unsynced_text += text;
      state.unsynced_text += '\n';
    }
  }
  if (!lines.empty()) {
    const auto time = line_time(segment.text(lines.back()));
    if (time) state.last_time = *time;
  }
  state.abandoned = Abandoned{segment.first_seq(), durable_bytes};
}

// The records before the last segment must be there; an empty last segment also takes its time from
// them.
Result<void> check_before(FileSystem& files, const std::string& journal,
                          const std::vector<SegmentId>& segments, LogState& state) {
  if (segments.size() < 2) {
    const Result<std::uint64_t> pruned = read_min_index(files, journal);
    if (!pruned) return std::unexpected(pruned.error());
    if (segments.front().first_seq <= *pruned + 1) return {};
    return corrupt(segments.front().first_seq, 0, "the segments before it are missing");
  }
  const Result<Segment> before = Segment::load(files, journal, segments[segments.size() - 2]);
  if (!before) return std::unexpected(before.error());
  if (before->end_seq() != segments.back().first_seq) {
    return corrupt(before->first_seq(), before->good_bytes(),
                   "record " + std::to_string(before->end_seq()) + " is damaged or missing");
  }
  if (!before->lines().empty()) {
    const auto time = line_time(before->text(before->lines().back()));
    if (time) state.last_time = *time;
  }
  return {};
}

}  // namespace

Result<Recovered> recover(FileSystem& files, const std::string& journal) {
  Recovered found;
  const Result<std::vector<SegmentId>> segments = list_segments(files, journal);
  if (!segments) return std::unexpected(segments.error());
  if (segments->empty()) return found;
  found.segments = segments->size();

  const Result<void> before = check_before(files, journal, *segments, found.state);
  if (!before) return std::unexpected(before.error());
  Result<OpenIntents> open = open_before(files, journal, *segments, segments->size() - 1);
  if (!open) return std::unexpected(open.error());
  found.state.open = std::move(*open);

  const Result<Segment> last = Segment::load(files, journal, segments->back());
  if (!last) return std::unexpected(last.error());
  const Result<void> rest = check_rest(*last);
  if (!rest) return std::unexpected(rest.error());
  read_lines(*last, found.state);
  found.cut_bytes = last->rest().size();
  return found;
}

}  // namespace sallyport::audit
