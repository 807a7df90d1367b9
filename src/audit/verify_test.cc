// SPDX-License-Identifier: Apache-2.0
// Every way to alter a log that its checkpoints were made of is found out.
#include "audit/verify.h"

#include <gtest/gtest.h>

#include "audit/min_index.h"
#include "audit/provable_log_for_test.h"

namespace sallyport::audit {
namespace {

// 900 records in two segments, checkpoints of 300, 600 and 900.
struct Log {
  Log() {
    const auto keeper = TreeKeeper::open(config, disk, clock);
    EXPECT_TRUE(keeper);
    for (int i = 0; i < 3; ++i) {
      lines.add(300);
      EXPECT_TRUE((*keeper)->step(lines, true));
      if (i == 0) old_checkpoint = disk.bytes("/j/checkpoint");
      if (i == 0) lines.seal();
    }
  }
  Result<VerifyReport> verify(int threads = 1) {
    return audit::verify(disk, "/j", {.threads = threads, .last_signed = config.last_signed});
  }
  void flip(const std::string& path, std::size_t at) {
    std::string bytes = disk.bytes(path);
    ASSERT_LT(at, bytes.size()) << path;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    disk.put(path, bytes);
  }
  // The second segment with its lines in another order; crcs and seqs are made right again.
  void rewrite(const std::function<void(std::vector<std::string>&)>& change) {
    std::vector<std::string> all;
    std::string_view rest = lines.bytes();
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      all.emplace_back(line.substr(0, line.rfind(",\"seq\":")));
      rest.remove_prefix(end + 1);
    }
    change(all);
    std::string bytes;
    std::uint64_t seq = 300;
    for (std::string& line : all) {
      close_line(line, 0, {.seq = ++seq, .synced = {}});
      bytes += line + "\n";
    }
    disk.put(second, bytes);
  }

