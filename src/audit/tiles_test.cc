// SPDX-License-Identifier: Apache-2.0
// Tiles written piece by piece give the same tree as one that is kept whole in memory.
#include "audit/tiles.h"

#include <gtest/gtest.h>

#include <random>

#include "audit/memory_disk.h"
#include "audit/tree_for_test.h"

namespace sallyport::audit {
namespace {

std::string record(std::uint64_t n) { return "record " + std::to_string(n); }

TEST(Tiles, HaveTheirPlaces) {
  const struct {
    std::uint64_t index;
    std::size_t width;
    const char* path;
  } cases[] = {
      {0, 256, "tile/0/000"},
      {67, 256, "tile/0/067"},
      {1'234'067, 256, "tile/0/x001/x234/067"},
      {1'000, 256, "tile/0/x001/000"},
      {273, 112, "tile/0/273.p/112"},
  };
  for (const auto& c : cases) EXPECT_EQ(tile_path(0, c.index, c.width), c.path);
  EXPECT_EQ(tile_path(2, 0, 1), "tile/2/000.p/1");
  EXPECT_EQ(bundle_path(1'067), "tile/entries/x001/067");
}

TEST(Tiles, GiveTheTreeAtEverySizeThatWasPublished) {
  MemoryDisk disk;
  TileWriter writer(disk, "/j");
  TreeInMemory oracle;
  for (std::uint64_t n = 0; n < 66'200; ++n) {
    oracle.append(record(n));
    ASSERT_TRUE(writer.append(leaf_hash(record(n))));
    const std::uint64_t size = n + 1;
    const bool near = size % 256 < 2 || size % 4'099 == 0 || size == 66'200 || size < 20;
    if (!near) continue;
    ASSERT_TRUE(writer.publish());
    writer.drop_partials();
    const auto wanted = tree_root(oracle, size);
    EXPECT_EQ(writer.root(), *wanted) << size;
    TileReader reader(disk, "/j", size);
    EXPECT_EQ(*tree_root(reader, size), *wanted) << size;
  }
  // Partial tiles of a full one are gone; a smaller size is still readable from the full one.
  EXPECT_TRUE(disk.list("/j/tile/0/000.p")->empty());
  for (const std::uint64_t size : {1ull, 2ull, 255ull, 256ull, 257ull, 65'536ull, 66'049ull}) {
    TileReader reader(disk, "/j", size);
    EXPECT_EQ(*tree_root(reader, size), *tree_root(oracle, size)) << size;
  }
  TileReader reader(disk, "/j", 66'200);
  for (const std::uint64_t index : {0ull, 255ull, 256ull, 65'535ull, 65'536ull, 66'199ull}) {
    const auto proof = prove_inclusion(reader, index, 66'200);
    ASSERT_TRUE(proof);
    EXPECT_TRUE(verify_inclusion(index, 66'200, leaf_hash(record(index)), *proof, writer.root()));
  }
}

TEST(Tiles, GoOnWhereTheyWere) {
  for (const std::uint64_t at : {0ull, 1ull, 255ull, 256ull, 300ull, 65'535ull, 65'700ull}) {
    MemoryDisk disk;
    TreeInMemory oracle;
    TileWriter first(disk, "/j");
    for (std::uint64_t n = 0; n < at; ++n) ASSERT_TRUE(first.append(leaf_hash(record(n))));
    ASSERT_TRUE(first.publish());
    // A crash behind the checkpoint: tiles that nobody signed for.
    for (std::uint64_t n = 0; n < 300; ++n) ASSERT_TRUE(first.append(leaf_hash("other")));
    TileWriter second(disk, "/j");
    ASSERT_TRUE(second.begin(at)) << at;
    for (std::uint64_t n = at; n < at + 600; ++n) {
      ASSERT_TRUE(second.append(leaf_hash(record(n))));
    }
    ASSERT_TRUE(second.publish());
    for (std::uint64_t n = 0; n < at + 600; ++n) oracle.append(record(n));
    TileReader reader(disk, "/j", at + 600);
    EXPECT_EQ(*tree_root(reader, at + 600), *tree_root(oracle, at + 600)) << at;
    EXPECT_EQ(second.root(), *tree_root(oracle, at + 600)) << at;
  }
}

TEST(Tiles, ADiskThatFailsChangesNothing) {
  MemoryDisk disk;
  TreeInMemory oracle;
  TileWriter writer(disk, "/j");
  std::mt19937 random(7);
  disk.set_plan([&](MemoryDisk::Operation, const std::string&) {
    return random() % 5 == 0 ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
  });
  for (std::uint64_t n = 0; n < 1'000; ++n) {
    oracle.append(record(n));
    int attempts = 0;
    while (!writer.append(leaf_hash(record(n)))) ASSERT_LT(++attempts, 20);
    if (n % 100 == 0) {
      while (!writer.publish()) ASSERT_LT(++attempts, 200);
    }
    EXPECT_EQ(writer.root(), *tree_root(oracle, n + 1));
  }
  while (!writer.publish()) {
  }
  disk.set_plan(nullptr);
  TileReader reader(disk, "/j", 1'000);
  EXPECT_EQ(*tree_root(reader, 1'000), *tree_root(oracle, 1'000));
}

TEST(Tiles, AMissingOrShortTileIsToldApart) {
  MemoryDisk disk;
  TileWriter writer(disk, "/j");
  for (std::uint64_t n = 0; n < 300; ++n) ASSERT_TRUE(writer.append(leaf_hash(record(n))));
  ASSERT_TRUE(writer.publish());
  disk.put("/j/tile/0/000", disk.bytes("/j/tile/0/000").substr(0, 8'000));
  TileReader cut(disk, "/j", 300);
  EXPECT_EQ(prove_inclusion(cut, 7, 300).error().code, Code::kCorrupt);
  ASSERT_TRUE(disk.remove("/j/tile/0/000"));
  TileReader gone(disk, "/j", 300);
  EXPECT_EQ(prove_inclusion(gone, 7, 300).error().code, Code::kNotFound);
  EXPECT_EQ(gone.node(0, 300).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace sallyport::audit
