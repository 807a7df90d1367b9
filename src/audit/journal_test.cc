// SPDX-License-Identifier: Apache-2.0
#include "audit/journal.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "audit/memory_disk.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/json_reader.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

UtcTime noon() { return *parse_utc("2026-11-24T12:00:00.000Z"); }

Event event_of(Kind kind, std::string id, UtcTime time = noon()) {
  Event event;
  event.timestamp_utc = time;
  event.kind = kind;
  event.request_id = std::move(id);
  event.endpoint = "POST /v1/chat/completions";
  event.ip = "203.0.113.7";
  event.api_key_id = "app";
  if (kind == Kind::kRequest) event.status = 200;
  return event;
}

// Records and waits for the answer.
Result<std::uint64_t> record(Journal& journal, Event event, Durability until) {
  std::promise<Result<std::uint64_t>> promise;
  auto future = promise.get_future();
  journal.record(std::move(event), until, [&promise](Result<std::uint64_t> answer) {
    promise.set_value(std::move(answer));
  });
  return future.get();
}

class JournalTest : public ::testing::Test {
 protected:
  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(config_, clock_, disk_, limits_);
    EXPECT_TRUE(journal) << (journal ? "" : journal.error().what);
    return journal ? std::move(*journal) : nullptr;
  }
  VerifyReport verified() {
    const auto report = verify(disk_, "/j");
    EXPECT_TRUE(report);
    for (const Problem& problem : report->problems) ADD_FAILURE() << problem.seq << problem.what;
    return *report;
  }
  std::vector<Event> asked(QuerySpec spec = {}) {
    spec.journal = "/j";
    spec.order = Order::kOldestFirst;
    std::vector<Event> events;
    const auto answer = query(disk_, spec, [&](const Event& event, std::string_view) {
      events.push_back(event);
      return true;
    });
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().what);
    return events;
  }

  MemoryDisk disk_;
  ManualClock clock_{noon()};
  Config config_{.path = "/j"};
  Limits limits_{.backoff_first = 0ms, .backoff_max = 1ms, .allocate_bytes = 4096};
};

TEST_F(JournalTest, SeqIsGivenInTheOrderOfTheCalls) {
  auto journal = open();
  for (std::uint64_t i = 1; i <= 5; ++i) {
    const auto until = i % 2 ? Durability::kSynced : Durability::kWritten;
    EXPECT_EQ(*record(*journal, event_of(Kind::kRequest, "r" + std::to_string(i)), until), i);
  }
  journal->stop();
  EXPECT_EQ(verified().records, 5u);
  const auto events = asked();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[4].request_id, "r5");
  EXPECT_EQ(events[4].seq, 5u);
}

TEST_F(JournalTest, AnEmptyDoneIsAllowed) {
  auto journal = open();
  journal->record(event_of(Kind::kRequest, "r1"), Durability::kSynced, {});
  EXPECT_EQ(*record(*journal, event_of(Kind::kRequest, "r2"), Durability::kSynced), 2u);
}

