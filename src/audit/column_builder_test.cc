// SPDX-License-Identifier: Apache-2.0
// Columns are derived: whatever becomes of the files, they are what the log says, or they are
// refused.
#include "audit/column_builder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "audit/aggregate.h"
#include "audit/log_for_test.h"

namespace sallyport::audit {
namespace {

constexpr ColumnOptions kSmall{.map = false, .file_rows_max = 100, .saved_rows = 40};

std::string file_at(std::uint64_t first) { return "/j/col/" + column_file_name(first); }

class ColumnBuilderTest : public ::testing::Test {
 protected:
  ColumnBuilderTest() : events(random_events(3, 450)) { put_log(disk, events, 130); }

  std::unique_ptr<ColumnBuilder> open(ColumnOptions options = kSmall) {
    auto builder = ColumnBuilder::open(disk, "/j", options);
    EXPECT_TRUE(builder) << builder.error().what;
    return std::move(*builder);
  }
  static std::uint64_t rows_of(ColumnBuilder& builder) {
    const auto snapshot = builder.snapshot();
    EXPECT_TRUE(snapshot);
    const auto answer = aggregate(
        *snapshot, {.selection = {.all_intents = true}, .measures = {*parse_measure("count")}});
    EXPECT_TRUE(answer) << answer.error().what;
    return answer && !answer->rows.empty()
               ? static_cast<std::uint64_t>(answer->rows[0].values[0].value_or(0))
               : 0;
  }

