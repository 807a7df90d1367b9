// SPDX-License-Identifier: Apache-2.0
#include "audit/verify_tree.h"

#include <algorithm>
#include <utility>

namespace sallyport::audit {
namespace {

TreeHash tile_root(const std::vector<TreeHash>& hashes) {
  TreeEdge edge;
  for (const TreeHash& hash : hashes) edge.append(hash);
  return edge.root();
}

}  // namespace

TreeCheck::TreeCheck(FileSystem& files, std::string journal, std::uint64_t floor,
                     std::uint64_t signed_size, std::vector<SignedRoot> roots, VerifyReport& report)
    : files_(files),
      journal_(std::move(journal)),
      floor_(floor),
      signed_size_(signed_size),
      roots_(std::move(roots)),
      report_(report) {
  std::ranges::sort(roots_, {}, &SignedRoot::size);
  if (floor > 0) begin_pruned(floor);
  at_size();
}

// Old roots of what is no longer there: shown to be of the same tree by proofs out of the tiles.
void TreeCheck::check_pruned_roots() {
  const auto newest = std::ranges::find(roots_, signed_size_, &SignedRoot::size);
  TileReader tiles(files_, journal_, signed_size_);
  for (; next_root_ < roots_.size() && roots_[next_root_].size < floor_; ++next_root_) {
    const SignedRoot& old = roots_[next_root_];
    if (newest == roots_.end()) return report_.problem(0, "there is no checkpoint of the log");
    if (old.size == 0) continue;
    const auto proof = prove_consistency(tiles, old.size, signed_size_);
    if (!proof || !verify_consistency(old.size, signed_size_, old.root, newest->root, *proof)) {
      report_.problem(old.size, old.what + " is not of this tree");
    }
  }
}

void TreeCheck::begin_pruned(std::uint64_t floor) {
  for (int l = 0; l < static_cast<int>(kTileLevels); ++l) {
    Level& level = levels_[static_cast<std::size_t>(l)];
    const std::uint64_t row = tile_row(l, floor);
    level.tiles = row / kTileHashes;
    const std::size_t width = row % kTileHashes;
    if (width == 0) continue;
    auto hashes = row_of(files_, journal_, l, level.tiles, width);
    if (!hashes) {
      report_.problem(floor, "of the records that were pruned: " + hashes.error().what);
      hashes = std::vector<TreeHash>(width);
    }
    for (const TreeHash& hash : *hashes) level.edge.append(hash);
    level.hashes = std::move(*hashes);
  }
  size_ = floor;
  check_pruned_tiles(floor);
  check_pruned_roots();
}

// Each tile must be what the one above says of it; the topmost ones are the edge, which the roots
// behind it vouch for.
void TreeCheck::check_pruned_tiles(std::uint64_t floor) {
  for (int l = 0; l + 1 < static_cast<int>(kTileLevels); ++l) {
    const Level& above = levels_[static_cast<std::size_t>(l) + 1];
    std::vector<TreeHash> parent;
    for (std::uint64_t index = 0; index < tile_row(l, floor) / kTileHashes; ++index) {
      if (index % kTileHashes == 0) {
        parent = above.hashes;
        if (index / kTileHashes < above.tiles) {
          parent = read_tile(files_, journal_, l + 1, index / kTileHashes, kTileHashes)
                       .value_or(std::vector<TreeHash>());
        }
      }
      const auto tile = read_tile(files_, journal_, l, index, kTileHashes);
      const std::size_t at = index % kTileHashes;
      if (!tile || at >= parent.size() || tile_root(*tile) != parent[at]) {
        report_.problem(0, tile_path(l, index) + " is damaged or missing");
      }
    }
  }
}

void TreeCheck::compare(int level, std::uint64_t index, const std::vector<TreeHash>& hashes) {
  const auto there = row_of(files_, journal_, level, index, hashes.size());
  if (there && *there == hashes) return;
  report_.problem(0, tile_path(level, index, hashes.size()) +
                         (there ? " is not of these records" : ": " + there.error().what));
}

void TreeCheck::leaf(const TreeHash& leaf) {
  TreeHash hash = leaf;
  for (std::size_t l = 0; l < kTileLevels; ++l) {
    Level& level = levels_[l];
    level.hashes.push_back(hash);
    level.edge.append(hash);
    if (level.hashes.size() < kTileHashes) break;
    const int number = static_cast<int>(l);
    if ((level.tiles + 1) * kTileHashes <= tile_row(number, signed_size_)) {
      compare(number, level.tiles, level.hashes);
    }
    hash = level.edge.root();
    level.hashes.clear();
    level.edge = {};
    ++level.tiles;
  }
  ++size_;
  at_size();
}

void TreeCheck::at_size() {
  if (size_ == signed_size_) compare_edge();
  for (; next_root_ < roots_.size() && roots_[next_root_].size == size_; ++next_root_) {
    if (roots_[next_root_].root == root()) continue;
    report_.problem(size_, roots_[next_root_].what + " is not of these records");
  }
}

void TreeCheck::compare_edge() {
  for (std::size_t l = 0; l < kTileLevels; ++l) {
    const Level& level = levels_[l];
    if (!level.hashes.empty()) compare(static_cast<int>(l), level.tiles, level.hashes);
  }
}

void TreeCheck::end() {
  for (; next_root_ < roots_.size(); ++next_root_) {
    const SignedRoot& missing = roots_[next_root_];
    report_.problem(size_ + 1, missing.what + " has " + std::to_string(missing.size) +
                                   " records, the log " + std::to_string(size_));
  }
}

}  // namespace sallyport::audit
