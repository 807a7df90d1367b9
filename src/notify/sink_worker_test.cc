// SPDX-License-Identifier: Apache-2.0
// What every sink promises, whatever its receiver does: nothing lost, nothing reordered, one batch
// in memory, duplicates only within the batch that was under way.
#include "notify/sink_worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/json_reader.h"
#include "base/text.h"
#include "notify/worker_for_test.h"

namespace sallyport::notify {
namespace {

using Kind = Verdict::Kind;
using State = SinkStatus::State;
using Seqs = std::vector<std::uint64_t>;

Seqs range(std::uint64_t from, std::uint64_t to) {
  Seqs seqs(to - from + 1);
  std::iota(seqs.begin(), seqs.end(), from);
  return seqs;
}

ReceiverForTest::Answer always(Kind kind, std::string why = "no") {
  return [kind, why](const Batch&) { return Verdict{.kind = kind, .why = why}; };
}

class WorkerTest : public ::testing::Test {
 protected:
  WorkerTest() : log(disk) {
    config.name = "siem";
    config.type = "splunk";
    config.only = {"all"};
    config.begin = "beginning";
    config.batch_records = 10;
    config.batch_wait = std::chrono::milliseconds(0);
  }
  std::unique_ptr<Life> start() {
    const SinkWorker::House house{LogForTest::kPath, disk, log,
                                  SinkParts{resolver, clock, "gw1.example/audit", "gw1", "1"},
                                  kHasty};
    return std::make_unique<Life>(config, std::make_unique<SinkForTest>(receiver), house);
  }
  bool has_all(std::uint64_t last) {
    return receiver.wait([&] {
      const Seqs seqs = receiver.seqs();
      return std::set(seqs.begin(), seqs.end()).size() == last;
    });
  }
  std::string letters() { return disk.bytes("/j/sinks/siem.dead"); }