TEST_F(JournalTest, RecordsForLaterKeepTheirOrderAndAreWrittenWhenWoken) {
  auto journal = open();
  std::vector<std::uint64_t> order;
  std::promise<void> last;
  for (int i = 1; i <= 3; ++i) {
    journal->record_soon(event_of(Kind::kRequest, "r" + std::to_string(i)), Durability::kWritten,
                         [&, i](Result<std::uint64_t> seq) {
                           order.push_back(seq.value_or(0));
                           if (i == 3) last.set_value();
                         });
  }
  journal->wake();
  last.get_future().wait();
  EXPECT_EQ(order, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST_F(JournalTest, SomeHearFirstOfTheWriteThenOfTheSync) {
  limits_.sync_shared = 20ms;  // what is only written does not wait for it
  auto journal = open();
  std::atomic<std::uint64_t> durable_when_written{99};
  std::promise<std::uint64_t> written, synced;
  Journal* const all = journal.get();
  journal->record_twice(
      event_of(Kind::kIntent, "r1"),
      [&, all](Result<std::uint64_t> seq) {
        durable_when_written = all->durable_seq();
        written.set_value(seq.value_or(0));
      },
      [&](Result<std::uint64_t> seq) { synced.set_value(seq.value_or(0)); });
  journal->wake();
  EXPECT_EQ(written.get_future().get(), 1u);
  EXPECT_EQ(durable_when_written, 0u) << "it was told before the sync";
  EXPECT_EQ(synced.get_future().get(), 1u);
  journal->stop();
  EXPECT_EQ(journal->durable_seq(), 1u);

  std::promise<bool> first, second;
  journal->record_twice(
      event_of(Kind::kIntent, "r2"),
      [&](Result<std::uint64_t> seq) { first.set_value(seq.has_value()); },
      [&](Result<std::uint64_t> seq) { second.set_value(seq.has_value()); });
  EXPECT_FALSE(first.get_future().get()) << "both are told when it cannot be written";
  EXPECT_FALSE(second.get_future().get());

  journal.reset();
  journal = open();
  EXPECT_EQ(journal->durable_seq(), 2u) << "known from the start; the intent got its outcome";
}

TEST_F(JournalTest, Invariant1NoAnswerWithoutARecord) {
  // At the moment a synced record is answered, a power cut cannot take it.
  auto journal = open();
  std::atomic<int> checked = 0;
  for (int i = 0; i < 50; ++i) {
    const std::string id = "r" + std::to_string(i);
    const std::uint64_t before = disk_.syncs();
    const auto answer = record(*journal, event_of(Kind::kIntent, id), Durability::kSynced);
    ASSERT_TRUE(answer);
    EXPECT_GT(disk_.syncs(), before) << "answered without a sync";
    ++checked;
  }
  disk_.freeze();
  journal.reset();
  disk_.cut_power();
  disk_.thaw();
  journal = open();
  QuerySpec intents;
  intents.kind = Kind::kIntent;
  EXPECT_EQ(asked(intents).size(), 50u);
}

TEST_F(JournalTest, ManyCallersShareOneSync) {
  // While the first sync is held, everything else queues and then needs one more.
  std::promise<void> entered, release;
  std::atomic<int> syncs = 0;
  limits_.allocate_bytes = 1u << 20;  // no growing of the file in between
  auto journal = open();
  disk_.set_plan([&](MemoryDisk::Operation operation, const std::string&) {
    if (operation == MemoryDisk::Operation::kSync && syncs++ == 0) {
      entered.set_value();
      release.get_future().wait();
    }
    return MemoryDisk::Fault::kNone;
  });
  std::atomic<int> answered = 0;
  std::promise<void> all;
  const auto done = [&](Result<std::uint64_t> answer) {
    EXPECT_TRUE(answer);
    if (++answered == 101) all.set_value();
  };
  journal->record(event_of(Kind::kRequest, "first"), Durability::kSynced, done);
  entered.get_future().wait();
  for (int i = 0; i < 100; ++i) {
    journal->record(event_of(Kind::kRequest, "r" + std::to_string(i)), Durability::kSynced, done);
  }
  release.set_value();
  all.get_future().wait();
  EXPECT_EQ(syncs, 2);
  EXPECT_EQ(journal->counters().batches, 2u);
}

TEST_F(JournalTest, AWrittenRecordIsSyncedSoonWithoutAnotherOne) {
  std::promise<void> synced;
  auto journal = open();
  disk_.set_plan([&, told = false](MemoryDisk::Operation operation, const std::string&) mutable {
    if (operation == MemoryDisk::Operation::kSync && !std::exchange(told, true)) synced.set_value();
    return MemoryDisk::Fault::kNone;
  });
  ASSERT_TRUE(record(*journal, event_of(Kind::kRequest, "r"), Durability::kWritten));
  EXPECT_EQ(synced.get_future().wait_for(5s), std::future_status::ready);
  disk_.set_plan(nullptr);
}

TEST_F(JournalTest, AFullQueueRefusesAndTheGapIsRecorded) {
  config_.queue_records_max = 3;
  std::promise<void> entered, release;
  auto journal = open();
  disk_.set_plan([&, told = false](MemoryDisk::Operation operation, const std::string&) mutable {
    if (operation == MemoryDisk::Operation::kSync && !std::exchange(told, true)) {
      entered.set_value();
      release.get_future().wait();
    }
    return MemoryDisk::Fault::kNone;
  });
  journal->record(event_of(Kind::kRequest, "first"), Durability::kSynced, {});
  entered.get_future().wait();
  std::promise<void> drained;
  journal->record(event_of(Kind::kRequest, "q1"), Durability::kWritten, {});
  journal->record(event_of(Kind::kRequest, "q2"), Durability::kWritten, {});
  journal->record(event_of(Kind::kRequest, "q3"), Durability::kWritten,
                  [&](Result<std::uint64_t>) { drained.set_value(); });
  const auto refused = record(*journal, event_of(Kind::kRequest, "beyond"), Durability::kWritten);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  release.set_value();
  drained.get_future().wait();
  ASSERT_TRUE(record(*journal, event_of(Kind::kRequest, "later"), Durability::kSynced));
  journal->stop();
  QuerySpec actions;
  actions.kind = Kind::kAction;
  const auto events = asked(actions);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].action, "journal_gap");
  EXPECT_TRUE(events[0].detail->contains("\"records\":1")) << *events[0].detail;
}

