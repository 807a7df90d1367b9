// SPDX-License-Identifier: Apache-2.0
// The hashes of the tree as files (C2SP tlog-tiles.md): <journal>/tile/<L>/<N>, 256 hashes each; a
// tile that is not full yet stands under <N>.p/<W> for each width that a checkpoint needed. Anyone
// can check them against a checkpoint, so nobody needs to trust this folder.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "audit/file_system.h"
#include "audit/merkle.h"
#include "base/result.h"

namespace sallyport::audit {

inline constexpr std::size_t kTileHashes = 256;
inline constexpr std::size_t kTileBytes = kTileHashes * sizeof(TreeHash);
inline constexpr std::size_t kTileLevels = 8;  // 256^8 is beyond kTreeSizeMax

// How many hashes stand at a level of the tree over `size` leaves.
std::uint64_t tile_row(int level, std::uint64_t size);
// "tile/0/x001/x234/067", with ".p/112" behind it unless the tile is full.
std::string tile_path(int level, std::uint64_t index, std::size_t width = kTileHashes);
// "tile/entries/x001/067": the records themselves, when the log is exported.
std::string bundle_path(std::uint64_t index, std::size_t width = kTileHashes);

// The hashes of a tile file; kCorrupt: of another length.
Result<std::vector<TreeHash>> read_tile(FileSystem& files, const std::string& root, int level,
                                        std::uint64_t index, std::size_t width);

// Reads the tree over the first `size` leaves; reads each tile once while it is in use.
class TileReader final : public NodeSource {
 public:
  // `root` is the folder that holds tile/. `files` outlives the reader.
  TileReader(FileSystem& files, std::string root, std::uint64_t size)
      : files_(files), root_(std::move(root)), size_(size) {}

  Result<TreeHash> node(int level, std::uint64_t index) override;
  Result<TreeHash> leaf(std::uint64_t index) { return node(0, index); }

 private:
  static constexpr std::size_t kCached = 64;  // tiles: half a megabyte
  using Key = std::pair<int, std::uint64_t>;
  using Tile = std::vector<TreeHash>;
  Result<const Tile*> tile(int level, std::uint64_t index);

  FileSystem& files_;
  std::string root_;
  std::uint64_t size_;
  std::list<std::pair<Key, Tile>> recent_;  // the newest use first
};

// The root over rows of tiles that are not full yet, the lowest level first; `edge` of each is over
// its hashes.
template <class Levels>
TreeHash root_of_levels(const Levels& levels) {
  TreeHash root = empty_root();
  bool first = true;
  for (const auto& level : levels) {
    const auto& complete = level.edge.complete();
    for (std::size_t i = complete.size(); i-- > 0;) {
      root = first ? complete[i] : node_hash(complete[i], root);
      first = false;
    }
  }
  return root;
}

// A row of at most one tile, of exactly this width or out of a wider file. kNotFound: there is
// none.
Result<std::vector<TreeHash>> row_of(FileSystem& files, const std::string& root, int level,
                                     std::uint64_t index, std::size_t width);

// The growing tree of one log. One thread.
class TileWriter {
 public:
  TileWriter(FileSystem& files, std::string root) : files_(files), root_(std::move(root)) {}

  // Takes the right edge of the tree over `size` leaves from the tiles; any error leaves an empty
  // tree.
  Result<void> begin(std::uint64_t size);
  // The same with rows out of another source than the tiles of exactly this size.
  using Row = std::function<Result<std::vector<TreeHash>>(int level, std::uint64_t index,
                                                          std::size_t width)>;
  Result<void> begin_from(std::uint64_t size, const Row& row);
  // A tile that it fills is written and synced. After an error the tree is as before.
  Result<void> append(const TreeHash& leaf);
  // Everything that a checkpoint of this size needs is durable when it returns.
  Result<void> publish();
  // To be called when a checkpoint of this size is on record: what a full tile says its partial
  // ones said too. A file that cannot be removed costs space alone.
  void drop_partials();
  // Tiles that are already there as they should be are not written again.
  void keep_equal_tiles(bool keep) { keep_equal_ = keep; }

  std::uint64_t size() const { return size_; }
  TreeHash root() const { return root_of_levels(levels_); }

 private:
  struct Level {
    std::vector<TreeHash> hashes;  // of the tile that is not full yet
    TreeEdge edge;                 // over them
    std::uint64_t tiles = 0;       // full ones before it
    std::size_t written = 0;       // width that publish() wrote last
  };
  Result<void> write_tile(int level, std::uint64_t index, const std::vector<TreeHash>& hashes);
  Result<void> enter(const std::string& path);

  FileSystem& files_;
  std::string root_;
  bool keep_equal_ = false;
  std::uint64_t size_ = 0;
  std::array<Level, kTileLevels> levels_;
  std::set<std::string> made_;     // directories known to be there
  std::set<std::string> touched_;  // directories with names that are not known to be durable
  std::set<std::pair<int, std::uint64_t>> filled_;  // full tiles whose partial ones may go
};

}  // namespace sallyport::audit