  audit::MemoryDisk disk;
  LogForTest log;
  ReceiverForTest receiver;
  net::Resolver resolver;
  SystemClock clock;
  SinkConfig config;
};

TEST_F(WorkerTest, InOrderAndOnceThoughTheReceiverFailsNowAndThen) {
  log.refused(1'000);
  int calls = 0;
  receiver.says([&calls](const Batch&) {
    return ++calls % 3 == 0 ? Verdict{.kind = Kind::kAgain, .why = "503"} : Verdict{};
  });
  const auto life = start();
  ASSERT_TRUE(has_all(1'000));
  EXPECT_EQ(receiver.seqs(), range(1, 1'000));
  EXPECT_EQ(receiver.ids().front(), "gw1.example/audit:1");
  EXPECT_LE(std::ranges::max(receiver.batches()), 10u);
  const SinkStatus status = life->worker.status();
  EXPECT_GT(status.attempts_failed, 0u);
  EXPECT_EQ(status.dead, 0u);
  log.refused(5);
  ASSERT_TRUE(has_all(1'005));
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().next_seq == 1'006; }));
  EXPECT_EQ(life->worker.status().behind, 0u);
  EXPECT_EQ(life->worker.status().sent, 1'005u);
}

TEST_F(WorkerTest, KilledDuringDeliveryNothingIsLostAndAtMostOneBatchTwice) {
  log.refused(1'000);
  Seqs before;
  for (int round = 0; round < 100; ++round) {
    const std::size_t had = receiver.seqs().size();
    auto life = start();
    ASSERT_TRUE(receiver.wait([&] { return receiver.seqs().size() > had; }));
    life->kill();
    const Seqs seqs = receiver.seqs();
    if (had > 0) {
      // The first record of this life is at most a batch behind the last one of the life before.
      EXPECT_LE(seqs[had], before.back() + 1) << "a gap: records are lost";
      EXPECT_GT(seqs[had] + config.batch_records, before.back()) << "more than a batch twice";
    }
    before = seqs;
    if (seqs.back() > 900) log.refused(100);
  }
  const auto life = start();
  ASSERT_TRUE(has_all(log.durable_seq()));
  const std::vector<std::string> ids = receiver.ids();
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), log.durable_seq())
      << "a record that came twice has one id";
}

TEST_F(WorkerTest, FinishedInTheMiddleItGoesOnBehindWhatWasTaken) {
  log.refused(500);
  receiver.says([](const Batch& batch) {
    return batch[0].seq >= 101 ? Verdict{.kind = Kind::kAgain, .why = "503"} : Verdict{};
  });
  auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().attempts_failed > 3; }));
  life->on_loop([&] { life->worker.finish(); });
  ASSERT_TRUE(receiver.wait([&] { return life->worker.ended(); }));
  life->kill();
  receiver.says([](const Batch&) { return Verdict{}; });
  life = start();
  ASSERT_TRUE(has_all(500));
  EXPECT_EQ(receiver.seqs(), range(1, 500));
}

TEST_F(WorkerTest, PartsThatMayWorkLaterGoAgainAlone) {
  log.refused(10);
  receiver.says([](const Batch&) {
    return Verdict{.kind = Kind::kAgain, .again = {2, 7}, .dead = {{4, "mapping"}}, .why = "429"};
  });
  receiver.then_says([](const Batch& batch) {
    EXPECT_EQ(batch.size(), 2u);
    EXPECT_EQ(batch[0].seq, 3u);
    EXPECT_EQ(batch[1].seq, 8u);
    return Verdict{};
  });
  const auto life = start();
  ASSERT_TRUE(has_all(9));
  EXPECT_EQ(receiver.seqs(), (Seqs{1, 2, 4, 6, 7, 9, 10, 3, 8}));
  ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == 11; }));
  EXPECT_EQ(life->worker.status().dead, 1u);
  EXPECT_TRUE(letters().contains(R"("id":"gw1.example/audit:5","reason":"mapping")")) << letters();
}

TEST_F(WorkerTest, TooLargeIsHalvedAndOneThatIsTooLargeAloneIsDead) {
  log.refused(40);
  receiver.says([](const Batch& batch) {
    const bool poisoned = std::ranges::any_of(batch, [](const Outgoing& o) { return o.seq == 13; });
    if (batch.size() > 4 || poisoned) return Verdict{.kind = Kind::kHalve, .why = "413"};
    return Verdict{};
  });
  const auto life = start();
  ASSERT_TRUE(has_all(39));
  Seqs wanted = range(1, 40);
  std::erase(wanted, 13);
  EXPECT_EQ(receiver.seqs(), wanted) << "halves go in order";
  EXPECT_TRUE(letters().contains(":13\",\"reason\":\"413\"")) << letters();
}

// What a receiver says that refuses everything: in one word, one by one, or record by record.
struct RefusalCase {
  const char* why;
  ReceiverForTest::Answer answer;
};
Verdict refuse_all(const Batch& batch) {
  Verdict verdict;
  for (std::size_t i = 0; i < batch.size(); ++i) verdict.dead.push_back({i, "answered 400"});
  return verdict;
}
const RefusalCase kRefusals[] = {
    {"every record of the batch", refuse_all},
    {"the batch as a whole, and each of its parts", always(Kind::kHalve, "answered 400")},
    {"the first of it, each time",
     [](const Batch& batch) {
       Verdict verdict{.kind = batch.size() > 1 ? Kind::kAgain : Kind::kDone};
       verdict.dead.push_back({0, "answered 400"});
       for (std::size_t i = 1; i < batch.size(); ++i) verdict.again.push_back(i);
       return verdict;
     }},
};

TEST_F(WorkerTest, AReceiverThatRefusesEverythingStopsItAndTheLogIsNotUsedUp) {
  for (const RefusalCase& test : kRefusals) {
    for (const std::size_t batch : {1u, 10u, 100u}) {
      SCOPED_TRACE(test.why + std::string(", batches of ") + std::to_string(batch));
      config.batch_records = batch;
      config.name = "siem" + std::to_string(batch) + std::to_string(&test - kRefusals);
      receiver.says(test.answer);
      log.refused(60);
      const std::uint64_t end = log.durable_seq() + 1;
      auto life = start();
      ASSERT_TRUE(receiver.wait([&] { return life->worker.status().state == State::kStopped; }));
      const SinkStatus status = life->worker.status();
      EXPECT_TRUE(status.why.starts_with("the receiver refuses everything: ")) << status.why;
      EXPECT_TRUE(status.why.contains("answered 400")) << status.why;
      EXPECT_GE(status.refused, 20u);
      EXPECT_LE(status.refused, 20 + batch);
      EXPECT_EQ(status.dead, 0u) << "nothing is given up";
      EXPECT_EQ(status.sent, 0u);
      EXPECT_EQ(life->worker.durable_next_seq(), 1u) << "the cursor stays";
      EXPECT_EQ(status.behind, end - 1);
      const std::size_t had = receiver.seqs().size();
      receiver.says([](const Batch&) { return Verdict{}; });
      life->on_loop([&] { life->worker.replay(0); });
      ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == end; }));
      Seqs seqs = receiver.seqs();
      seqs.erase(seqs.begin(), seqs.begin() + static_cast<std::ptrdiff_t>(had));
      EXPECT_EQ(seqs, range(1, end - 1));
      EXPECT_EQ(life->worker.status().refused, 0u);
    }
  }
}

