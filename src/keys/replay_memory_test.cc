// SPDX-License-Identifier: Apache-2.0
#include "keys/replay_memory.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::keys {
namespace {

using Seen = ReplayMemory::Seen;
using std::chrono::seconds;

const UtcTime kNow{seconds(1'800'000'000)};

TEST(ReplayMemory, OnceIsOnce) {
  ReplayMemory memory({});
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow), Seen::kAgain);
  EXPECT_EQ(memory.remember("b", "1", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "2", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("ab", "c", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "bc", kNow + seconds(60), kNow), Seen::kFirstTime)
      << "where the group ends matters";
}

TEST(ReplayMemory, TheEndCountsAndNotAMomentEarlier) {
  ReplayMemory memory({});
  memory.remember("a", "1", kNow + seconds(60), kNow);
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(99), kNow + seconds(60)), Seen::kAgain);
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(99), kNow + seconds(61)), Seen::kFirstTime);
  EXPECT_EQ(memory.size(), 1U);
}

TEST(ReplayMemory, FullRefusesAndForgetsNothing) {
  ReplayMemory memory({.entries_max = 3, .group_entries_max = 2});
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "2", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "3", kNow + seconds(60), kNow), Seen::kFull) << "of the group";
  EXPECT_EQ(memory.remember("b", "1", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("c", "1", kNow + seconds(60), kNow), Seen::kFull) << "of all";
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow), Seen::kAgain);
  EXPECT_EQ(memory.remember("a", "3", kNow + seconds(99), kNow + seconds(61)), Seen::kFirstTime)
      << "what has ended makes room";
  EXPECT_EQ(memory.size(), 1U);
}

TEST(ReplayMemory, WhatWasForgottenMayComeAgain) {
  ReplayMemory memory({.entries_max = 8, .group_entries_max = 1});
  memory.remember("a", "1", kNow + seconds(10), kNow);
  memory.forget("a", "1");
  memory.forget("a", "other");
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow), Seen::kFirstTime);
  EXPECT_EQ(memory.remember("a", "1", kNow + seconds(60), kNow + seconds(11)), Seen::kAgain)
      << "the end of the first one is not that of the second";
}

}  // namespace
}  // namespace sallyport::keys
