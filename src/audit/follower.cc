// SPDX-License-Identifier: Apache-2.0
#include "audit/follower.h"

#include <algorithm>
#include <string_view>

#include "audit/line.h"
#include "audit/segment.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kBytesMin = 2 * (kEventLineBytesMax + 1);  // one line always fits

std::unexpected<Error> lost(std::uint64_t seq) {
  return fail(Code::kCorrupt, "journal: record " + std::to_string(seq) + " is damaged or missing");
}

}  // namespace

// The segment that holds next_seq_ is the last one that begins at or before it: what an earlier one
// has of those records is void.
Result<void> Follower::find_segment() {
  const Result<std::vector<SegmentId>> segments = list_segments(*files_, journal_);
  if (!segments) return std::unexpected(segments.error());
  const auto after = std::ranges::upper_bound(*segments, next_seq_, {}, &SegmentId::first_seq);
  if (after == segments->begin()) {
    return fail(Code::kNotFound,
                "journal: the segment of record " + std::to_string(next_seq_) + " is gone");
  }
  const std::uint64_t first = std::prev(after)->first_seq;
  if (!place_ || place_->first_seq != first) place_ = Place{.first_seq = first, .at_seq = first};
  place_->end_seq = after == segments->end() ? UINT64_MAX : after->first_seq;
  return {};
}

Result<std::size_t> Follower::read(std::uint64_t durable_seq, std::size_t bytes_max,
                                   const std::function<bool(const Record&)>& each) {
  std::size_t given = 0;
  std::size_t spent = 0;
  const std::size_t piece_max = std::max(bytes_max, kBytesMin);
  while (next_seq_ <= durable_seq && spent < bytes_max) {
    const Result<void> found = find_segment();
    if (!found) return std::unexpected(found.error());
    const std::string path = segment_directory(journal_) + "/" + segment_name(place_->first_seq);
    const Result<std::string> piece = files_->read_at(path, place_->offset, piece_max);
    if (!piece) return std::unexpected(piece.error());

    const std::uint64_t began_at = place_->at_seq;
    std::string_view rest = *piece;
    while (place_->at_seq < place_->end_seq) {
      const std::size_t end = rest.find('\n');
      if (end == std::string_view::npos) break;
      const std::string_view line = rest.substr(0, end);
      if (place_->at_seq == next_seq_) {  // else it was taken before this follower began
        const auto tail = check_line(line);
        if (!tail || tail->seq != next_seq_) return lost(next_seq_);
        if (!each(Record{next_seq_, line})) return given;
        ++next_seq_;
        ++given;
        spent += line.size() + 1;
      }
      ++place_->at_seq;
      place_->offset += end + 1;
      rest.remove_prefix(end + 1);
      if (spent >= bytes_max) return given;
      if (place_->at_seq == next_seq_ && next_seq_ > durable_seq) return given;
    }
    // Nothing whole here, and the list of segments above knew no later one for this record.
    if (place_->at_seq == began_at) return lost(next_seq_);
  }
  return given;
}

}  // namespace sallyport::audit