TEST_F(WorkerTest, ABadRecordInABatchOfItsOwnIsGivenUpWhenTheNextIsTaken) {
  receiver.says(
      [](const Batch& batch) { return batch[0].seq == 1 ? refuse_all(batch) : Verdict{}; });
  log.refused(1);
  auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().state == State::kWaiting; }));
  EXPECT_EQ(life->worker.status().refused, 1u);
  EXPECT_EQ(life->worker.durable_next_seq(), 1u);
  EXPECT_EQ(life->worker.status().behind, 1u);
  EXPECT_EQ(life->worker.status().dead, 0u);
  life->kill();  // it is not known yet, and is asked about once more
  life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().refused == 1; }));
  log.refused(1);
  ASSERT_TRUE(receiver.wait([&] {
    return life->worker.durable_next_seq() == 3 && life->worker.status().state == State::kRunning;
  }));
  EXPECT_EQ(life->worker.status().dead, 1u);
  EXPECT_EQ(life->worker.status().refused, 0u);
  EXPECT_TRUE(letters().contains(R"(:1","reason":"answered 400")")) << letters();
}

TEST_F(WorkerTest, ManyBadOnesAmongGoodOnesAreGivenUpAndStopNothing) {
  config.batch_records = 100;
  receiver.says([](const Batch& batch) {  // one in fifty is good
    Verdict verdict;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].seq % 50 != 0) verdict.dead.push_back({i, "mapping"});
    }
    return verdict;
  });
  log.refused(1'000);
  const auto life = start();
  ASSERT_TRUE(has_all(20));
  ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == 1'001; }));
  EXPECT_EQ(life->worker.status().dead, 980u);
  EXPECT_EQ(life->worker.status().state, State::kRunning);
}

TEST_F(WorkerTest, WhatASinkDidNotShowItsReceiverDoesNotSayThatItTakesAny) {
  receiver.says([](const Batch& batch) {
    Verdict verdict;
    verdict.taken = 0;  // of ten it had something to say about one
    verdict.dead.push_back({batch.size() - 1, "answered 400"});
    return verdict;
  });
  log.refused(300);
  const auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().state == State::kStopped; }));
  EXPECT_EQ(life->worker.status().dead, 0u);
  EXPECT_EQ(life->worker.durable_next_seq(), 10u);
}

TEST_F(WorkerTest, ARecordThatCannotBeReadIsADeadLetterAndStopsNothing) {
  log.refused(3);
  log.add_line(R"({"timestamp_utc":7,"status":"poison")");
  log.refused(3);
  const auto life = start();
  ASSERT_TRUE(has_all(6));
  EXPECT_EQ(receiver.seqs(), (Seqs{1, 2, 3, 5, 6, 7}));
  EXPECT_TRUE(letters().contains("cannot be read")) << letters();
  EXPECT_EQ(life->worker.status().dead, 1u);
}

TEST_F(WorkerTest, ARefusedCredentialStopsItAndResumeGoesOn) {
  log.refused(30);
  receiver.says([](const Batch&) { return Verdict{}; });
  receiver.then_says(always(Kind::kStop, "the receiver answered 401"));
  auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().state == State::kStopped; }));
  EXPECT_EQ(life->worker.status().why, "the receiver answered 401");
  EXPECT_EQ(life->worker.durable_next_seq(), 11u) << "the cursor stays";
  EXPECT_EQ(life->worker.status().behind, 20u);
  EXPECT_GT(life->worker.status().lag_ms, 0);
  receiver.says([](const Batch&) { return Verdict{}; });
  life->on_loop([&] { life->worker.replay(0); });
  ASSERT_TRUE(has_all(30));
  EXPECT_EQ(receiver.seqs(), range(1, 30));
  EXPECT_EQ(life->worker.status().state, State::kRunning);
}

TEST_F(WorkerTest, ReplaySendsAgainUnderTheSameIds) {
  log.refused(30);
  auto life = start();
  ASSERT_TRUE(has_all(30));
  life->on_loop([&] { life->worker.replay(21); });
  ASSERT_TRUE(receiver.wait([&] { return receiver.seqs().size() == 40; }));
  Seqs wanted = range(1, 30);
  std::ranges::copy(range(21, 30), std::back_inserter(wanted));
  EXPECT_EQ(receiver.seqs(), wanted);
  EXPECT_EQ(receiver.ids()[30], receiver.ids()[20]);
}

