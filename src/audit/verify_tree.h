// SPDX-License-Identifier: Apache-2.0
// The part of `verify` that knows the tree: the records' hashes against the tiles, and the roots
// against everything that was ever signed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/file_system.h"
#include "audit/last_signed.h"
#include "audit/log_keys.h"
#include "audit/merkle.h"
#include "audit/tiles.h"
#include "audit/verify.h"

namespace sallyport::audit {

// What was signed, as of one moment.
struct Signed {
  std::optional<SignedState> state;
  std::optional<Checkpoint> published;
  std::vector<std::string> notes;  // all that were kept, and the published one
  KeyHistory keys;
  // Of each term: a kept checkpoint of the size where it begins is signed by its key and by the one
  // before it.
  std::vector<bool> handed_over;
  std::uint64_t size() const { return published ? published->size : 0; }
};

// Reads it and checks what needs no record: forms, signatures, keys, and that nothing newer was
// signed than is published. Roots that the tree must have are added to `roots`.
struct SignedRoot {
  std::uint64_t size = 0;
  TreeHash root{};
  std::string what;
};
Signed check_signed(FileSystem& files, const std::string& journal, const VerifyOptions& options,
                    VerifyReport& report, std::vector<SignedRoot>& roots);

class TreeCheck {
 public:
  // `roots` in any order. The first `floor` records were pruned: their part of the tree comes from
  // the tiles. Tiles are compared up to `signed_size`.
  TreeCheck(FileSystem& files, std::string journal, std::uint64_t floor, std::uint64_t signed_size,
            std::vector<SignedRoot> roots, VerifyReport& report);

  void leaf(const TreeHash& hash);
  void end();  // there are no more records

 private:
  struct Level {
    std::vector<TreeHash> hashes;
    TreeEdge edge;
    std::uint64_t tiles = 0;
  };
  void begin_pruned(std::uint64_t floor);
  void check_pruned_tiles(std::uint64_t floor);
  void check_pruned_roots();
  void at_size();
  void compare(int level, std::uint64_t index, const std::vector<TreeHash>& hashes);
  void compare_edge();
  TreeHash root() const { return root_of_levels(levels_); }

  FileSystem& files_;
  std::string journal_;
  std::uint64_t floor_;
  std::uint64_t signed_size_;
  std::vector<SignedRoot> roots_;  // by size
  std::size_t next_root_ = 0;
  VerifyReport& report_;
  std::uint64_t size_ = 0;
  std::array<Level, kTileLevels> levels_;
};

}  // namespace sallyport::audit
