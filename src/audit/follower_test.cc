// SPDX-License-Identifier: Apache-2.0
// journal_fault_test.cc follows a journal whose disk fails; here is what a follower promises on a
// good one.
#include "audit/follower.h"

#include <gtest/gtest.h>

#include <vector>

#include "audit/line.h"
#include "audit/memory_disk.h"
#include "audit/segment.h"

namespace sallyport::audit {
namespace {

std::string line_of(std::uint64_t seq) {
  std::string line = R"({"n":)" + std::to_string(seq * seq);
  close_line(line, 0, {.seq = seq, .synced = {}});
  return line;
}

void put_segment(MemoryDisk& disk, std::uint64_t first, std::uint64_t last, bool open = false) {
  std::string bytes;
  for (std::uint64_t seq = first; seq <= last; ++seq) bytes += line_of(seq) + "\n";
  if (open) bytes.append(1'000, '\0');
  disk.put("/j/seg/" + segment_name(first), bytes);
}

const std::string kFirst = "/j/seg/" + segment_name(1);

class FollowerTest : public ::testing::Test {
 protected:
  FollowerTest() {
    put_segment(disk, 1, 5);
    // What an abandoned segment holds of a later one's records is void, whole or not.
    disk.put(kFirst, disk.bytes(kFirst) + line_of(6) + "\n" + line_of(7).substr(0, 9) + "\n");
    put_segment(disk, 6, 9);
    put_segment(disk, 10, 12, true);
  }
  std::vector<std::uint64_t> read(Follower& follower, std::uint64_t durable,
                                  std::size_t bytes = 1 << 20) {
    std::vector<std::uint64_t> seen;
    const auto done = follower.read(durable, bytes, [&](const Record& record) {
      EXPECT_EQ(record.line, line_of(record.seq));
      seen.push_back(record.seq);
      return true;
    });
    EXPECT_TRUE(done) << done.error().what;
    if (done) EXPECT_EQ(*done, seen.size());
    return seen;
  }
  MemoryDisk disk;
};

using Seqs = std::vector<std::uint64_t>;

TEST_F(FollowerTest, GivesWhatIsDurableAndNoMore) {
  Follower follower(disk, "/j", 1);
  EXPECT_EQ(read(follower, 0), Seqs());
  EXPECT_EQ(read(follower, 6), (Seqs{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(read(follower, 6), Seqs());
  EXPECT_EQ(read(follower, 12), (Seqs{7, 8, 9, 10, 11, 12}));
}

TEST_F(FollowerTest, BeginsAnywhere) {
  for (std::uint64_t from = 1; from <= 12; ++from) {
    Follower follower(disk, "/j", from);
    Seqs wanted;
    for (std::uint64_t seq = from; seq <= 12; ++seq) wanted.push_back(seq);
    EXPECT_EQ(read(follower, 12), wanted) << from;
  }
}

TEST_F(FollowerTest, InPiecesOfOneRecord) {
  Follower follower(disk, "/j", 4);
  for (std::uint64_t seq = 4; seq <= 12; ++seq) EXPECT_EQ(read(follower, 12, 1), Seqs{seq});
}

TEST_F(FollowerTest, WhatWasRefusedComesAgain) {
  Follower follower(disk, "/j", 5);
  ASSERT_TRUE(follower.read(12, 1 << 20, [](const Record& record) { return record.seq < 8; }));
  EXPECT_EQ(follower.next_seq(), 8u);
  EXPECT_EQ(read(follower, 9), (Seqs{8, 9}));
}

TEST_F(FollowerTest, SaysWhatIsGoneAndWhatIsDamaged) {
  Follower follower(disk, "/j", 3);
  EXPECT_TRUE(disk.remove("/j/seg/" + segment_name(1)));
  const auto each = [](const Record&) { return true; };
  EXPECT_EQ(follower.read(12, 1 << 20, each).error().code, Code::kNotFound);

  std::string bytes = disk.bytes("/j/seg/" + segment_name(6));
  bytes[bytes.find("64")] = '9';  // of record 8
  disk.put("/j/seg/" + segment_name(6), bytes);
  Follower later(disk, "/j", 6);
  EXPECT_EQ(later.read(12, 1 << 20, each).error().code, Code::kCorrupt);
  EXPECT_EQ(later.next_seq(), 8u);

  Follower beyond(disk, "/j", 12);
  EXPECT_EQ(beyond.read(14, 1 << 20, each).error().code, Code::kCorrupt) << "13 is missing";
  EXPECT_EQ(beyond.next_seq(), 13u);
}

}  // namespace
}  // namespace sallyport::audit
