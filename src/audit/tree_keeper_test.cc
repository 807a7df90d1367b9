// SPDX-License-Identifier: Apache-2.0
// What is signed, when, and above all when not.
#include "audit/tree_keeper.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "audit/journal.h"
#include "audit/provable_log_for_test.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

UtcTime noon() { return *parse_utc("2026-11-24T12:00:00.000Z"); }

class KeeperTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<TreeKeeper>> open() { return TreeKeeper::open(config, disk, clock); }
  std::unique_ptr<TreeKeeper> opened() {
    auto keeper = open();
    EXPECT_TRUE(keeper) << (keeper ? "" : keeper.error().what);
    return keeper ? std::move(*keeper) : nullptr;
  }
  // One life of a process: opens, signs what is there, and ends.
  void sign_all() {
    const auto keeper = opened();
    ASSERT_TRUE(keeper);
    EXPECT_TRUE(keeper->step(lines, true));
  }
  std::uint64_t signed_size() {
    const auto note = read_checkpoint(disk, "/j");
    if (!note || !*note) return 0;
    return Checkpoint::parse(Note::parse(**note)->text)->size;
  }
  VerifierKey key() {
    return SigningKey::make(config.origin, *decode_seed(*config.signing_seed))->verifier();
  }

  MemoryDisk disk;
  ManualClock clock{noon()};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
};

TEST_F(KeeperTest, SignsWhatIsThereAndVerifies) {
  lines.add(700);
  sign_all();
  const Checkpoint checkpoint = checkpoint_on(disk, "/j", key());
  EXPECT_EQ(checkpoint.origin, "log.example.com/audit");
  EXPECT_EQ(checkpoint.size, 700u);
  TileReader tiles(disk, "/j", 700);
  EXPECT_EQ(*tree_root(tiles, 700), checkpoint.root);
}