TEST_F(JournalTest, TimeNeverGoesBackInTheLog) {
  auto journal = open();
  for (const auto offset : {0ms, 10ms, 4ms, 10ms, 11ms}) {
    ASSERT_TRUE(
        record(*journal, event_of(Kind::kRequest, "", noon() + offset), Durability::kWritten));
  }
  journal->stop();
  const auto events = asked();
  EXPECT_EQ(events[2].timestamp_utc, noon() + 10ms);
  EXPECT_EQ(events[2].time_raised_ms, 6);
  EXPECT_FALSE(events[3].time_raised_ms);
  EXPECT_FALSE(events[4].time_raised_ms);

  journal.reset();
  journal = open();  // and not over a restart
  ASSERT_TRUE(record(*journal, event_of(Kind::kRequest, "", noon()), Durability::kWritten));
  journal->stop();
  EXPECT_EQ(asked().back().time_raised_ms, 11);
  verified();
}

TEST_F(JournalTest, SegmentsFollowEachOtherWithoutGap) {
  config_.segment_bytes = 64u << 10;
  limits_.segment_bytes_min = 0;
  auto journal = open();
  for (int i = 0; i < 1'000; ++i) {
    const std::string id = "r" + std::to_string(i);
    journal->record(event_of(Kind::kIntent, id), Durability::kWritten, {});
    if (i % 3) journal->record(event_of(Kind::kRequest, id), Durability::kWritten, {});
    if (i % 50 == 0) ASSERT_TRUE(record(*journal, event_of(Kind::kAdmin, ""), Durability::kSynced));
  }
  journal->stop();
  const VerifyReport report = verified();
  EXPECT_GT(report.segments, 5u);
  EXPECT_EQ(report.open_intents, 334u);
  for (const auto& segment : *list_segments(disk_, "/j")) {
    const auto bytes = disk_.bytes("/j/seg/" + segment_name(segment.first_seq));
    EXPECT_TRUE(bytes.ends_with("}\n")) << "a sealed segment has no zero tail";
    EXPECT_LE(bytes.size(), config_.segment_bytes);
  }
  QuerySpec open_only;
  open_only.status = "open";
  open_only.limit = 0;
  EXPECT_EQ(asked(open_only).size(), 334u);
}

TEST_F(JournalTest, OneProcessWritesAJournal) {
  auto journal = open();
  const auto second = Journal::open(config_, clock_, disk_, limits_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kDenied);
}