TEST_F(WorkerTest, ReplayDuringAnOutageGoesFromThereWhenItIsOver) {
  log.refused(50);
  receiver.says(always(Kind::kAgain, "503"));
  auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().attempts_failed > 2; }));
  life->on_loop([&] { life->worker.replay(31); });
  ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == 31; }));
  receiver.says([](const Batch&) { return Verdict{}; });
  ASSERT_TRUE(receiver.wait([&] { return receiver.seqs().size() >= 20; }));
  EXPECT_EQ(receiver.seqs(), range(31, 50));
}

TEST_F(WorkerTest, OnlyWhatItIsForGoesAndTheCursorPassesTheRest) {
  config.only = {"action", "refused"};
  Event fine;
  fine.status = 200;
  Event act;
  act.kind = sallyport::Kind::kAction;
  act.action = "key_revoke";
  for (int i = 0; i < 100; ++i) log.add(fine);
  const std::uint64_t first = log.add(act);
  for (int i = 0; i < 100; ++i) log.add(fine);
  log.refused(1);
  for (int i = 0; i < 100; ++i) log.add(fine);
  const auto life = start();
  ASSERT_TRUE(has_all(2));
  EXPECT_EQ(receiver.seqs(), (Seqs{first, first + 101}));
  ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == 303; }))
      << "what does not concern the receiver does not keep the log from being cut";
}

TEST_F(WorkerTest, ANewSinkBeginsAtTheEndAndARestartDoesNotMoveIt) {
  config.begin = "end";
  log.refused(20);
  receiver.says(always(Kind::kAgain, "503"));
  auto life = start();
  life->kill();
  log.refused(5);
  receiver.says([](const Batch&) { return Verdict{}; });
  life = start();
  ASSERT_TRUE(has_all(5));
  EXPECT_EQ(receiver.seqs(), range(21, 25));
}

struct DamageCase {
  std::string why;
  std::function<std::string(std::string)> damage;  // of the cursor file's two lines
  bool goes_on;
};

TEST_F(WorkerTest, ADamagedCursorIsNamedAndNeverGuessed) {
  const DamageCase cases[] = {
      {"a flipped bit in the newest: the one before it counts",
       [](std::string bytes) { return bytes[bytes.find("next_seq") + 10] ^= 1, bytes; }, true},
      {"the newest is cut: the one before it counts",
       [](std::string bytes) { return bytes.substr(5); }, true},
      {"empty", [](const std::string&) { return std::string(); }, false},
      {"zeros", [](const std::string& bytes) { return std::string(bytes.size(), '\0'); }, false},
      {"of another log",
       [](std::string bytes) {
         for (std::size_t at; (at = bytes.find("gw1")) != std::string::npos;) bytes[at + 2] = '2';
         return bytes;
       },
       false},
      {"both damaged",
       [](std::string bytes) {
         std::ranges::replace(bytes, '"', '\'');
         return bytes;
       },
       false},
  };
  for (const DamageCase& test : cases) {
    SCOPED_TRACE(test.why);
    disk.put("/j/sinks/siem.cursor", "");
    (void)disk.remove("/j/sinks/siem.cursor");
    config.begin = "beginning";
    receiver.says([](const Batch&) { return Verdict{}; });
    const std::size_t had = receiver.seqs().size();
    log.refused(20);
    const std::uint64_t end = log.durable_seq() + 1;
    auto life = start();
    ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == end; }));
    life->kill();
    disk.put("/j/sinks/siem.cursor", test.damage(disk.bytes("/j/sinks/siem.cursor")));
    const std::size_t sent = receiver.seqs().size();
    ASSERT_GE(sent, had + 20);
    life = start();
    if (test.goes_on) {
      ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == end; }));
      EXPECT_LE(receiver.seqs().size(), sent + config.batch_records) << "at most a batch twice";
      continue;
    }
    EXPECT_EQ(life->worker.status().state, State::kStopped);
    EXPECT_TRUE(life->worker.status().why.contains("siem.cursor is damaged"));
    EXPECT_EQ(life->worker.durable_next_seq(), 1u) << "nothing may be cut from the log meanwhile";
    life->on_loop([&] { life->worker.replay(0); });
    life->on_loop([&] { life->worker.replay(end - 2); });
    ASSERT_TRUE(receiver.wait([&] { return life->worker.durable_next_seq() == end; }));
    EXPECT_EQ(receiver.seqs().size(), sent + 2) << "resume does not guess, replay says";
  }
}

