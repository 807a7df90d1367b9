// SPDX-License-Identifier: Apache-2.0
#include "audit/min_index.h"

#include "base/json_reader.h"
#include "base/text.h"
#include "event/event.h"

namespace sallyport::audit {

Result<MinIndex> read_pruned(FileSystem& files, const std::string& journal) {
  const std::string path = journal + "/min_index";
  const Result<std::string> text = files.read(path, 64);
  if (!text && text.error().code == Code::kNotFound) return MinIndex();
  if (!text) return std::unexpected(text.error());
  const std::size_t space = text->find(' ');
  if (space != std::string::npos && text->ends_with('\n')) {
    const auto index = parse_uint(std::string_view(*text).substr(0, space));
    const auto seq =
        parse_uint(std::string_view(*text).substr(space + 1, text->size() - space - 2));
    if (index && seq && *index > 0 && *seq > *index) return MinIndex{*index, *seq};
  }
  return fail(Code::kCorrupt, path + " does not hold \"<records> <seq of audit_pruned>\"");
}

Result<std::uint64_t> read_min_index(FileSystem& files, const std::string& journal) {
  const Result<MinIndex> bound = read_pruned(files, journal);
  if (!bound) return std::unexpected(bound.error());
  return bound->index;
}

Result<void> write_min_index(FileSystem& files, const std::string& journal, const MinIndex& bound) {
  return replace_file(files, journal, "min_index",
                      std::to_string(bound.index) + " " + std::to_string(bound.seq) + "\n");
}

std::optional<std::uint64_t> pruned_to(std::string_view line) {
  if (!line.contains("\"audit_pruned\"")) return std::nullopt;
  const Result<Event> event = parse_event(line);
  if (!event || event->kind != Kind::kAction || event->action != "audit_pruned") {
    return std::nullopt;
  }
  const Result<JsonValue> detail = JsonValue::parse(event->detail.value_or(""));
  const auto index = detail ? detail->at("min_index") : std::nullopt;
  const auto number = index ? index->integer() : std::nullopt;
  if (!number || *number <= 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

}  // namespace sallyport::audit
