// SPDX-License-Identifier: Apache-2.0
#include "audit/export_log.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/checkpoint_files.h"
#include "audit/follower.h"
#include "audit/min_index.h"
#include "audit/signed_note.h"
#include "audit/tiles.h"

namespace sallyport::audit {
namespace {

constexpr std::size_t kPieceBytes = 4u << 20;

Result<void> write_file(FileSystem& files, const std::string& path, std::string_view bytes) {
  const Result<void> made = files.make_directory(directory_of(path));
  if (!made) return made;
  return replace_file(files, directory_of(path), name_of(path), bytes);
}

Result<Checkpoint> checkpoint_of(std::string_view note) {
  const auto parsed = Note::parse(note);
  if (!parsed) return std::unexpected(parsed.error());
  return Checkpoint::parse(parsed->text);
}

void append_entry(std::string& bundle, std::string_view record) {
  bundle += static_cast<char>(record.size() >> 8);
  bundle += static_cast<char>(record.size() & 0xff);
  bundle += record;
}

Result<void> copy_tiles(FileSystem& files, const std::string& journal, const std::string& folder,
                        std::uint64_t size) {
  for (int level = 0; level < static_cast<int>(kTileLevels); ++level) {
    const std::uint64_t row = tile_row(level, size);
    for (std::uint64_t index = 0; index * kTileHashes < row; ++index) {
      const std::size_t width = std::min<std::uint64_t>(kTileHashes, row - index * kTileHashes);
      const std::string path = tile_path(level, index, width);
      if (files.size(folder + "/" + path)) continue;
      auto hashes = read_tile(files, journal, level, index, width);
      if (!hashes && width < kTileHashes) {
        hashes = read_tile(files, journal, level, index, kTileHashes);
        if (hashes) hashes->resize(width);
      }
      if (!hashes) return std::unexpected(hashes.error());
      const Result<void> written = write_file(
          files, folder + "/" + path,
          {reinterpret_cast<const char*>(hashes->data()), hashes->size() * sizeof(TreeHash)});
      if (!written) return written;
    }
  }
  return {};
}

// The first whole bundle that is not there yet, or the one with the last records.
std::uint64_t first_bundle(FileSystem& files, const std::string& folder, std::uint64_t floor,
                           std::uint64_t size) {
  std::uint64_t index = (floor + kTileHashes - 1) / kTileHashes;
  while ((index + 1) * kTileHashes <= size && files.size(folder + "/" + bundle_path(index))) {
    ++index;
  }
  return index;
}

}  // namespace

Result<ExportReport> export_log(FileSystem& files, const std::string& journal,
                                const std::string& folder,
                                const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  const auto note = read_checkpoint(files, journal);
  if (!note) return std::unexpected(note.error());
  if (!*note) return fail(Code::kUnavailable, "the log has no checkpoint yet");
  const auto checkpoint = checkpoint_of(**note);
  if (!checkpoint) return fail(Code::kCorrupt, "the checkpoint: " + checkpoint.error().what);
  const auto there = read_checkpoint(files, folder);
  if (there && *there) {
    const auto old = checkpoint_of(**there);
    if (!old || old->origin != checkpoint->origin || old->size > checkpoint->size) {
      return fail(Code::kInvalid, folder + " holds another log, or a newer copy of this one");
    }
  }
  const std::uint64_t size = checkpoint->size;
  const std::uint64_t floor = read_min_index(files, journal).value_or(0);
  ExportReport report{.size = size, .first_index = floor, .bundles = 0};
  Result<void> done = copy_tiles(files, journal, folder, size);
  if (!done) return std::unexpected(done.error());

  TileReader tiles(files, journal, size);
  std::uint64_t at = first_bundle(files, folder, floor, size) * kTileHashes;  // index of the next
  report.first_index = std::min(at, (floor + kTileHashes - 1) / kTileHashes * kTileHashes);
  Follower follower(files, journal, at + 1);
  std::string bundle;
  while (at < size) {
    const auto read = follower.read(size, kPieceBytes, [&](const Record& record) {
      const auto leaf = tiles.leaf(at);
      if (!leaf || *leaf != leaf_hash(record.line)) {
        done =
            fail(Code::kCorrupt, "record " + std::to_string(at + 1) + " is not that of its tile");
        return false;
      }
      append_entry(bundle, record.line);
      ++at;
      const std::size_t width = (at - 1) % kTileHashes + 1;
      if (width < kTileHashes && at < size) return true;
      done = write_file(files, folder + "/" + bundle_path((at - 1) / kTileHashes, width), bundle);
      bundle.clear();
      ++report.bundles;
      return done.has_value();
    });
    if (!read) return std::unexpected(read.error());
    if (!done) return std::unexpected(done.error());
    if (progress) progress(at, size);
  }
  done = publish_checkpoint(files, folder, **note);
  if (!done) return std::unexpected(done.error());
  return report;
}

}  // namespace sallyport::audit
