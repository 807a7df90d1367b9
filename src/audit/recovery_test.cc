// SPDX-License-Identifier: Apache-2.0
#include "audit/recovery.h"

#include <gtest/gtest.h>

#include <future>

#include "audit/journal.h"
#include "audit/line.h"
#include "audit/memory_disk.h"
#include "audit/query.h"
#include "audit/segment.h"
#include "audit/verify.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

constexpr const char* kFirst = "/j/seg/00000000000000000001.jsonl";

Event event_of(Kind kind, const std::string& id) {
  Event event;
  event.timestamp_utc = UtcTime(1'764'000'000s);
  event.kind = kind;
  event.request_id = id;
  event.api_key_id = "app";
  event.endpoint = "POST /v1/responses";
  if (kind == Kind::kRequest) event.status = 200;
  return event;
}

// The bytes of a segment with these records, each of which said that all before it were durable.
std::string segment_of(const std::vector<Event>& events, bool zero_tail) {
  std::string bytes;
  std::uint64_t seq = 0;
  for (const Event& event : events) {
    const std::size_t start = bytes.size();
    append_event_open(bytes, event);
    close_line(bytes, start, {.seq = seq + 1, .synced = seq});
    ++seq;
    bytes += '\n';
  }
  if (zero_tail) bytes.append(4096, '\0');
  return bytes;
}

const std::vector<Event> kFour = {event_of(Kind::kRequest, "r1"), event_of(Kind::kRequest, "r2"),
                                  event_of(Kind::kRequest, "r3"), event_of(Kind::kRequest, "r4")};

class RecoveryTest : public ::testing::Test {
 protected:
  // Opens, records one more, stops; the log must then be whole.
  std::uint64_t go_on(MemoryDisk& disk) {
    SystemClock clock;
    auto journal = Journal::open(Config{.path = "/j"}, clock, disk, limits_);
    EXPECT_TRUE(journal) << (journal ? "" : journal.error().what);
    if (!journal) return 0;
    std::promise<std::uint64_t> seq;
    (*journal)->record(event_of(Kind::kRequest, "next" + std::to_string(++starts_)),
                       Durability::kSynced,
                       [&](Result<std::uint64_t> answer) { seq.set_value(answer.value_or(0)); });
    const std::uint64_t given = seq.get_future().get();
    (*journal)->stop();
    const auto report = verify(disk, "/j");
    EXPECT_TRUE(report && report->ok());
    if (report) {
      for (const Problem& p : report->problems) ADD_FAILURE() << p.seq << ": " << p.what;
      EXPECT_EQ(report->last_seq, given);
      EXPECT_EQ(report->torn_bytes, 0u);
    }
    return given;
  }

  int starts_ = 0;
  Limits limits_{.backoff_first = 0ms, .backoff_max = 1ms, .allocate_bytes = 4096};
};

TEST_F(RecoveryTest, AnEmptyJournalBeginsWithOne) {
  MemoryDisk disk;
  EXPECT_EQ(go_on(disk), 1u);
  EXPECT_EQ(go_on(disk), 2u);
}

TEST_F(RecoveryTest, ATailTornAtEveryByteIsCutThere) {
  const std::string whole = segment_of(kFour, false);
  const std::string three = segment_of({kFour[0], kFour[1], kFour[2]}, false);
  for (std::size_t cut = three.size(); cut <= whole.size(); ++cut) {
    for (const std::size_t zeros : {std::size_t{0}, std::size_t{1}, std::size_t{4096}}) {
      MemoryDisk disk;
      disk.put(kFirst, whole.substr(0, cut) + std::string(zeros, '\0'));
      const std::uint64_t expected = cut == whole.size() ? 5 : 4;
      ASSERT_EQ(go_on(disk), expected)
          << "cut at byte " << cut << " of " << whole.size() << ", " << zeros << " zeros behind";
    }
  }
}

TEST_F(RecoveryTest, ATailThatIsDamagedIsCut) {
  const std::string three = segment_of({kFour[0], kFour[1], kFour[2]}, false);
  const std::string whole = segment_of(kFour, true);
  for (std::size_t at = three.size(); at < segment_of(kFour, false).size(); ++at) {
    MemoryDisk disk;
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x20);
    disk.put(kFirst, bytes);
    ASSERT_EQ(go_on(disk), 4u) << "byte " << at;
  }
}