TEST_F(JournalTest, AFailingDiskRefusesUntilItWorksAgain) {
  auto journal = open();
  ASSERT_TRUE(record(*journal, event_of(Kind::kIntent, "a"), Durability::kSynced));
  std::atomic<bool> broken = true;
  disk_.set_plan([&](MemoryDisk::Operation, const std::string&) {
    return broken ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
  });
  const auto refused = record(*journal, event_of(Kind::kRequest, "a"), Durability::kSynced);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_FALSE(journal->accepting());
  EXPECT_FALSE(record(*journal, event_of(Kind::kIntent, "b"), Durability::kSynced));
  broken = false;
  while (!journal->accepting()) std::this_thread::yield();
  ASSERT_TRUE(record(*journal, event_of(Kind::kIntent, "c"), Durability::kSynced));
  ASSERT_TRUE(record(*journal, event_of(Kind::kRequest, "c"), Durability::kSynced));
  journal->stop();
  const VerifyReport report = verified();
  EXPECT_EQ(report.open_intents, 0u) << "the outcome that was refused is told as aborted";
  const auto events = asked();
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[0].request_id, "a");
  EXPECT_EQ(events[0].error, "aborted");
  EXPECT_FALSE(events[0].status);
  EXPECT_EQ(events[1].action, "journal_gap");
}

TEST_F(JournalTest, PassUnrecordedLetsPassAndTellsTheGap) {
  config_.refuse_on_write_failure = false;
  auto journal = open();
  std::atomic<bool> broken = true;
  disk_.set_plan([&](MemoryDisk::Operation, const std::string&) {
    return broken ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
  });
  for (int i = 0; i < 7; ++i) {
    const auto answer = record(*journal, event_of(Kind::kIntent, ""), Durability::kSynced);
    ASSERT_TRUE(answer);
    EXPECT_EQ(*answer, 0u) << "passed without a record";
    EXPECT_TRUE(journal->accepting());
  }
  EXPECT_EQ(journal->counters().unrecorded, 7u);
  broken = false;
  while (*record(*journal, event_of(Kind::kAdmin, ""), Durability::kSynced) == 0) {
    std::this_thread::yield();
  }
  journal->stop();
  QuerySpec actions;
  actions.kind = Kind::kAction;
  std::uint64_t told = 0;
  for (const Event& event : asked(actions)) {
    const auto detail = JsonValue::parse(*event.detail);
    told += static_cast<std::uint64_t>(*detail->at("records")->integer());
  }
  EXPECT_EQ(told, journal->counters().unrecorded);
  EXPECT_EQ(journal->counters().gap_records, 0u);
  verified();
}

TEST_F(JournalTest, AFullDiskAtTheStartIsNoReasonNotToStart) {
  std::atomic<bool> broken = true;
  disk_.set_plan([&](MemoryDisk::Operation operation, const std::string&) {
    return broken && operation == MemoryDisk::Operation::kWrite ? MemoryDisk::Fault::kRefuse
                                                                : MemoryDisk::Fault::kNone;
  });
  auto journal = open();
  EXPECT_FALSE(journal->accepting());
  broken = false;
  while (!journal->accepting()) std::this_thread::yield();
  EXPECT_TRUE(record(*journal, event_of(Kind::kRequest, "r"), Durability::kSynced));
}

TEST_F(JournalTest, RecordsAfterStopAreRefused) {
  auto journal = open();
  journal->stop();
  EXPECT_FALSE(record(*journal, event_of(Kind::kRequest, "r"), Durability::kWritten));
  EXPECT_FALSE(journal->accepting());
}

TEST_F(JournalTest, ManyThreadsManyRecords) {
  auto journal = open();
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 2'000; ++i) {
          const std::string id = std::to_string(t) + "_" + std::to_string(i);
          const auto until = i % 2 ? Durability::kSynced : Durability::kWritten;
          journal->record(event_of(Kind::kRequest, id), until, [&](Result<std::uint64_t> answer) {
            if (answer) ++answered;
          });
        }
      });
    }
  }
  journal->stop();
  EXPECT_EQ(answered, 8'000);
  EXPECT_EQ(verified().records, 8'000u);
}

}  // namespace
}  // namespace sallyport::audit
