// SPDX-License-Identifier: Apache-2.0
#include "audit/segment_scan.h"

#include <functional>
#include <string_view>

#include "audit/line.h"
#include "base/json_reader.h"
#include "event/event.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kTime = "{\"timestamp_utc\":\"";
constexpr std::size_t kTimeBytes = 24;

void note_action(std::uint64_t seq, std::string_view line, SegmentScan& scan) {
  if (const auto index = pruned_to(line)) scan.prunes.push_back({*index, seq});
  if (!line.contains("\"audit_key_rotated\"") && !line.contains("\"audit_state_accepted\"")) return;
  const Result<Event> event = parse_event(line);
  if (!event || !event->detail) return;
  const bool accepted = event->action == "audit_state_accepted";
  if (!accepted && event->action != "audit_key_rotated") return;
  const Result<JsonValue> detail = JsonValue::parse(*event->detail);
  const auto key = detail ? detail->at("new") : std::nullopt;
  if (!key || !key->string()) return;
  SegmentScan::KeyWord word{.seq = seq, .key = std::string(*key->string()), .accepted_at = {}};
  if (accepted) {
    const auto size = detail->at("size");
    word.accepted_at = static_cast<std::uint64_t>(size ? size->integer().value_or(0) : 0);
  }
  scan.new_keys.push_back(std::move(word));
}

void take_line(std::uint64_t seq, std::string_view line, std::uint64_t trusted_seq,
               SegmentScan& scan) {
  scan.leaves.push_back(leaf_hash(line));
  if (seq > trusted_seq) {
    const Result<Event> event = parse_event(line);
    if (!event) return scan.found.problem(seq, "not an event: " + event.error().what);
  }
  if (!line.starts_with(kTime) || line.size() < kTime.size() + kTimeBytes) {
    return scan.found.problem(seq, "it does not begin with its time");
  }
  const std::string_view time = line.substr(kTime.size(), kTimeBytes);
  if (time < scan.last_time) {
    scan.found.problem(seq, "its time is before that of the record before");
  }
  scan.last_time = time;
  if (scan.first_time.empty()) scan.first_time = time;

  const std::string_view kind = line_kind(line);
  if (kind == "action") note_action(seq, line, scan);
  const bool intent = kind == "intent";
  if (!intent && kind != "request") return;
  const std::string_view id = line_request_id(line);
  if (id.empty()) return;
  scan.steps.push_back({seq, std::hash<std::string_view>()(id), intent});
}

}  // namespace

Result<SegmentScan> scan_segment(FileSystem& files, const std::string& journal, const SegmentId& id,
                                 std::uint64_t trusted_seq) {
  const Result<Segment> segment = Segment::load(files, journal, id);
  if (!segment) return std::unexpected(segment.error());
  SegmentScan scan;
  scan.id = id;
  scan.leaves.reserve(segment->lines().size());
  for (const Segment::Line& line : segment->lines()) {
    take_line(line.tail.seq, segment->text(line), trusted_seq, scan);
  }
  scan.end_seq = segment->end_seq();
  scan.torn_bytes = segment->rest().size();
  scan.file_bytes = segment->good_bytes() + scan.torn_bytes;
  return scan;
}

}  // namespace sallyport::audit