TEST_F(RecoveryTest, ADamagedMiddleIsRefusedAtEveryByte) {
  const std::size_t from = segment_of({kFour[0]}, false).size();
  const std::size_t to = segment_of({kFour[0], kFour[1]}, false).size();
  for (const bool zero_tail : {true, false}) {
    const std::string whole = segment_of(kFour, zero_tail);
    for (std::size_t at = from; at < to; ++at) {
      for (const char with : {'\0', 'x'}) {
        if (whole[at] == with) continue;
        MemoryDisk disk;
        std::string bytes = whole;
        bytes[at] = with;
        disk.put(kFirst, bytes);
        const auto found = recover(disk, "/j");
        ASSERT_FALSE(found) << "byte " << at;
        EXPECT_EQ(found.error().code, Code::kCorrupt);
        EXPECT_TRUE(found.error().what.contains("record 2")) << found.error().what;
      }
    }
  }
}

TEST_F(RecoveryTest, ATornBatchWithAPageMissingIsCutAtThePage) {
  // Four lines of one batch after a power cut: none was durable, the page of the second is missing.
  std::string bytes;
  std::size_t second = 0;
  for (std::uint64_t seq = 1; seq <= 4; ++seq) {
    if (seq == 2) second = bytes.size();
    const std::size_t start = bytes.size();
    append_event_open(bytes, kFour[seq - 1]);
    close_line(bytes, start, {.seq = seq, .synced = {}});
    bytes += '\n';
  }
  bytes.append(4096, '\0');
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(second), 100, '\0');
  MemoryDisk disk;
  disk.put(kFirst, bytes);
  EXPECT_EQ(go_on(disk), 2u);
}

TEST_F(RecoveryTest, AMissingSegmentIsRefused) {
  MemoryDisk disk;
  disk.put("/j/seg/00000000000000000007.jsonl", std::string(4096, '\0'));
  const auto alone = recover(disk, "/j");
  ASSERT_FALSE(alone);
  EXPECT_EQ(alone.error().code, Code::kCorrupt);

  disk.put(kFirst, segment_of(kFour, false));  // holds 1 to 4, so 5 and 6 are missing
  const auto gap = recover(disk, "/j");
  ASSERT_FALSE(gap);
  EXPECT_EQ(gap.error().code, Code::kCorrupt);
}

std::vector<Event> outcomes(MemoryDisk& disk, const std::string& id) {
  QuerySpec spec{.journal = "/j"};
  spec.request_id = id;
  spec.kind = Kind::kRequest;
  std::vector<Event> events;
  EXPECT_TRUE(query(disk, spec, [&](const Event& event, std::string_view) {
    events.push_back(event);
    return true;
  }));
  return events;
}

TEST_F(RecoveryTest, WhatACrashLeftOpenIsClosedOnce) {
  MemoryDisk disk;
  disk.put(kFirst, segment_of({event_of(Kind::kIntent, "done"), event_of(Kind::kRequest, "done"),
                               event_of(Kind::kIntent, "open")},
                              true));
  for (int start = 0; start < 3; ++start) {
    go_on(disk);
    ASSERT_EQ(outcomes(disk, "done").size(), 1u);
    const auto events = outcomes(disk, "open");
    ASSERT_EQ(events.size(), 1u) << "start " << start;
    EXPECT_EQ(events[0].kind, Kind::kRequest);
    EXPECT_EQ(events[0].error, "aborted");
    EXPECT_FALSE(events[0].status);
    EXPECT_EQ(events[0].api_key_id, "app") << "what the intent told is kept";
  }
}