  MemoryDisk disk;
  std::vector<Event> events;
};

TEST_F(ColumnBuilderTest, TakesWhatIsDurableAndNoMore) {
  const auto builder = open();
  for (const std::uint64_t durable : {0, 1, 99, 100, 101, 250, 250, 450}) {
    ASSERT_TRUE(builder->catch_up(durable));
    EXPECT_EQ(rows_of(*builder), durable);
    EXPECT_EQ(builder->snapshot()->end_seq, durable + 1);
  }
  EXPECT_EQ(builder->snapshot()->until, events.back().timestamp_utc);
}

TEST_F(ColumnBuilderTest, GoesOnWhereTheFilesEnd) {
  const auto all = [](ColumnBuilder& builder) {
    AggregateSpec spec{.group_by = {Column::kKey, Column::kIp}};
    return aggregate_csv(spec, *aggregate(*builder.snapshot(), spec));
  };
  const auto whole = open();
  ASSERT_TRUE(whole->catch_up(450));
  const std::string expected = all(*whole);
  for (const std::uint64_t stop : {45, 100, 145, 290, 449}) {
    MemoryDisk other;
    put_log(other, events, 130);
    for (const std::uint64_t durable : {stop, std::uint64_t{450}}) {
      auto builder = ColumnBuilder::open(other, "/j", kSmall);
      ASSERT_TRUE(builder);
      ASSERT_TRUE((*builder)->catch_up(durable));
      if (durable == 450) EXPECT_EQ(all(**builder), expected) << "stopped at " << stop;
    }
  }
}

TEST_F(ColumnBuilderTest, WithoutWritingTheAnswerIsTheSame) {
  const auto builder = open({.write = false, .map = false, .file_rows_max = 100});
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_EQ(rows_of(*builder), 450u);
  EXPECT_TRUE(disk.bytes(file_at(1)).empty());

  const auto few =
      open({.write = false, .map = false, .unwritten_rows_max = 150, .file_rows_max = 100});
  const auto refused = few->catch_up(450);
  ASSERT_FALSE(refused) << "better no answer than a part of one";
  EXPECT_EQ(refused.error().code, Code::kExhausted);
}

// What retention deleted is in no column file either: addresses are what it is there to delete.
TEST_F(ColumnBuilderTest, WhatWasPrunedIsCutOutOfTheFiles) {
  for (const std::size_t file_rows : {100, 1'000}) {  // in sealed files, and in the newest rows
    MemoryDisk pruned;
    put_log(pruned, events, 130);
    auto builder = ColumnBuilder::open(
        pruned, "/j", {.map = false, .file_rows_max = file_rows, .saved_rows = 40});
    ASSERT_TRUE(builder && (*builder)->catch_up(450));
    ASSERT_TRUE(pruned.remove("/j/seg/" + segment_name(1)));
    for (int round = 0; round < 70; ++round) ASSERT_TRUE((*builder)->catch_up(450));
    EXPECT_TRUE(pruned.bytes(file_at(1)).empty());
    EXPECT_TRUE(pruned.bytes(file_at(101)).empty());
    EXPECT_FALSE(pruned.bytes(file_at(131)).empty());
    EXPECT_EQ(rows_of(**builder), 320u);
    const auto now = (*builder)->snapshot();
    EXPECT_TRUE(now->missing.empty()) << now->missing.front();
    EXPECT_EQ(now->end_seq, 451u);
    EXPECT_EQ(now->files.front()->first_seq(), 131u);
    builder->reset();
    auto again = ColumnBuilder::open(pruned, "/j", {.map = false, .file_rows_max = file_rows});
    ASSERT_TRUE(again && (*again)->catch_up(450));
    EXPECT_EQ(rows_of(**again), 320u);
  }
}

// Whatever lies sealed is 203.0.113.9 until it is forgotten.
class OneSealer final : public Sealer {
 public:
  void seal(Event&) override {}
  void open(Event& event) override {
    if (event.ip.starts_with(kSealedMark)) event.ip = forgotten ? "erased" : "203.0.113.9";
  }
  bool forgotten = false;
};

TEST(ColumnBuilder, WhatIsForgottenIsInNoFile) {
  MemoryDisk disk;
  std::vector<Event> events = random_events(3, 450);
  for (std::size_t i = 0; i < events.size(); ++i) {
    events[i].ip = i % 3 == 0 ? "sealed:1:x" : "198.51.100.8";
    events[i].api_key_id = i < 300 && i % 3 == 0 ? "mai" : "jan";
  }
  put_log(disk, events, 130);
  OneSealer sealer;
  ColumnOptions options = kSmall;
  options.sealer = &sealer;
  auto builder = *ColumnBuilder::open(disk, "/j", options);
  ASSERT_TRUE(builder->catch_up(450));
  const auto addresses = [&] {
    const AggregateSpec spec{.selection = {.all_intents = true}, .group_by = {Column::kIp}};
    return aggregate_csv(spec, *aggregate(*builder->snapshot(), spec));
  };
  ASSERT_TRUE(addresses().contains("203.0.113.9")) << addresses();
  ASSERT_TRUE(disk.bytes(file_at(1)).contains("203.0.113.9"));
  sealer.forgotten = true;
  ASSERT_TRUE(builder->forget({.key = "mai"}));
  EXPECT_TRUE(disk.bytes(file_at(1)).empty()) << "gone at once";
  EXPECT_FALSE(disk.bytes(file_at(301)).empty()) << "a file without the key stays";
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_TRUE(addresses().contains("erased"));
  ASSERT_TRUE(builder->forget({.before = events.back().timestamp_utc + UtcTime::duration(1)}));
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_FALSE(addresses().contains("203.0.113.9")) << addresses();
  for (const std::uint64_t first : {1, 101, 201, 301, 401}) {
    EXPECT_FALSE(disk.bytes(file_at(first)).contains("203.0.113.9")) << first;
  }
  EXPECT_TRUE(builder->snapshot()->missing.empty());
}

TEST(ColumnBuilder, WhatACrashCutOffIsForgottenAtTheNextStart) {
  MemoryDisk disk;
  std::vector<Event> events = random_events(3, 250);
  for (Event& event : events) event.ip = "sealed:1:x";
  put_log(disk, events, 130);
  OneSealer sealer;
  ColumnOptions options = kSmall;
  options.sealer = &sealer;
  {
    auto builder = *ColumnBuilder::open(disk, "/j", options);
    ASSERT_TRUE(builder->catch_up(250));
    ASSERT_TRUE(builder->begin_forgetting());
    sealer.forgotten = true;  // and the power goes
  }
  ASSERT_TRUE(disk.bytes(file_at(1)).contains("203.0.113.9"));
  options.write = false;  // a command beside it trusts no file either
  auto reading = *ColumnBuilder::open(disk, "/j", options);
  EXPECT_TRUE(reading->snapshot()->files.empty());
  options.write = true;
  auto builder = *ColumnBuilder::open(disk, "/j", options);
  EXPECT_TRUE(disk.bytes(file_at(1)).empty());
  EXPECT_TRUE(disk.bytes("/j/col/forgetting").empty());
  ASSERT_TRUE(builder->catch_up(250));
  EXPECT_FALSE(disk.bytes(file_at(1)).contains("203.0.113.9"));
}

TEST_F(ColumnBuilderTest, ADamagedFileIsRefusedAndBuiltAgain) {
  open()->catch_up(450).value();
  const std::string good = disk.bytes(file_at(101));
  ASSERT_FALSE(good.empty());
  std::mt19937_64 random(5);
  for (int i = 0; i < 60; ++i) {
    std::string bad = good;
    if (i % 3 == 0) {
      bad.resize(random() % good.size());
    } else {
      bad[random() % good.size()] ^= static_cast<char>(1 + random() % 255);
    }
    disk.put(file_at(101), bad);
    const auto builder = open();
    ASSERT_TRUE(builder->catch_up(450));
    // Damage in a block shows when the block is read.
    if (builder->drop_damaged()) ASSERT_TRUE(builder->catch_up(450));
    EXPECT_EQ(rows_of(*builder), 450u);
    EXPECT_EQ(builder->counters().rebuilt, 1u);
    EXPECT_EQ(disk.bytes(file_at(101)), good) << i;
  }
}

TEST_F(ColumnBuilderTest, AMissingFileIsBuiltAgain) {
  open()->catch_up(450).value();
  ASSERT_TRUE(disk.remove(file_at(101)));
  ASSERT_TRUE(disk.remove(file_at(1)));
  const auto builder = open();
  EXPECT_FALSE(builder->snapshot()->missing.empty()) << "until then it says what is missing";
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_TRUE(builder->snapshot()->missing.empty());
  EXPECT_EQ(rows_of(*builder), 450u);
}

TEST_F(ColumnBuilderTest, FilesOfAnotherLogAreNotTaken) {
  open()->catch_up(450).value();
  std::vector<Event> others = random_events(77, 420);
  for (std::uint64_t first = 1; first < 450; first += 130) {
    (void)disk.remove("/j/seg/" + segment_name(first));
  }
  put_log(disk, others, 130);
  const auto builder = open();
  ASSERT_TRUE(builder->catch_up(420));
  EXPECT_EQ(rows_of(*builder), 420u);
  EXPECT_EQ(builder->snapshot()->until, others.back().timestamp_utc);
}

TEST_F(ColumnBuilderTest, WhatTheJournalLetGoOfGoesHereToo) {
  open()->catch_up(450).value();
  ASSERT_TRUE(disk.remove("/j/seg/" + segment_name(1)));
  const auto builder = open();
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_TRUE(disk.bytes(file_at(1)).empty());
  EXPECT_TRUE(disk.bytes(file_at(101)).empty()) << "it holds rows of both sides";
  EXPECT_FALSE(disk.bytes(file_at(131)).empty());
  EXPECT_EQ(rows_of(*builder), 320u);
}

TEST_F(ColumnBuilderTest, ADamagedRecordIsStepppedOverAndTold) {
  std::string bytes = disk.bytes("/j/seg/" + segment_name(131));
  bytes[bytes.size() / 2] ^= 1;
  disk.put("/j/seg/" + segment_name(131), bytes);
  const auto builder = open();
  ASSERT_TRUE(builder->catch_up(450));
  const auto snapshot = builder->snapshot();
  ASSERT_FALSE(snapshot->missing.empty());
  EXPECT_NE(snapshot->missing[0].find("to 260"), std::string::npos) << snapshot->missing[0];
  EXPECT_LT(rows_of(*builder), 450u);
  EXPECT_GE(rows_of(*builder), 130u + 190u);
}

TEST_F(ColumnBuilderTest, AFullDiskKeepsTheRowsInMemory) {
  disk.set_plan([](MemoryDisk::Operation operation, const std::string& path) {
    return path.contains("/col/0") && operation == MemoryDisk::Operation::kWrite
               ? MemoryDisk::Fault::kRefuse
               : MemoryDisk::Fault::kNone;
  });
  const auto builder = open();
  ASSERT_TRUE(builder->catch_up(450));
  EXPECT_EQ(rows_of(*builder), 450u);
  EXPECT_TRUE(disk.bytes(file_at(1)).empty());
}

TEST_F(ColumnBuilderTest, TheThreadFollowsTheJournal) {
  std::atomic<std::uint64_t> durable{200};
  const auto builder =
      open({.map = false, .file_rows_max = 100, .poll = std::chrono::milliseconds(1)});
  builder->start([&] { return durable.load(); });
  const auto reaches = [&](std::uint64_t seq) {
    for (int i = 0; i < 1'000'000; ++i) {
      if (builder->counters().next_seq > seq) return true;
      std::this_thread::yield();
    }
    return false;
  };
  EXPECT_TRUE(reaches(200));
  durable = 450;
  EXPECT_TRUE(reaches(450));
  builder->stop();
  EXPECT_EQ(rows_of(*builder), 450u);
  EXPECT_FALSE(disk.bytes(file_at(401)).empty()) << "the unfinished file too, at the end";
}

// On a real disk, mapped: cut off under the reader's feet it is an error, not a crash.
TEST(ColumnFileMapped, ATruncatedFileIsAnError) {
  std::string folder = std::filesystem::temp_directory_path() / "columns-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  ColumnWriter writer(1);
  for (const Event& event : random_events(1, 5'000)) writer.append(event);
  const std::string bytes = writer.encode();
  const std::string path = folder + "/" + column_file_name(1);
  std::ofstream(path, std::ios::binary) << bytes;
  const auto file = ColumnFile::map(path);
  ASSERT_TRUE(file) << file.error().what;
  EXPECT_EQ((*file)->rows(), 5'000u);
  std::vector<std::uint32_t> codes(5'000);
  EXPECT_TRUE((*file)->read_codes(Column::kKey, 0, 0, 5'000, codes.data()));
  std::filesystem::resize_file(path, bytes.size() / 2);
  EXPECT_EQ((*file)->check_all().error().code, Code::kCorrupt);
  EXPECT_EQ(ColumnFile::map(path).error().code, Code::kCorrupt);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sallyport::audit
