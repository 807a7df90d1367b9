// SPDX-License-Identifier: Apache-2.0
#include "audit/open_intents.h"

#include <algorithm>
#include <utility>

#include "audit/line.h"

namespace sallyport::audit {

void OpenIntents::apply(std::string_view line) {
  const std::string_view kind = line_kind(line);
  if (kind != "intent" && kind != "request") return;
  const std::string_view id = line_request_id(line);
  if (id.empty()) return;
  if (kind == "intent") {
    lines_.emplace(id, line);
  } else if (const auto found = lines_.find(id); found != lines_.end()) {
    lines_.erase(found);
  }
}

std::vector<std::string> OpenIntents::lines() const {
  std::vector<std::pair<std::uint64_t, std::string>> ordered;
  for (const auto& [id, line] : lines_) {
    const auto tail = check_line(line);
    ordered.emplace_back(tail ? tail->seq : 0, line);
  }
  std::ranges::sort(ordered);
  std::vector<std::string> lines;
  for (auto& [seq, line] : ordered) lines.push_back(std::move(line));
  return lines;
}

std::string OpenIntents::encode(std::uint64_t before_seq) const {
  std::string out = "{\"open_intents\":" + std::to_string(lines_.size());
  close_line(out, 0, {.seq = before_seq, .synced = {}});
  out += '\n';
  for (const std::string& line : lines()) {
    out += line;
    out += '\n';
  }
  return out;
}

std::optional<OpenIntents> OpenIntents::decode(std::string_view bytes, std::uint64_t before_seq) {
  OpenIntents open;
  bool head = true;
  std::string_view head_line;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    const auto tail = check_line(line);
    if (!tail) return std::nullopt;
    if (head) {
      if (tail->seq != before_seq) return std::nullopt;
      head_line = line;
    } else {
      if (tail->seq >= before_seq || line_kind(line) != "intent") return std::nullopt;
      open.apply(line);
    }
    head = false;
  }
  const std::string expected = "{\"open_intents\":" + std::to_string(open.size()) + ",";
  if (!head_line.starts_with(expected)) return std::nullopt;
  return open;
}

Result<OpenIntents> open_before(FileSystem& files, const std::string& journal,
                                const std::vector<SegmentId>& segments, std::size_t index) {
  // Back to the nearest list that can be trusted, then forward through the segments between.
  OpenIntents open;
  std::size_t from = index;
  for (;; --from) {
    const std::uint64_t first = segments[from].first_seq;
    const std::string path = segment_directory(journal) + "/" + open_intents_name(first);
    const Result<std::string> bytes = files.read(path, kSegmentBytesMax);
    auto decoded = bytes ? OpenIntents::decode(*bytes, first) : std::nullopt;
    if (decoded) open = std::move(*decoded);
    if (decoded || from == 0) break;
  }
  for (; from < index; ++from) {
    const Result<Segment> segment = Segment::load(files, journal, segments[from]);
    if (!segment) return std::unexpected(segment.error());
    for (const Segment::Line& line : segment->lines()) open.apply(segment->text(line));
  }
  return open;
}

}  // namespace sallyport::audit