TEST_F(RecoveryTest, AStartThatIsKilledAtAnyWriteClosesOnceAllTheSame) {
  for (int survive = 0; survive < 40; ++survive) {
    MemoryDisk disk(static_cast<std::uint64_t>(survive));
    std::vector<Event> events;
    for (int i = 0; i < 5; ++i) events.push_back(event_of(Kind::kIntent, "o" + std::to_string(i)));
    disk.put(kFirst, segment_of(events, true));
    int operations = 0;
    disk.set_plan([&](MemoryDisk::Operation, const std::string&) {
      return operations++ >= survive ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
    });
    {
      SystemClock clock;
      Limits limits = limits_;
      limits.backoff_first = 1h;  // it dies before it tries again
      const auto journal = Journal::open(Config{.path = "/j"}, clock, disk, limits);
      disk.freeze();
    }
    disk.thaw();
    ASSERT_GT(go_on(disk), 0u) << "killed after " << survive;
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(outcomes(disk, "o" + std::to_string(i)).size(), 1u) << "killed after " << survive;
    }
  }
}

TEST_F(RecoveryTest, WithoutItsListOfOpenIntentsTheSegmentsBeforeAreRead) {
  MemoryDisk disk;
  disk.put(kFirst,
           segment_of({event_of(Kind::kIntent, "old"), event_of(Kind::kRequest, "r")}, false));
  disk.put("/j/seg/00000000000000000003.jsonl", std::string(4096, '\0'));
  disk.put("/j/seg/00000000000000000003.open",
           "{\"open_intents\":0,\"seq\":3,\"crc\":\"00000000\"}\n");
  go_on(disk);
  EXPECT_EQ(outcomes(disk, "old").size(), 1u);
}

TEST_F(RecoveryTest, ALargeTailIsReadWithinTheTime) {
  // 64 MiB: the start must take less than 500 ms; here without the disk. Debug builds get more.
  std::string bytes;
  std::uint64_t seq = 0;
  while (bytes.size() < (64u << 20)) {
    const std::string id = "req_" + std::to_string(seq / 2);
    const Kind kind = seq % 2 ? Kind::kRequest : Kind::kIntent;
    const std::size_t start = bytes.size();
    append_event_open(bytes, event_of(kind, id));
    close_line(bytes, start, {.seq = seq + 1, .synced = {}});
    bytes += '\n';
    ++seq;
  }
  bytes.append(4096, '\0');
  MemoryDisk disk;
  disk.put(kFirst, std::move(bytes));
  const auto begun = std::chrono::steady_clock::now();
  const auto found = recover(disk, "/j");
  const auto took = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state.written_seq, seq);
  RecordProperty("ms", static_cast<int>(took / 1ms));
  EXPECT_LT(took, 5s);
}

TEST(LineTest, EveryChangedByteIsFound) {
  std::string line;
  append_event_open(line, event_of(Kind::kIntent, "r1"));
  close_line(line, 0, {.seq = 18'219'377, .synced = 18'219'360});
  const auto tail = check_line(line);
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->seq, 18'219'377u);
  EXPECT_EQ(tail->synced, 18'219'360u);
  EXPECT_EQ(line_kind(line), "intent");
  EXPECT_EQ(line_request_id(line), "r1");
  EXPECT_EQ(line_time(line), UtcTime(1'764'000'000s));
  for (std::size_t at = 0; at < line.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = line;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      EXPECT_FALSE(check_line(changed)) << "bit " << bit << " of byte " << at;
    }
  }
}

TEST(LineTest, ValuesCannotPoseAsFields) {
  Event event = event_of(Kind::kIntent, "real");
  event.endpoint = R"(x","kind":"request","request_id":"fake)";
  event.detail = R"({"x":1,"kind":"request","request_id":"fake","seq":7,"crc":"00000000"})";
  std::string line;
  append_event_open(line, event);
  close_line(line, 0, {.seq = 1, .synced = {}});
  EXPECT_EQ(line_kind(line), "intent");
  EXPECT_EQ(line_request_id(line), "real");
  EXPECT_EQ(check_line(line)->seq, 1u);
}

}  // namespace
}  // namespace sallyport::audit
