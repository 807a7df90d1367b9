// SPDX-License-Identifier: Apache-2.0
// A key gives way to the next one under its own signature: killed between any two changes of the
// disk, the log goes on and is whole; and nobody brings a key who has not the one before it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <future>

#include "audit/accept_state.h"
#include "audit/journal.h"
#include "audit/min_index.h"
#include "audit/provable_log_for_test.h"
#include "audit/prune.h"
#include "audit/stopping_files_for_test.h"
#include "audit/verify.h"

namespace sallyport::audit {
namespace {

// On the real disk: seeds are read there alone.
class LogOnDisk {
 public:
  LogOnDisk() {
    // Hundreds of lives: where there is memory for files they take no time.
    std::string name = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    name += "/sallyport-rotation-XXXXXX";
    folder = mkdtemp(name.data());
    config.path = folder + "/journal";
    config.segment_bytes = 64 * 1024;
    fill_paths(config, folder);
  }
  ~LogOnDisk() { std::filesystem::remove_all(folder); }

  // One life of a process. What it writes into the journal itself is never cut short: the journal's
  // own tests do that.
  struct Life {
    Life(LogOnDisk& log, FileSystem& files)
        : keeper(TreeKeeper::open(log.config, files, log.clock)),
          journal(Journal::open(log.config, log.clock, log.good)) {}
    ~Life() { (*journal)->stop(); }
    void write(Event event) {
      std::promise<void> written;
      (*journal)->record(std::move(event), Durability::kSynced,
                         [&written](const auto&) { written.set_value(); });
      written.get_future().wait();
    }
    void add(int records) {
      for (int i = 0; i < records; ++i) {
        Event event;
        event.timestamp_utc = SystemClock().now();
        write(std::move(event));
      }
    }
    bool sign(int records) {
      add(records);
      return (*keeper)->step(**journal, true);
    }
    Result<std::unique_ptr<TreeKeeper>> keeper;
    Result<std::unique_ptr<Journal>> journal;
  };

  void expect_whole(const std::string& why) {
    const auto report = verify(good, config.path, {.last_signed = config.last_signed});
    ASSERT_TRUE(report) << why << report.error().what;
    for (const Problem& problem : report->problems) ADD_FAILURE() << why << problem.what;
  }
  std::size_t keys() { return KeyHistory::read(good, config.path)->terms().size(); }

  std::string folder;
  Config config;
  PosixFileSystem good;
  SystemClock clock;
};

TEST(KeyRotation, KilledAtAnyStepItIsFinishedByTheNextLife) {
  bool cut = true;
  for (std::uint64_t changes = 0; cut; ++changes) {
    const std::string why = "killed after " + std::to_string(changes) + " changes: ";
    LogOnDisk log;
    StoppingFiles files;
    {
      LogOnDisk::Life life(log, files);
      ASSERT_TRUE(life.keeper && life.journal);
      ASSERT_TRUE(life.sign(3));
      files.stop_after(changes);
      (*life.keeper)->rotate_key("local:alice", [](const auto&) {});
      (void)life.sign(1);
      (void)life.sign(1);
      cut = files.stopped();
    }
    // Whatever is there: the key never took over without the other one's signature.
    if (const auto left = KeyHistory::read(log.good, log.config.path); left->terms().size() == 2) {
      const auto& terms = left->terms();
      const auto note = find_checkpoint(log.good, log.config.path, terms[1].from);
      ASSERT_TRUE(note && *note) << why;
      EXPECT_TRUE(signed_by_both(**note, terms[0].key, terms[1].key)) << why;
    }
    {
      LogOnDisk::Life life(log, log.good);
      ASSERT_TRUE(life.keeper) << why << life.keeper.error().what;
      EXPECT_TRUE(life.sign(1)) << why;
      EXPECT_TRUE(life.sign(1)) << why;
    }
    log.expect_whole(why);
    EXPECT_FALSE(log.good.size(*log.config.signing_key + ".next")) << why;
    if (!cut) {
      EXPECT_EQ(log.keys(), 2u);
    }
    ASSERT_LT(changes, 500u);
  }
}

// While a rotation's record becomes durable, others are written behind it.
class BusyJournal final : public Recorder {
 public:
  BusyJournal(LogOnDisk::Life& life, int records) : life_(life), records_(records) {}
  void record(Event event, Durability, Done done) override {
    life_.write(std::move(event));
    const std::uint64_t seq = life_.journal.value()->durable_seq();
    life_.add(std::exchange(records_, 0));
    if (done) done(seq);
  }
  std::uint64_t durable_seq() const override { return life_.journal.value()->durable_seq(); }
  bool accepting() const override { return true; }

