// SPDX-License-Identifier: Apache-2.0
#include "audit/tiles.h"

#include <algorithm>
#include <cstring>

namespace sallyport::audit {
namespace {

constexpr int kTileHeight = 8;
constexpr std::size_t kMadeMax = 4'096;  // remembered directories; beyond it begin anew

std::string digits(std::uint64_t number) {
  std::string text = std::to_string(number % 1000);
  text.insert(0, 3 - text.size(), '0');
  for (number /= 1000; number > 0; number /= 1000) {
    std::string group = std::to_string(number % 1000);
    group.insert(0, 3 - group.size(), '0');
    text.insert(0, "x" + group + "/");
  }
  return text;
}

std::string with_width(std::string path, std::size_t width) {
  if (width != kTileHashes) path += ".p/" + std::to_string(width);
  return path;
}

std::string bytes_of(const std::vector<TreeHash>& hashes) {
  return {reinterpret_cast<const char*>(hashes.data()), hashes.size() * sizeof(TreeHash)};
}

TreeHash range_root(const TreeHash* hashes, std::size_t count) {
  if (count == 1) return hashes[0];
  return node_hash(range_root(hashes, count / 2), range_root(hashes + count / 2, count / 2));
}

}  // namespace

std::uint64_t tile_row(int level, std::uint64_t size) {
  const int shift = level * kTileHeight;
  return shift >= 64 ? 0 : size >> shift;
}

std::string tile_path(int level, std::uint64_t index, std::size_t width) {
  return with_width("tile/" + std::to_string(level) + "/" + digits(index), width);
}

std::string bundle_path(std::uint64_t index, std::size_t width) {
  return with_width("tile/entries/" + digits(index), width);
}

Result<std::vector<TreeHash>> read_tile(FileSystem& files, const std::string& root, int level,
                                        std::uint64_t index, std::size_t width) {
  const std::string path = root + "/" + tile_path(level, index, width);
  const Result<std::string> bytes = files.read(path, kTileBytes + 1);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() != width * sizeof(TreeHash)) {
    return fail(Code::kCorrupt, path + " has " + std::to_string(bytes->size()) + " bytes");
  }
  std::vector<TreeHash> hashes(width);
  std::memcpy(hashes.data(), bytes->data(), bytes->size());
  return hashes;
}

Result<std::vector<TreeHash>> row_of(FileSystem& files, const std::string& root, int level,
                                     std::uint64_t index, std::size_t width) {
  for (std::size_t w = width; w <= kTileHashes; ++w) {
    auto hashes = read_tile(files, root, level, index, w);
    if (!hashes && hashes.error().code != Code::kNotFound) return hashes;
    if (!hashes) continue;
    hashes->resize(width);
    return hashes;
  }
  return fail(Code::kNotFound, tile_path(level, index, width) + " is missing");
}

Result<const TileReader::Tile*> TileReader::tile(int level, std::uint64_t index) {
  const Key key{level, index};
  const auto found = std::ranges::find(recent_, key, &std::pair<Key, Tile>::first);
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
    return &recent_.front().second;
  }
  const std::uint64_t here = tile_row(level, size_) - index * kTileHashes;
  const std::size_t width = std::min<std::uint64_t>(here, kTileHashes);
  Result<Tile> hashes = read_tile(files_, root_, level, index, width);
  if (!hashes && hashes.error().code == Code::kNotFound && width < kTileHashes) {
    hashes = read_tile(files_, root_, level, index, kTileHashes);  // it has been filled since
    if (hashes) hashes->resize(width);
  }
  if (!hashes) return std::unexpected(std::move(hashes.error()));
  if (recent_.size() == kCached) recent_.pop_back();
  recent_.emplace_front(key, std::move(*hashes));
  return &recent_.front().second;
}

Result<TreeHash> TileReader::node(int level, std::uint64_t index) {
  if (level < 0 || level > 61 || ((index + 1) << level) > size_) {
    return fail(Code::kInvalid, "the tree has no such node");
  }
  const int height = level % kTileHeight;
  const std::uint64_t first = index << height;  // in its row of tiles
  const Result<const Tile*> hashes = tile(level / kTileHeight, first / kTileHashes);
  if (!hashes) return std::unexpected(hashes.error());
  return range_root((*hashes)->data() + first % kTileHashes, std::size_t{1} << height);
}

