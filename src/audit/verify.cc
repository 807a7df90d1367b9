// SPDX-License-Identifier: Apache-2.0
#include "audit/verify.h"

#include <functional>
#include <string_view>
#include <unordered_set>

#include "audit/line.h"
#include "audit/segment.h"
#include "base/clock.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kProblemsMax = 100;
// Outcomes are remembered by the hash of their request, 16 bytes or so each; when there are more,
// the check for a second outcome begins anew.
constexpr std::size_t kOutcomesMax = 16'000'000;

class Walk {
 public:
  void segment(const Segment& segment, const SegmentId& id) {
    if (report.segments++ == 0) {
      report.first_seq = id.first_seq;
      next_ = id.first_seq;
      if (id.first_seq != 1) problem(id.first_seq, "the segments before are missing");
    }
    if (id.first_seq != next_) problem(next_, "the segment begins at another seq");
    for (const Segment::Line& line : segment.lines()) record(line.tail.seq, segment.text(line));
    next_ = segment.end_seq();
    if (id.next_seq && next_ != *id.next_seq) {
      problem(next_, "damaged or missing in segment " + segment_name(id.first_seq));
      next_ = *id.next_seq;
    }
    if (!id.next_seq) report.torn_bytes = segment.rest().size();
  }

  void end() {
    report.last_seq = next_ == 0 ? 0 : next_ - 1;
    report.open_intents = open_.size();
  }

  VerifyReport report;

 private:
  void problem(std::uint64_t seq, std::string what) {
    ++report.problems_found;
    if (report.problems.size() < kProblemsMax) report.problems.push_back({seq, std::move(what)});
  }

  void record(std::uint64_t seq, std::string_view line) {
    ++report.records;
    const Result<Event> event = parse_event(line);
    if (!event) {
      problem(seq, "not an event: " + event.error().what);
      return;
    }
    if (event->timestamp_utc < last_) problem(seq, "its time is before that of the record before");
    last_ = event->timestamp_utc;
    if (event->request_id.empty()) return;
    if (event->kind == Kind::kIntent) {
      if (outcomes_.contains(hash(event->request_id))) problem(seq, "an intent after its outcome");
      if (!open_.insert(event->request_id).second) problem(seq, "a second intent of one request");
    } else if (event->kind == Kind::kRequest) {
      open_.erase(event->request_id);
      if (outcomes_.size() >= kOutcomesMax) outcomes_.clear();
      if (!outcomes_.insert(hash(event->request_id)).second) {
        problem(seq, "a second outcome of one request");
      }
    }
  }

  static std::size_t hash(const std::string& id) { return std::hash<std::string>()(id); }

  std::uint64_t next_ = 0;
  UtcTime last_{};
  std::unordered_set<std::string> open_;
  std::unordered_set<std::size_t> outcomes_;
};

}  // namespace

Result<VerifyReport> verify(FileSystem& files, const std::string& journal) {
  const Result<std::vector<SegmentId>> segments = list_segments(files, journal);
  if (!segments) return std::unexpected(segments.error());
  Walk walk;
  for (const SegmentId& id : *segments) {
    const Result<Segment> segment = Segment::load(files, journal, id);
    if (!segment) return std::unexpected(segment.error());
    walk.segment(*segment, id);
  }
  walk.end();
  return walk.report;
}

Result<VerifyReport> verify(const std::string& journal) {
  PosixFileSystem files;
  return verify(files, journal);
}

}  // namespace sallyport::audit
