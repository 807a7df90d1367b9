// SPDX-License-Identifier: Apache-2.0
#include "audit/merkle.h"

#include <openssl/evp.h>

#include <bit>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <span>

namespace sallyport::audit {
namespace {

// One context a thread, and the algorithm looked up once: looking it up for each hash would cost
// more than the hash.
TreeHash sha256(std::initializer_list<std::string_view> parts) {
  static EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(
      EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  bool good = EVP_DigestInit_ex2(context.get(), kSha256, nullptr) == 1;
  for (const std::string_view part : parts) {
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  TreeHash hash;
  good = good && EVP_DigestFinal_ex(context.get(), hash.data(), nullptr) == 1;
  if (!good) std::abort();  // no memory: a wrong hash must never be written
  return hash;
}

std::string_view bytes_of(const TreeHash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// The largest power of two below n; n >= 2.
std::uint64_t split(std::uint64_t n) { return std::bit_floor(n - 1); }

// Root of the leaves [begin, end), where begin is a multiple of the power of two that holds them.
Result<TreeHash> range_root(NodeSource& nodes, std::uint64_t begin, std::uint64_t end) {
  Result<TreeHash> root = empty_root();
  bool first = true;
  // From the smallest complete sub-tree on the right to the largest on the left.
  for (std::uint64_t rest = end - begin; rest != 0; rest &= rest - 1) {
    const int level = std::countr_zero(rest);
    const std::uint64_t index = (begin + (rest & (rest - 1))) >> level;
    Result<TreeHash> node = nodes.node(level, index);
    if (!node) return node;
    root = first ? *node : node_hash(*node, *root);
    first = false;
  }
  return root;
}

}  // namespace

TreeHash leaf_hash(std::string_view record) { return sha256({std::string_view("\0", 1), record}); }

TreeHash node_hash(const TreeHash& left, const TreeHash& right) {
  return sha256({"\1", bytes_of(left), bytes_of(right)});
}

const TreeHash& empty_root() {
  static const TreeHash kRoot = sha256({});
  return kRoot;
}

Result<TreeEdge> TreeEdge::of(std::uint64_t size, std::vector<TreeHash> complete) {
  if (size > kTreeSizeMax || complete.size() != static_cast<std::size_t>(std::popcount(size))) {
    return fail(Code::kInvalid, "the edge of a tree needs one hash for each of its sub-trees");
  }
  TreeEdge edge;
  edge.size_ = size;
  edge.complete_ = std::move(complete);
  return edge;
}

void TreeEdge::append(const TreeHash& leaf) {
  TreeHash hash = leaf;
  for (std::uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = node_hash(complete_.back(), hash);
    complete_.pop_back();
  }
  complete_.push_back(hash);
  ++size_;
}

TreeHash TreeEdge::root() const {
  if (complete_.empty()) return empty_root();
  TreeHash root = complete_.back();
  for (std::size_t i = complete_.size() - 1; i-- > 0;) root = node_hash(complete_[i], root);
  return root;
}

Result<TreeHash> tree_root(NodeSource& nodes, std::uint64_t size) {
  return range_root(nodes, 0, size);
}

Result<TreeEdge> tree_edge(NodeSource& nodes, std::uint64_t size) {
  std::vector<TreeHash> complete;
  std::uint64_t begin = 0;
  for (std::uint64_t rest = size; rest != 0;) {
    const std::uint64_t leaves = std::bit_floor(rest);
    const int level = std::countr_zero(leaves);
    Result<TreeHash> node = nodes.node(level, begin >> level);
    if (!node) return std::unexpected(std::move(node.error()));
    complete.push_back(*node);
    begin += leaves;
    rest -= leaves;
  }
  return TreeEdge::of(size, std::move(complete));
}

Result<Proof> prove_inclusion(NodeSource& nodes, std::uint64_t index, std::uint64_t size) {
  if (index >= size || size > kTreeSizeMax) {
    return fail(Code::kInvalid, "the tree has no such leaf");
  }
  // From the root down; the proof goes from the leaf up.
  Proof proof;
  for (std::uint64_t begin = 0, end = size; end - begin > 1;) {
    const std::uint64_t middle = begin + split(end - begin);
    const bool left = index < middle;
    Result<TreeHash> other =
        left ? range_root(nodes, middle, end) : range_root(nodes, begin, middle);
    if (!other) return std::unexpected(std::move(other.error()));
    proof.insert(proof.begin(), *other);
    (left ? end : begin) = middle;
  }
  return proof;
}

Result<Proof> prove_consistency(NodeSource& nodes, std::uint64_t old_size, std::uint64_t size) {
  if (old_size == 0 || old_size > size || size > kTreeSizeMax) {
    return fail(Code::kInvalid,
                "a consistency proof goes from a tree of 1 leaf at least to a larger one");
  }
  Proof proof;
  bool known = true;  // is [begin, end) at the end a tree that the verifier has the root of?
  std::uint64_t begin = 0;
  std::uint64_t end = size;
  while (old_size != end) {
    const std::uint64_t middle = begin + split(end - begin);
    const bool left = old_size <= middle;
    Result<TreeHash> other =
        left ? range_root(nodes, middle, end) : range_root(nodes, begin, middle);
    if (!other) return std::unexpected(std::move(other.error()));
    proof.insert(proof.begin(), *other);
    if (!left) known = false;
    (left ? end : begin) = middle;
  }
  if (!known) {
    Result<TreeHash> own = range_root(nodes, begin, end);
    if (!own) return std::unexpected(std::move(own.error()));
    proof.insert(proof.begin(), *own);
  }
  return proof;
}

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const TreeHash& leaf,
                      const Proof& proof, const TreeHash& root) {
  if (index >= size || size > kTreeSizeMax) return false;
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  TreeHash hash = leaf;
  for (const TreeHash& sibling : proof) {
    if (last == 0) return false;
    if ((at & 1) != 0 || at == last) {
      hash = node_hash(sibling, hash);
      // A last leaf without a neighbour rises until it has one.
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    at >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(std::uint64_t old_size, std::uint64_t size, const TreeHash& old_root,
                        const TreeHash& root, const Proof& proof) {
  if (old_size == 0) return false;
  return verify_subtree_consistency(0, old_size, size, old_root, root, proof);
}

namespace {

bool is_subtree(std::uint64_t start, std::uint64_t end) {
  return start < end && end <= kTreeSizeMax && start % std::bit_ceil(end - start) == 0;
}

}  // namespace

bool verify_subtree_inclusion(std::uint64_t index, std::uint64_t start, std::uint64_t end,
                              const TreeHash& leaf, const Proof& proof, const TreeHash& root) {
  if (!is_subtree(start, end) || index < start) return false;
  return verify_inclusion(index - start, end - start, leaf, proof, root);
}

bool verify_subtree_consistency(std::uint64_t start, std::uint64_t end, std::uint64_t size,
                                const TreeHash& subtree_root, const TreeHash& root,
                                const Proof& proof) {
  if (end > size || size > kTreeSizeMax) return false;
  if (start == end) return proof.empty() && subtree_root == empty_root();  // nothing, in any tree
  if (!is_subtree(start, end)) return false;
  std::uint64_t first = start;
  std::uint64_t last = end - 1;
  std::uint64_t tree_last = size - 1;
  const auto rise = [&] {
    first >>= 1;
    last >>= 1;
    tree_last >>= 1;
  };
  // Up to the largest complete sub-tree on the right edge of the known one; when it is the right
  // edge of the whole tree too, everything below is common.
  while (first != last && (last == tree_last || (last & 1) != 0)) rise();

  std::span<const TreeHash> rest(proof);
  TreeHash own = subtree_root;
  if (first != last) {
    if (rest.empty()) return false;
    own = rest.front();
    rest = rest.subspan(1);
  }
  TreeHash whole = own;
  for (const TreeHash& other : rest) {
    if (tree_last == 0) return false;
    if ((last & 1) != 0 || last == tree_last) {
      if (first < last) own = node_hash(other, own);
      whole = node_hash(other, whole);
      while ((last & 1) == 0 && last != 0) rise();
    } else {
      whole = node_hash(whole, other);
    }
    rise();
  }
  return tree_last == 0 && own == subtree_root && whole == root;
}

}  // namespace sallyport::audit
