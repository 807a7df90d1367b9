// SPDX-License-Identifier: Apache-2.0
#include "audit/reader.h"

#include <utility>

#include "audit/line.h"

namespace sallyport::audit {

Result<Reader> Reader::open(FileSystem& files, const std::string& journal) {
  Reader reader(files, journal);
  Result<std::vector<SegmentId>> segments = list_segments(files, journal);
  if (!segments) return std::unexpected(std::move(segments.error()));
  reader.segments_ = std::move(*segments);
  if (reader.segments_.empty()) return reader;

  Result<Segment> last = Segment::load(files, journal, reader.segments_.back());
  if (!last) return std::unexpected(std::move(last.error()));
  Result<OpenIntents> open =
      open_before(files, journal, reader.segments_, reader.segments_.size() - 1);
  if (!open) return std::unexpected(std::move(open.error()));
  for (const Segment::Line& line : last->lines()) open->apply(last->text(line));
  reader.end_seq_ = last->end_seq();
  reader.last_ = std::move(*last);
  reader.open_ = std::move(*open);
  return reader;
}

std::optional<UtcTime> Reader::first_time(std::size_t index) const {
  const std::string path =
      segment_directory(journal_) + "/" + segment_name(segments_[index].first_seq);
  const Result<std::string> head = files_->read(path, 64);
  return head ? line_time(*head) : std::nullopt;
}

// Time never goes back in the log, so the first times of a segment and of the next one enclose it.
bool Reader::outside(std::size_t index, const Period& period) const {
  const auto next = segments_[index].next_seq;
  if (next && *next <= period.from_seq) return true;
  if (period.until) {
    const auto first = first_time(index);
    if (first && *first >= *period.until) return true;
  }
  if (period.since && index + 1 < segments_.size()) {
    const auto next = first_time(index + 1);
    if (next && *next < *period.since) return true;
  }
  return false;
}

Result<void> Reader::each(Order order, const Period& period,
                          const std::function<bool(const Record&)>& each) const {
  Result<void> outcome;
  for (std::size_t step = 0; step < segments_.size(); ++step) {
    const std::size_t index = order == Order::kOldestFirst ? step : segments_.size() - 1 - step;
    if (outside(index, period)) continue;
    const bool is_last = index + 1 == segments_.size();
    std::optional<Segment> loaded;
    if (!is_last) {
      Result<Segment> segment = Segment::load(*files_, journal_, segments_[index]);
      if (!segment) return std::unexpected(std::move(segment.error()));
      loaded = std::move(*segment);
    }
    const Segment& segment = is_last ? *last_ : *loaded;
    if (!is_last && outcome && segment.end_seq() != *segments_[index].next_seq) {
      outcome = fail(Code::kCorrupt, "journal segment " + segment_name(segment.first_seq()) +
                                         ": record " + std::to_string(segment.end_seq()) +
                                         " is damaged or missing");
    }
    const auto& lines = segment.lines();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto& line = lines[order == Order::kOldestFirst ? i : lines.size() - 1 - i];
      if (!each({line.tail.seq, segment.text(line)})) return outcome;
    }
  }
  return outcome;
}

}  // namespace sallyport::audit
