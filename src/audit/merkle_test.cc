// SPDX-License-Identifier: Apache-2.0
#include "audit/merkle.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "audit/tree_for_test.h"
#include "base/json_reader.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

namespace fs = std::filesystem;

std::string hex(const TreeHash& hash) {
  return to_hex({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

// The eight leaves that every implementation of RFC 6962 is tried on, and the root after each.
struct RootRow {
  std::string leaf_hex;
  std::string root_hex;
};
const RootRow kKnownTree[] = {
    {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"606162636465666768696a6b6c6d6e6f",
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

TEST(Merkle, TheKnownTreeHasTheKnownRoots) {
  EXPECT_EQ(hex(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  TreeEdge edge;
  EXPECT_EQ(edge.root(), empty_root());
  for (const RootRow& row : kKnownTree) {
    edge.append(leaf_hash(*from_hex(row.leaf_hex)));
    EXPECT_EQ(hex(edge.root()), row.root_hex) << edge.size();
  }
}

// Every proof of every tree up to 70 leaves verifies, and none does after any change.
TEST(Merkle, EveryProofOfSmallTreesHoldsAndNoChangedOneDoes) {
  TreeInMemory tree;
  for (std::uint64_t size = 1; size <= 70; ++size) {
    tree.append(std::to_string(size - 1));
    const TreeHash root = *tree_root(tree, size);
    for (std::uint64_t index = 0; index < size; ++index) {
      const Proof proof = *prove_inclusion(tree, index, size);
      const TreeHash leaf = leaf_hash(std::to_string(index));
      ASSERT_TRUE(verify_inclusion(index, size, leaf, proof, root)) << index << " of " << size;
      ASSERT_FALSE(verify_inclusion(index, size, leaf_hash("other"), proof, root));
      ASSERT_FALSE(verify_inclusion(index + 1, size, leaf, proof, root)) << index << " of " << size;
      for (std::size_t i = 0; i < proof.size(); ++i) {
        Proof changed = proof;
        changed[i][7] ^= 1;
        ASSERT_FALSE(verify_inclusion(index, size, leaf, changed, root));
      }
      Proof longer = proof;
      longer.push_back(leaf);
      ASSERT_FALSE(verify_inclusion(index, size, leaf, longer, root));
    }
    for (std::uint64_t old_size = 1; old_size <= size; ++old_size) {
      const Proof proof = *prove_consistency(tree, old_size, size);
      const TreeHash old_root = *tree_root(tree, old_size);
      ASSERT_TRUE(verify_consistency(old_size, size, old_root, root, proof))
          << old_size << " of " << size;
      ASSERT_EQ(verify_consistency(old_size, size, leaf_hash("other"), root, proof), false);
      Proof longer = proof;
      longer.push_back(root);
      ASSERT_FALSE(verify_consistency(old_size, size, old_root, root, longer));
    }
  }
}

TEST(Merkle, TheEdgeOfATreeGoesOnWhereItWas) {
  TreeInMemory tree;
  TreeEdge whole;
  for (int i = 0; i < 300; ++i) {
    const TreeEdge resumed = *tree_edge(tree, tree.size());
    EXPECT_EQ(resumed.root(), whole.root());
    EXPECT_EQ(resumed.complete(), whole.complete());
    tree.append(std::to_string(i));
    whole.append(leaf_hash(std::to_string(i)));
  }
  EXPECT_FALSE(TreeEdge::of(3, {empty_root()}));
  EXPECT_FALSE(prove_inclusion(tree, 300, 300));
  EXPECT_FALSE(prove_consistency(tree, 0, 300));
  EXPECT_FALSE(prove_consistency(tree, 301, 300));
}

// The probes of other implementations, where the checkout has them beside it.
class MerkleProbes : public testing::Test {
 protected:
  const fs::path folder = fs::path(SALLYPORT_SOURCE_DIR) / "../shared/data/vectors";
  void SetUp() override {
    if (!fs::exists(folder)) GTEST_SKIP() << "no vectors beside this checkout";
  }
};

std::optional<JsonValue> read_json(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  const Result<JsonValue> value = JsonValue::parse(text.str());
  return value ? std::optional(*value) : std::nullopt;
}

// Some probes write a short text where only equality of two roots is asked: it stands for itself.
std::optional<TreeHash> root_at(const JsonValue& value, std::string_view name) {
  const auto text = value.at(name) ? value.at(name)->string() : std::nullopt;
  const auto bytes = base64_decode(text.value_or(""));
  TreeHash hash{};
  if (!bytes || bytes->size() > hash.size()) return std::nullopt;
  std::memcpy(hash.data(), bytes->data(), bytes->size());
  return hash;
}

std::optional<TreeHash> hash_at(const JsonValue& value, std::string_view name) {
  const auto text = value.at(name) ? value.at(name)->string() : std::nullopt;
  const auto bytes = base64_decode(text.value_or(""));
  return bytes && bytes->size() == sizeof(TreeHash) ? root_at(value, name) : std::nullopt;
}

std::optional<Proof> proof_of(const JsonValue& value, std::string_view name) {
  Proof proof;
  const auto items = value.at(name);
  if (!items) return proof;
  for (const JsonValue& item : items->items()) {
    const auto bytes = base64_decode(item.string().value_or(""));
    TreeHash hash;
    if (!bytes || bytes->size() != hash.size()) return std::nullopt;
    std::memcpy(hash.data(), bytes->data(), hash.size());
    proof.push_back(hash);
  }
  return proof;
}

std::uint64_t number_at(const JsonValue& value, std::string_view name) {
  const auto number = value.at(name) ? value.at(name)->integer() : std::nullopt;
  return number ? static_cast<std::uint64_t>(*number) : UINT64_MAX;  // 2^64 - 1 and so on
}

// What one probe says, by the folder that it lies in.
bool holds(const std::string& kind, const JsonValue& p) {
  const auto proof = proof_of(p, "proof");
  if (!proof) return false;  // a hash of another length
  if (kind == "inclusion") {
    const auto root = hash_at(p, "root");
    const auto leaf = hash_at(p, "leafHash");
    return root && leaf &&
           verify_inclusion(number_at(p, "leafIdx"), number_at(p, "treeSize"), *leaf, *proof,
                            *root);
  }
  const bool leaf = kind == "subtreeinclusion";
  const auto root1 = leaf ? hash_at(p, "leafHash") : root_at(p, "root1");
  const auto root2 = leaf ? hash_at(p, "root") : root_at(p, "root2");
  if (!root1 || !root2) return false;
  if (kind == "consistency") {
    return verify_consistency(number_at(p, "size1"), number_at(p, "size2"), *root1, *root2, *proof);
  }
  const std::uint64_t start = number_at(p, "start");
  const std::uint64_t end = number_at(p, "end");
  if (leaf) {
    return verify_subtree_inclusion(number_at(p, "leafIdx"), start, end, *root1, *proof, *root2);
  }
  return verify_subtree_consistency(start, end, number_at(p, "size"), *root1, *root2, *proof);
}

TEST_F(MerkleProbes, AcceptedAndRefusedAsTheySay) {
  int probes = 0;
  int accepted = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder / "merkle")) {
    if (entry.path().extension() != ".json") continue;
    const auto probe = read_json(entry.path());
    ASSERT_TRUE(probe) << entry.path();
    const std::string kind = fs::relative(entry.path(), folder / "merkle").begin()->string();
    const bool wanted = !probe->at("wantErr")->boolean().value_or(false);
    EXPECT_EQ(holds(kind, *probe), wanted) << entry.path();
    ++probes;
    accepted += wanted ? 1 : 0;
  }
  EXPECT_EQ(probes, 518);
  EXPECT_EQ(accepted, 36);
}

TEST_F(MerkleProbes, TheTreeOfDecimalsComesOutByteForByte) {
  const auto table = read_json(folder / "tree-decimal.json");
  ASSERT_TRUE(table);
  TreeInMemory tree;
  TreeEdge edge;
  for (const JsonValue& row : table->at("roots")->items()) {
    for (; edge.size() < number_at(row, "size"); tree.append(std::to_string(tree.size()))) {
      edge.append(leaf_hash(std::to_string(edge.size())));
    }
    EXPECT_EQ(edge.root(), *hash_at(row, "root")) << edge.size();
  }
  for (const JsonValue& row : table->at("inclusion")->items()) {
    const auto proof = prove_inclusion(tree, number_at(row, "index"), number_at(row, "size"));
    ASSERT_TRUE(proof);
    EXPECT_EQ(*proof, *proof_of(row, "proof"));
  }
  for (const JsonValue& row : table->at("consistency")->items()) {
    const auto proof = prove_consistency(tree, number_at(row, "size1"), number_at(row, "size2"));
    ASSERT_TRUE(proof) << proof.error().what;
    EXPECT_EQ(*proof, *proof_of(row, "proof"));
  }
}

}  // namespace
}  // namespace sallyport::audit
