// SPDX-License-Identifier: Apache-2.0
#include "notify/cursor_file.h"

#include <fmt/format.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kBytesMax = 4096;
constexpr std::string_view kCrc = ",\"crc\":\"";

}  // namespace

// {"sink":"siem","origin":"gw1.example/audit","next_seq":4712,"crc":"0a1b2c3d"}
std::string CursorFile::line(std::uint64_t next_seq) const {
  std::string out = "{\"sink\":";
  append_json_string(out, sink_);
  out += ",\"origin\":";
  append_json_string(out, origin_);
  out += ",\"next_seq\":" + std::to_string(next_seq);
  const std::uint32_t crc = crc32c(out);
  out += kCrc;
  out += fmt::format("{:08x}\"}}\n", crc);
  return out;
}

// What is not exactly what line() writes was not written by us, or did not stay so.
std::optional<std::uint64_t> CursorFile::parse(std::string_view text) const {
  const Result<JsonValue> read = JsonValue::parse(text);
  if (!read || !read->is_object()) return std::nullopt;
  const auto next_seq = read->at("next_seq");
  const auto number = next_seq ? next_seq->integer() : std::nullopt;
  if (!number || *number < 1) return std::nullopt;
  const auto seq = static_cast<std::uint64_t>(*number);
  if (line(seq) != std::string(text) + "\n") return std::nullopt;
  return seq;
}

Result<std::optional<CursorFile::Found>> CursorFile::load() {
  const Result<std::string> bytes = files_.read(path(), kBytesMax);
  if (!bytes && bytes.error().code == Code::kNotFound) return std::nullopt;
  if (!bytes) return std::unexpected(bytes.error());
  bool newest = true;
  for (std::string_view rest = *bytes; !rest.empty(); newest = false) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (const auto seq = parse(rest.substr(0, end))) {
      newest_ = line(*seq);
      return Found{.next_seq = *seq, .newest_damaged = !newest};
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return fail(Code::kCorrupt, "the cursor " + path() + " is damaged, or of another sink or log");
}

Result<void> CursorFile::save(std::uint64_t next_seq) {
  std::string fresh = line(next_seq);
  const Result<void> done =
      audit::replace_file(files_, directory_, sink_ + ".cursor", fresh + newest_);
  if (done) newest_ = std::move(fresh);
  return done;
}

}  // namespace sallyport::notify