Result<void> TileWriter::begin(std::uint64_t size) {
  return begin_from(size, [this](int level, std::uint64_t index, std::size_t width) {
    auto hashes = read_tile(files_, root_, level, index, width);
    if (!hashes && hashes.error().code == Code::kNotFound) {
      // A crash after a later record filled the tile, and before a checkpoint spoke of it.
      hashes = read_tile(files_, root_, level, index, kTileHashes);
      if (hashes) hashes->resize(width);
    }
    return hashes;
  });
}

Result<void> TileWriter::begin_from(std::uint64_t size, const Row& source) {
  levels_ = {};
  size_ = 0;
  std::array<Level, kTileLevels> levels;
  for (int l = 0; l < static_cast<int>(kTileLevels); ++l) {
    Level& level = levels[static_cast<std::size_t>(l)];
    const std::uint64_t row = tile_row(l, size);
    level.tiles = row / kTileHashes;
    const std::size_t width = row % kTileHashes;
    if (width == 0) continue;
    Result<std::vector<TreeHash>> hashes = source(l, level.tiles, width);
    if (!hashes) return std::unexpected(std::move(hashes.error()));
    for (const TreeHash& hash : *hashes) level.edge.append(hash);
    level.hashes = std::move(*hashes);
    level.written = width;
  }
  levels_ = std::move(levels);
  size_ = size;
  return {};
}

Result<void> TileWriter::append(const TreeHash& leaf) {
  // First the tiles that this leaf fills, so that a failure changes nothing here.
  TreeHash hash = leaf;
  std::size_t full = 0;
  for (; full < kTileLevels && levels_[full].hashes.size() == kTileHashes - 1; ++full) {
    Level& level = levels_[full];
    std::vector<TreeHash> hashes = level.hashes;
    hashes.push_back(hash);
    const Result<void> written = write_tile(static_cast<int>(full), level.tiles, hashes);
    if (!written) return written;
    TreeEdge edge = level.edge;
    edge.append(hash);
    hash = edge.root();
  }
  for (std::size_t l = 0; l < full; ++l) {
    filled_.emplace(static_cast<int>(l), levels_[l].tiles);
    levels_[l] = Level{.hashes = {}, .edge = {}, .tiles = levels_[l].tiles + 1, .written = 0};
    levels_[l].hashes.reserve(kTileHashes);
  }
  levels_[full].hashes.push_back(hash);
  levels_[full].edge.append(hash);
  ++size_;
  return {};
}

// Makes the directory of a file, and notes that its new name is not durable yet.
Result<void> TileWriter::enter(const std::string& path) {
  std::string directory = directory_of(path);
  if (!made_.contains(directory)) {
    const Result<void> made = files_.make_directory(directory);
    if (!made) return made;
    if (made_.size() >= kMadeMax) made_.clear();
    made_.insert(directory);
    for (std::string above = directory; above.size() > root_.size();) {
      above = directory_of(above);
      touched_.insert(above);
    }
  }
  touched_.insert(std::move(directory));
  return {};
}

Result<void> TileWriter::write_tile(int level, std::uint64_t index,
                                    const std::vector<TreeHash>& hashes) {
  if (keep_equal_) {
    const auto there = read_tile(files_, root_, level, index, hashes.size());
    if (there && *there == hashes) return {};
  }
  const std::string path = root_ + "/" + tile_path(level, index, hashes.size());
  const Result<void> entered = enter(path);
  if (!entered) return entered;
  Result<std::unique_ptr<SegmentFile>> file = files_.create(path);
  if (!file) return std::unexpected(std::move(file.error()));
  Result<void> done = write_whole(**file, 0, bytes_of(hashes));
  if (done) done = (*file)->sync();
  return done;
}

Result<void> TileWriter::publish() {
  for (std::size_t l = 0; l < kTileLevels; ++l) {
    Level& level = levels_[l];
    if (level.hashes.empty() || level.written == level.hashes.size()) continue;
    const Result<void> written = write_tile(static_cast<int>(l), level.tiles, level.hashes);
    if (!written) return written;
    level.written = level.hashes.size();
  }
  while (!touched_.empty()) {
    const Result<void> synced = files_.sync_directory(*touched_.begin());
    if (!synced) return synced;
    touched_.erase(touched_.begin());
  }
  return {};
}

void TileWriter::drop_partials() {
  for (const auto& [level, index] : filled_) {
    const std::string directory = root_ + "/" + tile_path(level, index) + ".p";
    const auto names = files_.list(directory);
    if (!names) continue;
    for (const std::string& name : *names) {
      if (name != "." && name != "..") (void)files_.remove(directory + "/" + name);
    }
    (void)files_.remove_directory(directory);
    made_.erase(directory);
  }
  filled_.clear();
}

}  // namespace sallyport::audit
