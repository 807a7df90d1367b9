// SPDX-License-Identifier: Apache-2.0
// Thousands of injected faults: whatever the disk does, an acknowledged record is there exactly
// once, and no damage stands in the middle of the log.
#include <gtest/gtest.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "audit/follower.h"
#include "audit/journal.h"
#include "audit/memory_disk.h"
#include "audit/reader.h"
#include "audit/verify.h"
#include "base/log.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

enum class End { kStop, kKill, kPowerCut };

// What the journal promised, as the callers heard it. A record's name is kind and request id.
class Promises {
 public:
  Recorder::Done expect(std::string name, Durability until) {
    const std::lock_guard lock(mutex_);
    ++waiting_;
    return [this, name = std::move(name), until](Result<std::uint64_t> answer) {
      const std::lock_guard lock(mutex_);
      if (answer) kept_[name] = {*answer, until};
      if (!answer) ++refused_;
      --waiting_;
      idle_.notify_all();
    };
  }
  void wait() {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return waiting_ == 0; });
  }
  void wait_below(int waiting_max) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [&] { return waiting_ < waiting_max; });
  }
  // A power cut may take what was only written.
  void forget_written() {
    std::erase_if(kept_, [](const auto& p) { return p.second.until == Durability::kWritten; });
  }
  struct Kept {
    std::uint64_t seq = 0;
    Durability until = Durability::kWritten;
  };
  const std::map<std::string, Kept>& kept() const { return kept_; }
  int refused() const { return refused_; }

 private:
  std::mutex mutex_;
  std::condition_variable idle_;
  int waiting_ = 0;
  int refused_ = 0;
  std::map<std::string, Kept> kept_;
};

Event event_of(Kind kind, const std::string& id, std::mt19937_64& random) {
  Event event;
  event.timestamp_utc = UtcTime(1'764'000'000s) + std::chrono::milliseconds(random() % 5'000);
  event.kind = kind;
  event.request_id = id;
  event.endpoint = std::string(random() % 200, 'e');
  return event;
}

// Every promise is kept, exactly once, and the log is whole.
void expect_kept(MemoryDisk& disk, const Promises& promises, const std::string& why) {
  const auto report = verify(disk, "/j");
  ASSERT_TRUE(report) << why;
  for (const Problem& problem : report->problems) {
    ADD_FAILURE() << why << ": record " << problem.seq << " " << problem.what;
  }
  EXPECT_EQ(report->open_intents, 0u) << why << ": a start closes what was open";
  std::map<std::string, std::uint64_t> found;
  const auto reader = Reader::open(disk, "/j");
  ASSERT_TRUE(reader) << why;
  const auto read = reader->each(Order::kOldestFirst, {}, [&](const Record& record) {
    const std::string name =
        std::string(line_kind(record.line)) + " " + std::string(line_request_id(record.line));
    if (!name.ends_with(' ')) {
      EXPECT_TRUE(found.emplace(name, record.seq).second) << why << ": twice: " << name;
    }
    return true;
  });
  EXPECT_TRUE(read) << why;
  for (const auto& [name, kept] : promises.kept()) {
    const auto there = found.find(name);
    ASSERT_NE(there, found.end()) << why << ": lost: " << name << " with seq " << kept.seq;
    EXPECT_EQ(there->second, kept.seq) << why << ": another seq: " << name;
  }
}

// A reader beside the journal: what it was given while the disk failed must be the log of the end,
// byte for byte, or a tree over it would be a forgery.
class Copy {
 public:
  void follow(Follower& follower, std::uint64_t durable_seq, const std::string& why) {
    const auto read = follower.read(durable_seq, 4'000, [this](const Record& record) {
      lines_.push_back(std::string(record.line));
      return true;
    });
    ASSERT_TRUE(read) << why << ": " << read.error().what;
    ASSERT_EQ(follower.next_seq(), lines_.size() + 1) << why;
  }
  std::uint64_t next_seq() const { return lines_.size() + 1; }

  void expect_same(MemoryDisk& disk, const std::string& why) const {
    std::uint64_t seen = 0;
    const auto reader = Reader::open(disk, "/j");
    ASSERT_TRUE(reader) << why;
    (void)reader->each(Order::kOldestFirst, {}, [&](const Record& record) {
      if (record.seq > lines_.size()) return false;
      EXPECT_EQ(record.line, lines_[record.seq - 1]) << why << " seq " << record.seq;
      ++seen;
      return true;
    });
    EXPECT_EQ(seen, lines_.size()) << why;
  }

 private:
  std::vector<std::string> lines_;
};

