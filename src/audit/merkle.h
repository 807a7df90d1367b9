// SPDX-License-Identifier: Apache-2.0
// The Merkle tree of RFC 6962 and RFC 9162 with SHA-256: hashes, the growing edge, proofs and their
// verification. Pure functions; where the hashes of a large tree lie is the business of NodeSource.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sallyport::audit {

using TreeHash = std::array<std::uint8_t, 32>;
using Proof = std::vector<TreeHash>;

// No tree of ours has more leaves; proofs of it have at most twice as many hashes as bits.
inline constexpr std::uint64_t kTreeSizeMax = 1ull << 62;
inline constexpr std::size_t kProofHashesMax = 126;

TreeHash leaf_hash(std::string_view record);                      // H(00 || record)
TreeHash node_hash(const TreeHash& left, const TreeHash& right);  // H(01 || left || right)
const TreeHash& empty_root();                                     // H("")

// The growing edge: the roots of the complete sub-trees, largest first. Appending is O(1)
// amortised.
class TreeEdge {
 public:
  TreeEdge() = default;
  // kInvalid unless there is one hash for each bit that is set in `size`.
  static Result<TreeEdge> of(std::uint64_t size, std::vector<TreeHash> complete);

  void append(const TreeHash& leaf);
  std::uint64_t size() const { return size_; }
  TreeHash root() const;
  const std::vector<TreeHash>& complete() const { return complete_; }

 private:
  std::uint64_t size_ = 0;
  std::vector<TreeHash> complete_;
};

// Gives the hash of a complete sub-tree: the one over the leaves [index << level, (index+1) <<
// level).
class NodeSource {
 public:
  virtual ~NodeSource() = default;
  virtual Result<TreeHash> node(int level, std::uint64_t index) = 0;
};

// Of the tree over the first `size` leaves. kInvalid for an index or size out of range, and
// whatever the source cannot read.
Result<TreeHash> tree_root(NodeSource& nodes, std::uint64_t size);
Result<TreeEdge> tree_edge(NodeSource& nodes, std::uint64_t size);
Result<Proof> prove_inclusion(NodeSource& nodes, std::uint64_t index, std::uint64_t size);
// That the tree of `size` extends the tree of `old_size`; 1 <= old_size <= size.
Result<Proof> prove_consistency(NodeSource& nodes, std::uint64_t old_size, std::uint64_t size);

// True only when the proof shows it and has no hash too many (RFC 9162, 2.1.3.2 and 2.1.4.2).
bool verify_inclusion(std::uint64_t index, std::uint64_t size, const TreeHash& leaf,
                      const Proof& proof, const TreeHash& root);
// An old size of 0 proves nothing and is refused.
bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const TreeHash& old_root,
                        const TreeHash& root, const Proof& proof);

// The same for a sub-tree over the leaves [start, end), which must stand at a multiple of the power
// of two that holds it (draft-ietf-plants-merkle-tree-certs).
bool verify_subtree_inclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end,
                              const TreeHash& leaf, const Proof& proof, const TreeHash& root);
bool verify_subtree_consistency(std::uint64_t start, std::uint64_t end, std::uint64_t size,
                                const TreeHash& subtree_root, const TreeHash& root,
                                const Proof& proof);

}  // namespace sallyport::audit