 private:
  LogOnDisk::Life& life_;
  int records_;
};

// The record of the rotation lies before the checkpoint at which the key took over: a prune may end
// between the two.
TEST(KeyRotation, APruneThatTakesItsRecordLeavesTheLogWhole) {
  LogOnDisk log;
  std::uint64_t pruned = 0;
  {
    LogOnDisk::Life life(log, log.good);
    ASSERT_TRUE(life.keeper && life.journal);
    ASSERT_TRUE(life.sign(3));
    (*life.keeper)->rotate_key("local:alice", [](const auto&) {});
    BusyJournal busy(life, 900);
    ASSERT_TRUE((*life.keeper)->step(busy, true)) << "the record, and its segment is filled";
    ASSERT_TRUE(life.sign(1)) << "the new key took over";
    const auto report = prune(log.good, **life.journal, log.clock,
                              {.journal = log.config.path,
                               .before = log.clock.now() + std::chrono::hours(1),
                               .keep_from = {},
                               .sign =
                                   [&life](std::uint64_t) {
                                     return (*life.keeper)->step(**life.journal, true)
                                                ? Result<void>()
                                                : fail(Code::kUnavailable, "");
                                   },
                               .policy = "test",
                               .actor = "test"});
    ASSERT_TRUE(report) << report.error().what;
    pruned = report->min_index;
  }
  const auto terms = KeyHistory::read(log.good, log.config.path)->terms();
  ASSERT_EQ(terms.size(), 2u);
  ASSERT_GT(pruned, 5u) << "the record is gone";
  ASSERT_LT(pruned, terms[1].from) << "the checkpoint lies behind the prune";
  log.expect_whole("");
}

TEST(AcceptState, KilledAtAnyStepItIsDoneByAskingAgain) {
  for (const bool new_name : {false, true}) {
    bool cut = true;
    for (std::uint64_t changes = 0; cut; ++changes) {
      const std::string why = (new_name ? "a new name, killed after " : "killed after ") +
                              std::to_string(changes) + " changes: ";
      LogOnDisk log;
      {
        LogOnDisk::Life life(log, log.good);
        ASSERT_TRUE(life.keeper && life.journal && life.sign(3));
      }
      // The key is lost.
      std::filesystem::remove(*log.config.signing_key);
      ASSERT_FALSE(TreeKeeper::open(log.config, log.good, log.clock));
      StoppingFiles files;
      int recorded = 0;
      const auto accept = [&](FileSystem& disk) {
        const auto name = new_name ? std::optional<std::string>("log2.example.com") : std::nullopt;
        return accept_state(disk, log.config, name, [&](const Accepted& what) {
          auto journal = Journal::open(log.config, log.clock, log.good);
          if (!journal) return Result<void>(std::unexpected(journal.error()));
          (*journal)->record(accepted_event(what, log.clock.now(), "test"), Durability::kSynced,
                             {});
          (*journal)->stop();
          ++recorded;
          return Result<void>();
        });
      };
      const std::string before = *log.good.read(*log.config.last_signed, 4'096);
      const auto vkeys = log.good.read(log.config.path + "/vkeys", 4'096);
      files.stop_after(changes);
      cut = !accept(files);
      if (recorded == 0) {
        EXPECT_EQ(*log.good.read(*log.config.last_signed, 4'096), before) << why;
        EXPECT_EQ(*log.good.read(log.config.path + "/vkeys", 4'096), *vkeys) << why;
      }
      if (cut) {
        const auto again = accept(log.good);
        ASSERT_TRUE(again) << why << again.error().what;
      }
      {
        LogOnDisk::Life life(log, log.good);
        ASSERT_TRUE(life.keeper) << why << life.keeper.error().what;
        EXPECT_TRUE(life.sign(1)) << why;
      }
      log.expect_whole(why);
      ASSERT_LT(changes, 500u);
    }
  }
}

// A log of 900 records that the key 's' signed up to 600, and somebody with the key 'e' alone from
// there on. He has the journal, and neither the old key nor the state.
struct Forged {
  explicit Forged(const char* action) {
    {
      const auto keeper = TreeKeeper::open(config, disk, clock);
      lines.add(600);
      EXPECT_TRUE((*keeper)->step(lines, true));
    }
    Event event;
    event.timestamp_utc = UtcTime(std::chrono::milliseconds(1'764'000'000'600));
    event.kind = Kind::kAction;
    event.action = action;
    event.detail = R"({"old":")" + key('s') + R"(","new":")" + key('e') + R"(","size":600})";
    Config his = provable_config_for_test('e');
    his.last_signed = "/his/state";
    auto state = **LastSigned::read(disk, *config.last_signed);
    state.key = key('e');
    disk.put(*his.last_signed, state.text());
    // As late as it may be: the record lies before the checkpoint that the new key begins with.
    const bool rotated = std::string_view(action) == "audit_key_rotated";
    lines.record(event, Durability::kSynced, {});
    const std::uint64_t from = rotated ? 601 : 600;
    disk.put("/j/vkeys", key('s') + " 0 " + std::to_string(from) + "\n" + key('e') + " " +
                             std::to_string(from) + " -\n");
    const auto keeper = TreeKeeper::open(his, disk, clock);
    EXPECT_TRUE(keeper) << keeper.error().what;
    if (!keeper) return;
    EXPECT_TRUE((*keeper)->step(lines, true));
    lines.add(299);
    EXPECT_TRUE((*keeper)->step(lines, true));
  }
  std::string key(char c) const {
    return SigningKey::make(config.origin, *decode_seed(*seed_for_test(c)))->verifier().text();
  }
  MemoryDisk disk;
  ManualClock clock{*parse_utc("2026-11-24T12:00:00.000Z")};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
};

TEST(ForgedRotation, IsRefusedWithoutAnyKeyThatIsPinned) {
  const Forged log("audit_key_rotated");
  MemoryDisk& disk = const_cast<MemoryDisk&>(log.disk);
  const auto alone = verify(disk, "/j");
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->ok()) << "the journal alone tells";
  bool told = false;
  for (const Problem& problem : alone->problems) told |= problem.what.contains("took over without");
  EXPECT_TRUE(told);
  EXPECT_FALSE(verify(disk, "/j", {.last_signed = log.config.last_signed})->ok());
}

TEST(ForgedRotation, AsAnActOfAnOperatorIsRefusedByTheState) {
  const Forged log("audit_state_accepted");
  MemoryDisk& disk = const_cast<MemoryDisk&>(log.disk);
  EXPECT_EQ(verify(disk, "/j")->accepted_keys, 1u) << "the journal alone cannot tell";
  EXPECT_FALSE(verify(disk, "/j", {.last_signed = log.config.last_signed})->ok());
}

// The same log where an operator did it: the key 's' was lost after 600 records, and 'e' accepted.
struct AcceptedLog {
  AcceptedLog() {
    sign(config, 600);
    Event event;
    event.action = "audit_state_accepted";
    event.detail = R"({"new":")" + key('e') + R"(","size":600})";
    record(event);
    auto state = **LastSigned::read(disk, *config.last_signed);
    state.key = key('e');
    disk.put(*config.last_signed, state.text());
    disk.put("/j/vkeys", key('s') + " 0 600\n" + key('e') + " 600 -\n");
    config.signing_seed = seed_for_test('e');
    sign(config, 100);
    lines.seal();
    sign(config, 100);
  }
  void prune() {
    Event event;
    event.action = "audit_pruned";
    event.detail = R"({"min_index":701})";
    record(event);
    sign(config, 1);
    EXPECT_TRUE(write_min_index(disk, "/j", {701, 802}));
    EXPECT_TRUE(disk.remove("/j/seg/" + segment_name(1)));
  }
  void record(Event& event) {
    event.timestamp_utc =
        UtcTime(std::chrono::milliseconds(1'764'000'000'000 + lines.durable_seq()));
    event.kind = Kind::kAction;
    lines.record(event, Durability::kSynced, {});
  }
  void sign(const Config& with, std::uint64_t records) {
    const auto keeper = TreeKeeper::open(with, disk, clock);
    ASSERT_TRUE(keeper) << keeper.error().what;
    lines.add(records);
    EXPECT_TRUE((*keeper)->step(lines, true));
  }
  std::string key(char c) const {
    return SigningKey::make(config.origin, *decode_seed(*seed_for_test(c)))->verifier().text();
  }
  MemoryDisk disk;
  ManualClock clock{*parse_utc("2026-11-24T12:00:00.000Z")};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
};

// Where its record was pruned the state alone vouches for an accepted key, and it is counted.
TEST(AcceptState, AnAcceptedKeyWhoseRecordWasPrunedIsCounted) {
  AcceptedLog accepted;
  MemoryDisk& disk = accepted.disk;
  const VerifyOptions with_state{.last_signed = accepted.config.last_signed};
  EXPECT_EQ(verify(disk, "/j", with_state)->accepted_keys, 1u);
  accepted.prune();
  const auto report = verify(disk, "/j", with_state);
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
  EXPECT_EQ(report->accepted_keys, 1u);
  EXPECT_FALSE(verify(disk, "/j")->ok()) << "in a copy without the state nothing vouches for it";
}

TEST(ForgedRotation, IsNotSignedOn) {
  Forged log("audit_key_rotated");
  EXPECT_EQ(TreeKeeper::open(log.config, log.disk, log.clock).error().code, Code::kDenied);
  // Also where nothing was signed behind it and the forger has put his key in the place of ours.
  Forged other("audit_key_rotated");
  const auto note = *find_checkpoint(other.disk, "/j", 600);
  other.disk.put("/j/checkpoint", *note);
  other.disk.put("/j/vkeys", other.key('s') + " 0 600\n" + other.key('e') + " 600 -\n");
  other.config.signing_seed = seed_for_test('e');
  const auto keeper = TreeKeeper::open(other.config, other.disk, other.clock);
  ASSERT_FALSE(keeper);
  EXPECT_TRUE(keeper.error().what.contains("the signing key is")) << keeper.error().what;
}

}  // namespace
}  // namespace sallyport::audit