TEST_F(WorkerTest, ACursorAheadOfTheLogIsNotBelieved) {
  log.refused(5);
  CursorFile cursor(disk, "/j/sinks", "siem", "gw1.example/audit");
  ASSERT_TRUE(cursor.save(400));
  const auto life = start();
  EXPECT_EQ(life->worker.status().state, State::kStopped);
  EXPECT_TRUE(life->worker.status().why.contains("ahead of the log"));
  EXPECT_TRUE(receiver.seqs().empty());
}

TEST_F(WorkerTest, AFullDiskDelaysAndLosesNothing) {
  log.refused(100);
  std::atomic<bool> full{false};
  disk.set_plan([&](audit::MemoryDisk::Operation operation, const std::string& path) {
    const bool write = operation == audit::MemoryDisk::Operation::kWrite;
    return full && write && path.contains("/sinks/") ? audit::MemoryDisk::Fault::kRefuse
                                                     : audit::MemoryDisk::Fault::kNone;
  });
  receiver.says([&](const Batch&) {
    full = true;
    return Verdict{};
  });
  const auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().attempts_failed > 2; }));
  EXPECT_EQ(receiver.seqs().size(), 10u) << "no second batch before the first is acknowledged";
  EXPECT_TRUE(life->worker.status().why.contains("cursor cannot be written"));
  receiver.says([](const Batch&) { return Verdict{}; });
  full = false;
  ASSERT_TRUE(has_all(100));
  EXPECT_EQ(receiver.seqs(), range(1, 100));
}

TEST_F(WorkerTest, RecordsThatWereDeletedBeforeTheyWereSentAreCounted) {
  log.refused(1'000);  // several segments
  const auto segments = audit::list_segments(disk, LogForTest::kPath);
  ASSERT_TRUE(segments && segments->size() > 2);
  ASSERT_TRUE(CursorFile(disk, "/j/sinks", "siem", "gw1.example/audit").save(1));
  ASSERT_TRUE(disk.remove("/j/seg/" + audit::segment_name(1)));
  const std::uint64_t first = (*segments)[1].first_seq;
  const auto life = start();
  ASSERT_TRUE(has_all(1'000 - first + 1));
  EXPECT_EQ(receiver.seqs(), range(first, 1'000));
  EXPECT_EQ(life->worker.status().dead, first - 1);
}

TEST_F(WorkerTest, ADamagedRecordOfTheLogStopsItByName) {
  log.refused(20);
  const std::string path = "/j/seg/" + audit::segment_name(1);
  std::string bytes = disk.bytes(path);
  bytes[bytes.size() / 2] ^= 1;
  disk.put(path, bytes);
  const auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return life->worker.status().state == State::kStopped; }));
  EXPECT_TRUE(life->worker.status().why.contains("damaged")) << life->worker.status().why;
}

TEST_F(WorkerTest, ATestSaysWhatTheReceiverSaidAndMovesNothing) {
  std::atomic<int> tests{0};
  receiver.says([&](const Batch& batch) {
    if (batch[0].event.action == "sink_test") ++tests;
    return Verdict{.kind = Kind::kAgain, .why = "503"};
  });
  log.refused(3);
  auto life = start();
  std::atomic<bool> told{false};
  life->on_loop([&] {
    life->worker.test([&](const Result<std::string>& said) {
      EXPECT_EQ(said.error().what, "not taken: 503");
      told = true;
    });
  });
  ASSERT_TRUE(receiver.wait([&] { return told.load(); })) << "also while the receiver is down";
  EXPECT_EQ(tests, 1);
  EXPECT_EQ(life->worker.durable_next_seq(), 1u);
}

TEST_F(WorkerTest, HoldsOneBatchHoweverFarBehind) {
  config.batch_bytes = 64u << 10;
  config.batch_records = 10'000;
  config.batch_wait = std::chrono::minutes(1);  // what is full by its bytes does not wait for more
  log.refused(5'000);
  std::atomic<std::size_t> largest{0};
  receiver.says([&](const Batch& batch) {
    std::size_t bytes = 0;
    for (const Outgoing& out : batch) bytes += out.line.size();
    largest = std::max(largest.load(), bytes);
    return Verdict{};
  });
  const auto life = start();
  ASSERT_TRUE(receiver.wait([&] { return receiver.seqs().size() > 4'000; }));
  EXPECT_LE(largest, config.batch_bytes);
  EXPECT_GT(largest, config.batch_bytes / 2);
}

}  // namespace
}  // namespace sallyport::notify