TEST_F(KeeperTest, SignsOnlyWhenThereIsSomethingNewAndItIsDue) {
  const auto keeper = opened();
  EXPECT_TRUE(keeper->step(lines, true));
  EXPECT_EQ(signed_size(), 0u) << "an empty log has no checkpoint";
  lines.add(3);
  EXPECT_TRUE(keeper->step(lines, false));
  EXPECT_EQ(signed_size(), 3u) << "the first record is signed at once";
  lines.add(2);
  EXPECT_TRUE(keeper->step(lines, false));
  EXPECT_EQ(signed_size(), 3u) << "not before its time";
  clock.advance(1s);
  EXPECT_TRUE(keeper->step(lines, false));
  EXPECT_EQ(signed_size(), 5u);
  const std::string note = disk.bytes("/j/checkpoint");
  clock.advance(10s);
  EXPECT_TRUE(keeper->step(lines, true));
  EXPECT_EQ(disk.bytes("/j/checkpoint"), note);
  EXPECT_EQ(keeper->counters().checkpoints, 2u);
  lines.add(14'000);
  clock.advance(1ms);
  EXPECT_TRUE(keeper->step(lines, false));
  EXPECT_GE(signed_size(), 10'000u) << "so many do not wait for the clock";
}

TEST_F(KeeperTest, GoesOnAfterARestartAndKeepsEveryCheckpoint) {
  std::uint64_t total = 0;
  for (const std::uint64_t count : {1, 254, 1, 1, 255, 256, 700}) {
    lines.add(count);
    total += count;
    sign_all();
    EXPECT_EQ(signed_size(), total);
  }
  std::vector<std::uint64_t> sizes;
  ASSERT_TRUE(each_kept_checkpoint(disk, "/j", [&](std::string_view note) {
    const auto verified = verify_note(note, {key()});
    EXPECT_TRUE(verified);
    const auto checkpoint = Checkpoint::parse(verified->text);
    TileReader tiles(disk, "/j", checkpoint->size);
    EXPECT_EQ(*tree_root(tiles, checkpoint->size), checkpoint->root);
    sizes.push_back(checkpoint->size);
    return true;
  }));
  EXPECT_EQ(sizes, (std::vector<std::uint64_t>{1, 255, 256, 257, 512, 768, 1'468}));
  EXPECT_EQ(*find_checkpoint(disk, "/j", 512), *find_checkpoint(disk, "/j", 512));
  EXPECT_TRUE(find_checkpoint(disk, "/j", 512)->has_value());
  EXPECT_FALSE(find_checkpoint(disk, "/j", 511)->has_value());
}

TEST_F(KeeperTest, TheLastSignedStateLiesOutsideOfTheJournal) {
  lines.add(5);
  sign_all();
  EXPECT_EQ(*config.last_signed, "/store/j.last_signed");
  const auto state = LastSigned::read(disk, *config.last_signed);
  ASSERT_TRUE(state && *state);
  EXPECT_EQ((*state)->size, 5u);
  EXPECT_EQ((*state)->key, key().text());
}

struct Tampered {
  MemoryDisk disk;
  ManualClock clock{noon()};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
};

TEST(TamperedLog, IsNotSignedOn) {
  const struct {
    const char* why;
    std::function<void(Tampered&)> change;
    const char* says;
    const char* remedy;
  } cases[] = {
      {"an older copy of the journal", [](Tampered& t) { t.lines.go_back_to(500); },
       "it has 500 records, but 600 were signed", "--new-origin"},
      {"an older copy that grew again",
       [](Tampered& t) {
         t.lines.go_back_to(500);
         t.lines.add(200, "x");
       },
       "another history", "--new-origin"},
      {"one record was changed, crc and all",
       [](Tampered& t) {
         t.lines.go_back_to(599);
         t.lines.add(1, "x");
       },
       "another history", "audit verify"},
      {"the state is gone", [](Tampered& t) { (void)t.disk.remove("/store/j.last_signed"); },
       "/store/j.last_signed is missing", "accept-state"},
      {"the state is an older copy",
       [](Tampered& t) {
         auto last = LastSigned::read(t.disk, "/store/j.last_signed");
         (*last)->size = 300;
         t.disk.put("/store/j.last_signed", (*last)->text());
       },
       "older copy", "accept-state"},
      {"the state is damaged", [](Tampered& t) { t.disk.put("/store/j.last_signed", "nonsense"); },
       "not a last-signed state", ""},
      {"another key", [](Tampered& t) { t.config.signing_seed = seed_for_test('k'); },
       "the signing key is log.example.com/audit+", "rotate-key"},
      {"another origin in the configuration",
       [](Tampered& t) { t.config.origin = "other.example.com"; }, "a log keeps its name",
       "--new-origin"},
      {"another log in its place",
       [](Tampered& t) {
         t.disk.put("/j/origin", "other.example.com\n");
         t.config.origin = "";
       },
       "it is other.example.com", "--new-origin"},
      {"the journal was moved away",
       [](Tampered& t) {
         for (const char* name : {"/j/origin", "/j/checkpoint", "/j/vkeys"}) {
           (void)t.disk.remove(name);
         }
         t.lines.go_back_to(0);
       },
       "moved away", "--new-origin"},
  };
  for (const auto& c : cases) {
    Tampered log;
    log.lines.add(600);
    {
      const auto keeper = TreeKeeper::open(log.config, log.disk, log.clock);
      ASSERT_TRUE(keeper && (*keeper)->step(log.lines, true));
    }
    c.change(log);
    const auto keeper = TreeKeeper::open(log.config, log.disk, log.clock);
    ASSERT_FALSE(keeper) << c.why;
    EXPECT_NE(keeper.error().what.find(c.says), std::string::npos)
        << c.why << ": " << keeper.error().what;
    EXPECT_NE(keeper.error().what.find(c.remedy), std::string::npos)
        << c.why << ": " << keeper.error().what;
  }
}

TEST_F(KeeperTest, TilesAreMadeAgainFromTheRecords) {
  lines.add(1'000);
  sign_all();
  const std::map<std::string, std::string> good = {
      {"/j/tile/0/000", disk.bytes("/j/tile/0/000")},
      {"/j/tile/0/003.p/232", disk.bytes("/j/tile/0/003.p/232")},
      {"/j/tile/1/000.p/3", disk.bytes("/j/tile/1/000.p/3")}};
  for (const auto& [path, bytes] : good) {
    ASSERT_FALSE(bytes.empty()) << path;
    for (const bool gone : {true, false}) {
      std::string damaged = bytes;
      damaged[40] = static_cast<char>(damaged[40] ^ 1);
      if (gone) {
        (void)disk.remove(path);
      } else {
        disk.put(path, damaged);
      }
      // A damaged full tile behind the edge is no matter of a start; `audit verify` finds it.
      const auto keeper = opened();
      ASSERT_TRUE(keeper) << path;
      if (path == "/j/tile/0/000") {
        disk.put(path, bytes);
        continue;
      }
      EXPECT_EQ(disk.bytes(path), bytes) << path;
    }
  }
}

TEST_F(KeeperTest, ASecondProcessIsRefused) {
  const auto first = opened();
  EXPECT_EQ(open().error().code, Code::kDenied);
}

TEST_F(KeeperTest, AStateThatSomebodyElseMovedIsNotSignedOver) {
  lines.add(10);
  const auto keeper = opened();
  ASSERT_TRUE(keeper->step(lines, true));
  auto state = **LastSigned::read(disk, *config.last_signed);
  state.size = 99;
  disk.put(*config.last_signed, state.text());
  lines.add(10);
  EXPECT_FALSE(keeper->step(lines, true));
  EXPECT_EQ(signed_size(), 10u);
  EXPECT_EQ(keeper->counters().refusals, 1u);
  EXPECT_TRUE(keeper->counters().refusing);
}

TEST_F(KeeperTest, ADamagedRecordIsNeverSigned) {
  lines.add(10);
  const auto keeper = opened();
  ASSERT_TRUE(keeper->step(lines, true));
  lines.add(10);
  std::string& bytes = lines.bytes();
  bytes[bytes.find("req_15")] = 'R';
  lines.write();
  EXPECT_FALSE(keeper->step(lines, true));
  EXPECT_FALSE(keeper->step(lines, true));
  EXPECT_EQ(signed_size(), 10u);
  bytes[bytes.find("Req_15")] = 'r';
  lines.write();
  EXPECT_TRUE(keeper->step(lines, true)) << "nothing is lost";
  EXPECT_EQ(signed_size(), 20u);
  EXPECT_FALSE(keeper->counters().refusing);
}

// Whatever the disk refuses and whenever the process dies: a checkpoint that was published is under
// the state, and the next life goes on from it.
TEST_F(KeeperTest, SurvivesFaultsAndPowerCuts) {
  std::mt19937 random(11);
  std::uint64_t seen = 0;
  for (int life = 0; life < 14; ++life) {
    disk.thaw();
    auto keeper = opened();
    ASSERT_TRUE(keeper) << life;
    disk.set_plan([&](MemoryDisk::Operation operation, const std::string& path) {
      const bool ours = !path.starts_with("/j/seg") && operation != MemoryDisk::Operation::kRead;
      return ours && random() % 25 == 0 ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
    });
    for (int i = 0; i < 10; ++i) {
      lines.add(random() % 90);
      if (!keeper->step(lines, true)) continue;
      EXPECT_EQ(signed_size(), lines.durable_seq());
      EXPECT_GE(signed_size(), seen);
      seen = signed_size();
    }
    disk.freeze();
    keeper.reset();
    disk.cut_power();
    lines.write();
    disk.thaw();
    const auto state = LastSigned::read(disk, *config.last_signed);
    ASSERT_TRUE(state && *state);
    EXPECT_GE((*state)->size, signed_size());
    EXPECT_GE(signed_size(), seen) << "what was published stays";
  }
  sign_all();
  EXPECT_EQ(signed_size(), lines.durable_seq());
}

TEST_F(KeeperTest, ACosignatureJoinsTheCheckpointItIsOf) {
  lines.add(4);
  const auto keeper = opened();
  ASSERT_TRUE(keeper->step(lines, true));
  const auto published = keeper->published();
  const auto witness =
      SigningKey::make("w.example", std::make_shared<const Secret>(std::string(32, 'w')));
  std::string line = witness->sign(published->text);
  line.pop_back();
  ASSERT_TRUE(keeper->add_cosignature(*published, line));
  const auto verified = verify_note(disk.bytes("/j/checkpoint"), {witness->verifier(), key()});
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->by.size(), 2u);
}

TEST_F(KeeperTest, ACosignatureOfAnOlderCheckpointIsKeptInTheHistory) {
  lines.add(4);
  const auto keeper = opened();
  ASSERT_TRUE(keeper->step(lines, true));
  const auto old = keeper->published();
  std::string newest;
  std::vector<VerifierKey> keys{key()};
  for (const char c : {'u', 'v', 'w'}) {
    const auto witness = SigningKey::make(std::string(1, c) + ".example",
                                          std::make_shared<const Secret>(std::string(32, c)));
    std::string line = witness->sign(old->text);
    line.pop_back();
    ASSERT_TRUE(keeper->add_cosignature(*old, line));
    keys.push_back(witness->verifier());
    if (c != 'u') continue;  // the first is in time
    lines.add(4);
    ASSERT_TRUE(keeper->step(lines, true));
    newest = disk.bytes("/j/checkpoint");
  }
  EXPECT_EQ(disk.bytes("/j/checkpoint"), newest);
  const auto kept = find_checkpoint(disk, "/j", 4);
  ASSERT_TRUE(kept && *kept);
  const auto verified = verify_note(**kept, keys);
  ASSERT_TRUE(verified);
  EXPECT_EQ(verified->by.size(), 4u);
}

// While checkpoints are published and cosigned at once, what is published never goes back.
TEST_F(KeeperTest, ACosignatureNeverBringsBackAnOlderCheckpoint) {
  const auto witness =
      SigningKey::make("w.example", std::make_shared<const Secret>(std::string(32, 'w')));
  lines.add(1);
  const auto keeper = opened();
  ASSERT_TRUE(keeper->step(lines, true));
  std::atomic<bool> stop = false;
  std::thread cosigner([&] {
    while (!stop) {
      const auto now = keeper->published();
      std::string line = witness->sign(now->text);
      line.pop_back();
      (void)keeper->add_cosignature(*now, line);
    }
  });
  std::uint64_t back = 0;
  for (std::uint64_t size = 2; size < 400; ++size) {
    lines.add(1);
    EXPECT_TRUE(keeper->step(lines, true));
    if (signed_size() != size) ++back;
  }
  stop = true;
  cosigner.join();
  EXPECT_EQ(signed_size(), 399u);
  EXPECT_EQ(back, 0u);
}

TEST_F(KeeperTest, WhatAnAdministratorDidIsSignedAtOnce) {
  const auto keeper = opened();
  lines.add(3);
  ASSERT_TRUE(keeper->step(lines, false));
  lines.add(2);
  ASSERT_TRUE(keeper->step(lines, false));
  EXPECT_EQ(signed_size(), 3u) << "requests wait for the clock";
  for (const Kind kind : {Kind::kAdmin, Kind::kAction}) {
    Event event;
    event.timestamp_utc = noon();
    event.kind = kind;
    event.action = "key.revoke";
    lines.record(event, Durability::kSynced, {});
    ASSERT_TRUE(keeper->step(lines, false));
    EXPECT_EQ(signed_size(), lines.durable_seq());
  }
}

TEST(AppendFile, AFullDiskLeavesNoHalfLine) {
  MemoryDisk disk;
  ASSERT_TRUE(append_file(disk, "/d", "f", "one\n"));
  int refused = 0;
  disk.set_plan([&](MemoryDisk::Operation operation, const std::string&) {
    const bool now = operation == MemoryDisk::Operation::kWrite && refused++ < 20;
    return now ? MemoryDisk::Fault::kRefuse : MemoryDisk::Fault::kNone;
  });
  while (!append_file(disk, "/d", "f", "two, which is longer\n")) {
    EXPECT_EQ(disk.bytes("/d/f"), "one\n");
  }
  EXPECT_EQ(disk.bytes("/d/f"), "one\ntwo, which is longer\n");
}

// On the real disk, with the real journal and its own thread.
class KeeperOnDisk : public ::testing::Test {
 protected:
  KeeperOnDisk() {
    char name[] = "/tmp/sallyport-keeper-XXXXXX";
    folder = mkdtemp(name);
    config.path = folder + "/journal";
    config.checkpoint_every = 10ms;
    fill_paths(config, folder);
  }
  ~KeeperOnDisk() override { std::filesystem::remove_all(folder); }
  static void record(Journal& journal) {
    Event event;
    event.timestamp_utc = SystemClock().now();
    journal.record(std::move(event), Durability::kSynced, {});
  }
  std::string folder;
  Config config;
  PosixFileSystem files;
  SystemClock clock;
};

TEST_F(KeeperOnDisk, SignsTheLastRecordWhenItStops) {
  auto keeper = TreeKeeper::open(config, files, clock);
  ASSERT_TRUE(keeper) << keeper.error().what;
  auto journal = Journal::open(config, clock, files);
  ASSERT_TRUE(journal);
  (*keeper)->start(**journal);
  for (int i = 0; i < 500; ++i) record(**journal);
  (*journal)->stop();
  (*keeper)->stop();
  EXPECT_EQ((*keeper)->published()->size, 500u);
  EXPECT_TRUE((*keeper)->origin().starts_with("sallyport.local/"));
  struct stat status{};
  ASSERT_EQ(::stat(config.signing_key->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(KeeperOnDisk, ARotationIsRecordedAndSignedByBoth) {
  auto keeper = TreeKeeper::open(config, files, clock);
  ASSERT_TRUE(keeper);
  auto journal = Journal::open(config, clock, files);
  ASSERT_TRUE(journal);
  (*keeper)->start(**journal);
  record(**journal);
  const auto next = (*keeper)->rotate_key("local:alice");
  ASSERT_TRUE(next) << next.error().what;
  const auto history = KeyHistory::read(files, config.path);
  ASSERT_TRUE(history);
  ASSERT_EQ(history->terms().size(), 2u);
  const std::uint64_t at = history->terms()[1].from;
  EXPECT_EQ(history->current()->text(), *next);
  const auto note = find_checkpoint(files, config.path, at);
  ASSERT_TRUE(note && *note);
  EXPECT_EQ(verify_note(**note, history->in_force(at))->by.size(), 2u);
  record(**journal);
  (*journal)->stop();
  (*keeper)->stop();
  EXPECT_TRUE(verify_note((*keeper)->published()->note, {*history->current()}));
  EXPECT_EQ(history->in_force(at + 1).size(), 1u);
  keeper->reset();

  auto again = TreeKeeper::open(config, files, clock);
  ASSERT_TRUE(again) << again.error().what;
  again->reset();
  std::filesystem::permissions(*config.signing_key, std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  EXPECT_EQ(TreeKeeper::open(config, files, clock).error().code, Code::kDenied);
}

TEST(SignedState, ReadsBackAndRefusesTheRest) {
  const SignedState state{.origin = "a", .size = 7, .root = empty_root(), .key = "a+b+c"};
  EXPECT_EQ(*SignedState::parse(state.text()), state);
  for (std::size_t size = 0; size < state.text().size(); ++size) {
    EXPECT_FALSE(SignedState::parse(state.text().substr(0, size))) << size;
  }
}

TEST(KeyHistory, RefusesWhatDoesNotFollow) {
  const auto key = [](char c) {
    return VerifierKey::of("a", SignatureType::kEd25519, std::string(32, c)).text();
  };
  EXPECT_TRUE(KeyHistory::parse(""));
  EXPECT_TRUE(KeyHistory::parse(key('a') + " 0 -\n"));
  EXPECT_TRUE(KeyHistory::parse(key('a') + " 0 9\n" + key('b') + " 9 -\n"));
  for (const std::string& bad :
       {key('a') + " 0 9\n", key('a') + " 1 -\n", key('a') + " 0 -\n" + key('b') + " 9 -\n",
        key('a') + " 0 9\n" + key('b') + " 8 -\n", key('a') + " 0 9\n" + key('b') + " 10 -\n",
        key('a') + " 0 -", std::string("x 0 -\n"), key('a') + " 0 - more\n"}) {
    EXPECT_FALSE(KeyHistory::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport::audit