  MemoryDisk disk;
  ManualClock clock{*parse_utc("2026-11-24T12:00:00.000Z")};
  Config config = provable_config_for_test();
  LinesForTest lines{disk};
  std::string old_checkpoint;
  const std::string first = "/j/seg/" + segment_name(1);
  const std::string second = "/j/seg/" + segment_name(301);
};

TEST(Verify, AGoodLogIsWhole) {
  Log log;
  for (const int threads : {1, 3}) {
    const auto report = log.verify(threads);
    ASSERT_TRUE(report);
    for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
    EXPECT_EQ(report->records, 900u);
    EXPECT_EQ(report->signed_size, 900u);
    EXPECT_EQ(report->checkpoints, 3u);
    EXPECT_EQ(report->origin, "log.example.com/audit");
  }
}

const std::string kNotes = "/j/checkpoints/2026/11/24.notes";

TEST(Verify, FindsEveryAlteration) {
  const struct {
    const char* why;
    std::function<void(Log&)> change;
  } cases[] = {
      {"a bit of a record", [](Log& l) { l.flip(l.first, 100); }},
      {"a bit of the last record", [](Log& l) { l.flip(l.second, l.lines.bytes().size() - 50); }},
      {"a record altered, its crc made right",
       [](Log& l) {
         l.rewrite([](auto& all) { all[7].replace(all[7].find("req_"), 5, "req_9"); });
       }},
      {"a record removed and the rest renumbered",
       [](Log& l) { l.rewrite([](auto& all) { all.erase(all.begin() + 5); }); }},
      {"two records swapped", [](Log& l) { l.rewrite([](auto& a) { std::swap(a[5], a[6]); }); }},
      {"a record twice", [](Log& l) { l.rewrite([](auto& a) { a.insert(a.begin() + 5, a[5]); }); }},
      {"the end cut off", [](Log& l) { l.rewrite([](auto& a) { a.resize(a.size() - 1); }); }},
      {"the first segment gone", [](Log& l) { (void)l.disk.remove(l.first); }},
      {"the first segment gone, and min_index written",
       [](Log& l) {
         (void)l.disk.remove(l.first);
         (void)write_min_index(l.disk, "/j", {300, 301});
       }},
      {"the last segment gone", [](Log& l) { (void)l.disk.remove(l.second); }},
      {"a bit of a full tile", [](Log& l) { l.flip("/j/tile/0/001", 33); }},
      {"a bit of a partial tile", [](Log& l) { l.flip("/j/tile/0/003.p/132", 33); }},
      {"a bit of an upper tile", [](Log& l) { l.flip("/j/tile/1/000.p/3", 33); }},
      {"a tile cut short",
       [](Log& l) { l.disk.put("/j/tile/0/001", l.disk.bytes("/j/tile/0/001").substr(0, 8'160)); }},
      {"a tile gone", [](Log& l) { (void)l.disk.remove("/j/tile/0/000"); }},
      {"a bit of the checkpoint's size", [](Log& l) { l.flip("/j/checkpoint", 22); }},
      {"a bit of the checkpoint's root", [](Log& l) { l.flip("/j/checkpoint", 30); }},
      {"a bit of the signature",
       [](Log& l) { l.flip("/j/checkpoint", l.disk.bytes("/j/checkpoint").size() - 20); }},
      {"an old checkpoint put back", [](Log& l) { l.disk.put("/j/checkpoint", l.old_checkpoint); }},
      {"an old checkpoint and an old history",
       [](Log& l) {
         l.disk.put("/j/checkpoint", l.old_checkpoint);
         l.disk.put(kNotes, l.old_checkpoint + "\n");
       }},
      {"no checkpoint", [](Log& l) { (void)l.disk.remove("/j/checkpoint"); }},
      {"a bit of the history", [](Log& l) { l.flip(kNotes, 30); }},
      {"no keys", [](Log& l) { (void)l.disk.remove("/j/vkeys"); }},
      {"a fork that the right key signed",
       [](Log& l) {
         Log other;
         other.lines.go_back_to(600);
         (void)other.disk.remove(*other.config.last_signed);
         const auto root = leaf_hash("another");
         const Checkpoint fork{.origin = l.config.origin, .size = 700, .root = root};
         const auto key = SigningKey::make(l.config.origin, *decode_seed(*l.config.signing_seed));
         l.disk.put(kNotes,
                    l.disk.bytes(kNotes) + fork.text() + "\n" + key->sign(fork.text()) + "\n");
       }},
      {"another log, wholly signed by another key",
       [](Log& l) {
         Log other;
         MemoryDisk disk;
         LinesForTest lines(disk);
         lines.add(900, "x");
         const auto config = provable_config_for_test('x');
         const auto keeper = TreeKeeper::open(config, disk, other.clock);
         EXPECT_TRUE((*keeper)->step(lines, true));
         for (const char* path : {"/j/checkpoint", "/j/vkeys", "/j/tile/0/000", "/j/tile/0/001",
                                  "/j/tile/0/002", "/j/tile/0/003.p/132", "/j/tile/1/000.p/3"}) {
           l.disk.put(path, disk.bytes(path));
         }
         l.disk.put(kNotes, disk.bytes("/j/checkpoint") + "\n");
         (void)l.disk.remove(l.second);
         l.disk.put(l.first, disk.bytes(l.first));
       }},
      {"the state knows more",
       [](Log& l) {
         auto state = **LastSigned::read(l.disk, *l.config.last_signed);
         state.size = 901;
         l.disk.put(*l.config.last_signed, state.text());
       }},
  };
  for (const auto& c : cases) {
    Log log;
    c.change(log);
    const auto report = log.verify();
    ASSERT_TRUE(report) << c.why << ": " << report.error().what;
    EXPECT_FALSE(report->ok()) << c.why;
  }
}

TEST(Verify, WhatIsNotSignedYetIsNoProblem) {
  Log log;
  log.lines.add(50);
  const auto report = log.verify();
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->records, 950u);
  EXPECT_EQ(report->signed_size, 900u);
}

TEST(Verify, ALogThatWasNeverSignedSaysSo) {
  MemoryDisk disk;
  LinesForTest lines(disk);
  lines.add(10);
  const auto report = verify(disk, "/j");
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->origin, "");
}

TEST(Verify, APinnedKeyAloneIsBelieved) {
  Log log;
  const auto key = [&](char c) {
    return SigningKey::make(log.config.origin, *decode_seed(*seed_for_test(c)))->verifier();
  };
  EXPECT_TRUE(verify(log.disk, "/j", {.keys = {key('s')}})->ok());
  EXPECT_FALSE(verify(log.disk, "/j", {.keys = {key('x')}})->ok());
}

TEST(Verify, WhoPinsAKeyIsNotToldOfALogThatWasNeverSigned) {
  Log log;
  const auto key = SigningKey::make(log.config.origin, *decode_seed(*seed_for_test('s')));
  // All that was signed is stripped, and there is no state to know better.
  for (const char* path : {"/j/checkpoint", "/j/vkeys", "/j/origin"}) {
    ASSERT_TRUE(log.disk.remove(path)) << path;
  }
  ASSERT_TRUE(log.disk.remove(kNotes));
  EXPECT_TRUE(verify(log.disk, "/j")->ok()) << "nothing says that it was ever signed";
  EXPECT_FALSE(verify(log.disk, "/j", {.keys = {key->verifier()}})->ok());
}

void record_prune(Log& log, std::uint64_t min_index) {
  Event event;
  event.timestamp_utc = UtcTime(std::chrono::milliseconds(1'764'000'000'900));
  event.kind = Kind::kAction;
  event.action = "audit_pruned";
  event.detail = "{\"min_index\":" + std::to_string(min_index) + "}";
  log.lines.record(event, Durability::kSynced, {});
}

void sign(Log& log) {
  const auto keeper = TreeKeeper::open(log.config, log.disk, log.clock);
  ASSERT_TRUE(keeper) << keeper.error().what;
  EXPECT_TRUE((*keeper)->step(log.lines, true));
}

TEST(Verify, APrunedLogBeginsWhereASignedRecordSays) {
  Log log;
  record_prune(log, 300);
  sign(log);
  (void)log.disk.remove(log.first);
  EXPECT_FALSE(log.verify()->ok()) << "a record alone removes nothing";
  ASSERT_TRUE(write_min_index(log.disk, "/j", {300, 901}));
  auto report = log.verify();
  ASSERT_TRUE(report);
  for (const Problem& problem : report->problems) ADD_FAILURE() << problem.what;
  EXPECT_EQ(report->records, 601u);
  EXPECT_EQ(report->first_seq, 301u);
  log.flip("/j/tile/0/000", 70);
  EXPECT_FALSE(log.verify()->ok()) << "tiles of what was pruned still count";
}

TEST(Verify, WhoeverWritesMinIndexPrunesNothing) {
  const struct {
    const char* why;
    std::function<void(Log&)> change;
  } cases[] = {
      {"no record tells of it",
       [](Log& l) { ASSERT_TRUE(write_min_index(l.disk, "/j", {300, 900})); }},
      {"the record is not signed",
       [](Log& l) {
         record_prune(l, 300);
         ASSERT_TRUE(write_min_index(l.disk, "/j", {300, 901}));
       }},
      {"the record tells of less",
       [](Log& l) {
         record_prune(l, 200);
         sign(l);
         ASSERT_TRUE(write_min_index(l.disk, "/j", {300, 901}));
       }},
      {"the record is another one",
       [](Log& l) {
         record_prune(l, 300);
         sign(l);
         ASSERT_TRUE(write_min_index(l.disk, "/j", {300, 900}));
       }},
      {"a number alone", [](Log& l) { l.disk.put("/j/min_index", "300\n"); }},
  };
  for (const auto& c : cases) {
    Log log;
    c.change(log);
    (void)log.disk.remove(log.first);
    EXPECT_FALSE(log.verify()->ok()) << c.why;
    EXPECT_FALSE(TreeKeeper::open(log.config, log.disk, log.clock)) << c.why;
  }
}

// A disk on which something happens at the moment when a file is first read, or a folder listed.
class DiskWithEvent final : public FileSystem {
 public:
  DiskWithEvent(MemoryDisk& disk, std::string path, std::function<void()> event)
      : disk_(disk), path_(std::move(path)), event_(std::move(event)) {}
  bool happened() const { return !event_; }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    meet(directory);
    return disk_.list(directory);
  }
  Result<std::string> read(const std::string& path, std::size_t bytes_max) override {
    return read_at(path, 0, bytes_max);
  }
  Result<std::string> read_at(const std::string& path, std::uint64_t offset,
                              std::size_t bytes_max) override {
    meet(path);
    return disk_.read_at(path, offset, bytes_max);
  }
  Result<std::uint64_t> size(const std::string& path) override { return disk_.size(path); }
  // Nothing else is asked of a disk by who only reads.
  Result<void> make_directory(const std::string&) override { return refused(); }
  Result<std::unique_ptr<SegmentFile>> create(const std::string&) override { return refused(); }
  Result<std::unique_ptr<SegmentFile>> open(const std::string&) override { return refused(); }
  Result<void> rename(const std::string&, const std::string&) override { return refused(); }
  Result<void> remove(const std::string&) override { return refused(); }
  Result<void> remove_directory(const std::string&) override { return refused(); }
  Result<void> sync_directory(const std::string&) override { return refused(); }
  Result<std::unique_ptr<Lock>> lock(const std::string&) override { return refused(); }

 private:
  static std::unexpected<Error> refused() { return fail(Code::kDenied, "only read"); }
  void meet(const std::string& path) {
    if (path == path_ && event_) std::exchange(event_, {})();
  }
  MemoryDisk& disk_;
  std::string path_;
  std::function<void()> event_;
};

TEST(Verify, APruneBesideItIsNoDamage) {
  for (const std::string& path :
       {std::string("/j/min_index"), std::string("/j/vkeys"), kNotes, std::string("/j/checkpoint"),
        std::string("/j/seg"), "/j/seg/" + segment_name(1), "/j/seg/" + segment_name(301)}) {
    Log log;
    DiskWithEvent disk(log.disk, path, [&log] {
      record_prune(log, 300);
      sign(log);
      ASSERT_TRUE(write_min_index(log.disk, "/j", {300, 901}));
      ASSERT_TRUE(log.disk.remove(log.first));
    });
    const auto report = verify(disk, "/j", {.last_signed = log.config.last_signed});
    EXPECT_TRUE(disk.happened()) << path;
    ASSERT_TRUE(report) << path << ": " << report.error().what;
    for (const Problem& problem : report->problems) ADD_FAILURE() << path << ": " << problem.what;
    EXPECT_EQ(report->first_seq, path == "/j/seg/" + segment_name(301) ? 1u : 301u) << path;
  }
}

TEST(Verify, WhoMovesTheBoundBesideItPrunesNothing) {
  Log log;
  DiskWithEvent disk(log.disk, "/j/seg/" + segment_name(1), [&log] {
    ASSERT_TRUE(write_min_index(log.disk, "/j", {300, 900}));
    ASSERT_TRUE(log.disk.remove(log.first));
  });
  const auto report = verify(disk, "/j", {.last_signed = log.config.last_signed});
  EXPECT_TRUE(disk.happened());
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->ok());
}

TEST(Verify, AStateThatIsMissingIsTold) {
  Log log;
  (void)log.disk.remove(*log.config.last_signed);
  EXPECT_FALSE(log.verify()->ok());
  EXPECT_TRUE(verify(log.disk, "/j")->ok()) << "it was not asked for";
}

}  // namespace
}  // namespace sallyport::audit
