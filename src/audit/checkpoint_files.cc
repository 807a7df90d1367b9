// SPDX-License-Identifier: Apache-2.0
#include "audit/checkpoint_files.h"

#include <algorithm>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/signed_note.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kDayBytesMax = 1u << 30;
constexpr std::string_view kEnding = ".notes";

std::string folder_of(const std::string& journal) { return journal + "/checkpoints"; }

// Sorted; an absent directory has none.
Result<std::vector<std::string>> names_in(FileSystem& files, const std::string& directory) {
  Result<std::vector<std::string>> names = files.list(directory);
  if (!names && names.error().code == Code::kNotFound) return std::vector<std::string>();
  if (!names) return names;
  std::erase_if(*names, [](const std::string& name) { return name.starts_with('.'); });
  std::ranges::sort(*names);
  return names;
}

// A note is two pieces between empty lines: a text, and signatures. A text that a crash left
// without signatures is passed over.
bool each_note(std::string_view all, const std::function<bool(std::string_view)>& each) {
  constexpr std::string_view kBlank = "\n\n";
  constexpr std::string_view kDash = "\xE2\x80\x94 ";
  std::size_t text = 0;
  for (std::size_t end = all.find(kBlank); end != std::string_view::npos;) {
    const std::size_t next = end + kBlank.size();
    const std::size_t next_end = all.find(kBlank, next);
    if (next_end == std::string_view::npos) return true;
    if (!all.substr(next).starts_with(kDash)) {
      text = next;
      end = next_end;
      continue;
    }
    if (!each(all.substr(text, next_end + 1 - text))) return false;
    text = next_end + kBlank.size();
    end = all.find(kBlank, text);
  }
  return true;
}

// What a crash left of a note that was never published would swallow the next one.
Result<void> cut_torn_end(FileSystem& files, const std::string& path, std::uint64_t size) {
  const Result<std::string> end = files.read_at(path, size - std::min<std::uint64_t>(size, 2), 2);
  if (!end || *end == "\n\n" || size == 0) return {};
  const Result<std::string> all = files.read(path, kDayBytesMax);
  if (!all) return std::unexpected(all.error());
  const std::size_t blank = all->rfind("\n\n");
  auto file = files.open(path);
  if (!file) return std::unexpected(file.error());
  return (*file)->truncate(blank == std::string::npos ? 0 : blank + 2);
}

Result<std::vector<std::string>> day_files(FileSystem& files, const std::string& journal) {
  std::vector<std::string> paths;
  std::vector<std::string> level{folder_of(journal)};
  for (int depth = 0; depth < 3; ++depth) {
    std::vector<std::string> below;
    for (const std::string& directory : level) {
      const auto names = names_in(files, directory);
      if (!names) return std::unexpected(names.error());
      for (const std::string& name : *names) below.push_back(directory + "/" + name);
    }
    level = std::move(below);
  }
  std::erase_if(level, [](const std::string& path) { return !path.ends_with(kEnding); });
  return level;
}

}  // namespace

Result<std::optional<std::string>> read_checkpoint(FileSystem& files, const std::string& journal) {
  Result<std::string> note = files.read(journal + "/checkpoint", kNoteBytesMax + 1);
  if (!note && note.error().code == Code::kNotFound) return std::optional<std::string>();
  if (!note) return std::unexpected(note.error());
  return std::optional(std::move(*note));
}

Result<void> publish_checkpoint(FileSystem& files, const std::string& journal,
                                std::string_view note) {
  return replace_file(files, journal, "checkpoint", note);
}

Result<void> keep_checkpoint(FileSystem& files, const std::string& journal, std::string_view note,
                             UtcTime at) {
  const std::string date = format_utc(at);  // 2026-11-24T...
  const std::string directory =
      folder_of(journal) + "/" + date.substr(0, 4) + "/" + date.substr(5, 2);
  const std::string name = date.substr(8, 2) + std::string(kEnding);
  const Result<std::uint64_t> size = files.size(directory + "/" + name);
  const bool fresh = !size;
  Result<void> done = files.make_directory(directory);
  if (done && size) done = cut_torn_end(files, directory + "/" + name, *size);
  if (done) done = append_file(files, directory, name, std::string(note) + "\n");
  for (std::string above = directory; done && fresh && above.size() > journal.size();) {
    above = directory_of(above);
    done = files.sync_directory(above);
  }
  return done;
}

Result<void> each_kept_checkpoint(FileSystem& files, const std::string& journal,
                                  const std::function<bool(std::string_view)>& each) {
  const auto paths = day_files(files, journal);
  if (!paths) return std::unexpected(paths.error());
  for (const std::string& path : *paths) {
    const Result<std::string> all = files.read(path, kDayBytesMax);
    if (!all) return std::unexpected(all.error());
    if (!each_note(*all, each)) return {};
  }
  return {};
}

Result<std::optional<std::string>> find_checkpoint(FileSystem& files, const std::string& journal,
                                                   std::uint64_t size) {
  const std::string wanted = "\n" + std::to_string(size) + "\n";
  std::optional<std::string> found;
  const Result<void> read = each_kept_checkpoint(files, journal, [&](std::string_view note) {
    const std::size_t line = note.find('\n');
    if (note.substr(line).starts_with(wanted)) found = note;
    return true;
  });
  if (!read) return std::unexpected(read.error());
  return found;
}

}  // namespace sallyport::audit