struct Totals {
  std::uint64_t faults = 0;
  std::uint64_t kept = 0;
  std::uint64_t refused = 0;
  std::uint64_t followed = 0;
};

// Three lives of one journal on one disk, each with faults and its own end.
void run_lives(std::uint64_t seed, Totals& totals) {
  std::mt19937_64 random(seed);
  MemoryDisk disk(seed);
  SystemClock clock;
  Config config{.path = "/j"};
  config.segment_bytes =
      2'000 + random() % 20'000;  // so that faults also meet the change of segments
  const Limits limits{
      .batch_records_max = 1 + random() % 16,
      .sync_owed = 0ms,
      .sync_shared = std::chrono::milliseconds(seed % 16 == 0),  // shared in some worlds
      .backoff_first = 0ms,
      .backoff_max = 0ms,
      .allocate_bytes = std::size_t{512} << (random() % 6),
      .segment_bytes_min = 0};
  Promises promises;
  Copy copy;
  for (int life = 0; life < 3; ++life) {
    const std::string why = "seed " + std::to_string(seed) + " life " + std::to_string(life);
    auto journal = Journal::open(config, clock, disk, limits);
    ASSERT_TRUE(journal) << why << ": " << journal.error().what;
    std::mt19937_64 dice(random());
    const std::uint64_t odds = 3 + random() % 40;
    disk.set_plan([dice, odds](MemoryDisk::Operation operation, const std::string&) mutable {
      if (operation == MemoryDisk::Operation::kRead || dice() % odds != 0) {
        return MemoryDisk::Fault::kNone;
      }
      const bool is_write = operation == MemoryDisk::Operation::kWrite;
      return is_write && dice() % 2 ? MemoryDisk::Fault::kShort : MemoryDisk::Fault::kRefuse;
    });
    Follower follower(disk, "/j", copy.next_seq());
    const int requests = 5 + static_cast<int>(random() % 60);
    const int in_flight_max = 1 + static_cast<int>(random() % 20);
    for (int i = 0; i < requests; ++i) {
      const std::string id = std::to_string(life) + "_" + std::to_string(i);
      const auto outcome = random() % 2 ? Durability::kSynced : Durability::kWritten;
      (*journal)->record(event_of(Kind::kIntent, id, random), Durability::kSynced,
                         promises.expect("intent " + id, Durability::kSynced));
      if (random() % 4) {
        (*journal)->record(event_of(Kind::kRequest, id, random), outcome,
                           promises.expect("request " + id, outcome));
      }
      promises.wait_below(in_flight_max);
      if (random() % 4 == 0) {
        ASSERT_NO_FATAL_FAILURE(copy.follow(follower, (*journal)->durable_seq(), why));
      }
      while (random() % 8 != 0 && !(*journal)->accepting()) std::this_thread::yield();
    }
    const End end = static_cast<End>(random() % 3);
    if (end == End::kStop) (*journal)->stop();
    disk.freeze();
    journal->reset();
    promises.wait();
    if (end == End::kPowerCut) {
      promises.forget_written();
      disk.cut_power();
    }
    totals.faults += disk.take_faults();
    disk.thaw();

    auto again = Journal::open(config, clock, disk, limits);
    ASSERT_TRUE(again) << why << ": " << again.error().what;
    again->reset();
    ASSERT_NO_FATAL_FAILURE(expect_kept(disk, promises, why));
    ASSERT_NO_FATAL_FAILURE(copy.expect_same(disk, why));
  }
  totals.followed += copy.next_seq() - 1;
  totals.kept += promises.kept().size();
  totals.refused += static_cast<std::uint64_t>(promises.refused());
}

TEST(JournalFaultTest, Invariant1NothingAcknowledgedIsLostOrDoubledByAFailingDisk) {
  log::configure(log::Level::kError, false);
  ::testing::internal::CaptureStderr();
  Totals totals;
  // How many faults a life meets depends on how threads interleave: go on until there were enough.
  for (std::uint64_t seed = 1; seed <= 250 || (totals.faults <= 3'000 && seed <= 2'500); ++seed) {
    run_lives(seed, totals);
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
  (void)::testing::internal::GetCapturedStderr();
  RecordProperty("faults", static_cast<int>(totals.faults));
  EXPECT_GT(totals.faults, 3'000u);
  EXPECT_GT(totals.kept, 5'000u);
  EXPECT_GT(totals.refused, 100u);
  EXPECT_GT(totals.followed, 2'000u);
}

}  // namespace
}  // namespace sallyport::audit
