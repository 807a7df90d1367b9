// SPDX-License-Identifier: Apache-2.0
#include "exchange/body_memory.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace sallyport {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

TEST(BodyMemoryTest, SharesGrowToTheLimitAndGiveBackWhatTheyTook) {
  BodyMemory memory(10 * kMiB);
  {
    BodyMemory::Share one, two;
    EXPECT_TRUE(one.grow(memory, 6 * kMiB));
    EXPECT_FALSE(two.grow(memory, 5 * kMiB));
    EXPECT_TRUE(two.grow(memory, 4 * kMiB));
    EXPECT_TRUE(one.grow(memory, 6 * kMiB)) << "no larger than it is";
    EXPECT_FALSE(one.grow(memory, 6 * kMiB + 1));
    EXPECT_EQ(memory.used(), 10 * kMiB);
    EXPECT_EQ(memory.refused(), 2u);
    BodyMemory::Share moved = std::move(one);
    EXPECT_EQ(memory.used(), 10 * kMiB);
    moved = BodyMemory::Share();
    EXPECT_EQ(memory.used(), 4 * kMiB);
  }
  EXPECT_EQ(memory.used(), 0u);
}

TEST(BodyMemoryTest, SmallBodiesAreFree) {
  BodyMemory memory(0);
  BodyMemory::Share share;
  EXPECT_TRUE(share.grow(memory, BodyMemory::kFreeBytes));
  EXPECT_FALSE(share.grow(memory, BodyMemory::kFreeBytes + 1));
}

TEST(BodyMemoryTest, ManyThreadsNeverHoldMoreThanThereIs) {
  BodyMemory memory(8 * kMiB);
  std::atomic<std::uint64_t> held{0}, most{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 2000; ++round) {
        BodyMemory::Share share;
        if (!share.grow(memory, 3 * kMiB)) continue;
        const std::uint64_t now = held.fetch_add(3 * kMiB) + 3 * kMiB;
        std::uint64_t seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        held.fetch_sub(3 * kMiB);
      }
    });
  }
  threads.clear();
  EXPECT_LE(most.load(), 8 * kMiB);
  EXPECT_GT(most.load(), 0u);
  EXPECT_EQ(memory.used(), 0u);
}

}  // namespace
}  // namespace sallyport
