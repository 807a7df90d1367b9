// SPDX-License-Identifier: Apache-2.0
// A gate without a journal cannot keep hard budgets, and says so before it starts. Nor does one
// start whose journal lacks what came after the ledger's checkpoint.
#include "cli/ledger_start.h"

#include <gtest/gtest.h>

#include "audit/log_for_test.h"
#include "keys/memory_key_store.h"

namespace sallyport::cli {
namespace {

constexpr const char* kHard = R"({"budgets":[{"usd":"1","per":"day"}]})";
constexpr const char* kSoft = R"({"budgets":[{"usd":"1","per":"day","hard":false}]})";
constexpr const char* kNone = "{}";

enum class Then { kLives, kEnds, kIsRevoked };

struct Case {
  const char* why;
  bool enabled;       // audit
  const char* layer;  // restrictions
  const char* key;
  Then then;          // what happens to both before the start
  const char* whose;  // in the message; "": it starts
};
const Case kCases[] = {
    {"no budget", false, kNone, kNone, Then::kLives, ""},
    {"soft ones", false, kSoft, kSoft, Then::kLives, ""},
    {"a key's", false, kNone, kHard, Then::kLives, "the key app"},
    {"a layer's", false, kHard, kNone, Then::kLives, "the layer acme"},
    {"with a journal", true, kHard, kHard, Then::kLives, ""},
    {"of a key that has ended", false, kNone, kHard, Then::kEnds, ""},
    {"of what is revoked", false, kHard, kHard, Then::kIsRevoked, ""},
};

TEST(BudgetsKept, AtTheStart) {
  for (const Case& c : kCases) {
    ManualClock clock(*parse_utc("2026-11-24T12:00:00Z"));
    keys::MemoryKeyStore store;
    keys::Config config;
    config.pepper = Secret(std::string(32, 'p'));
    auto ring = keys::KeyRing::open(config, store, clock);
    ASSERT_TRUE(ring) << ring.error().what;
    keys::LayerSpec layer;
    layer.path = "acme";
    layer.restrictions = *parse_restrictions(c.layer);
    ASSERT_TRUE((*ring)->put_layer(layer, "test")) << c.why;
    keys::KeySpec key;
    key.name = "app";
    key.owner = "ops";
    key.life = std::chrono::hours(1);
    key.restrictions = *parse_restrictions(c.key);
    ASSERT_TRUE((*ring)->create(key, "test")) << c.why;
    if (c.then == Then::kEnds) clock.set(*parse_utc("2026-11-24T13:00:00Z"));
    if (c.then == Then::kIsRevoked) {
      ASSERT_TRUE((*ring)->revoke("app", "test"));
      ASSERT_TRUE((*ring)->revoke_layer("acme", "test"));
    }
    audit::Config audit;
    audit.enabled = c.enabled;
    const Result<void> kept = budgets_kept(audit, **ring, clock.now());
    EXPECT_EQ(kept.has_value(), *c.whose == 0) << c.why;
    if (kept) continue;
    EXPECT_EQ(kept.error().code, Code::kInvalid) << c.why;
    EXPECT_TRUE(kept.error().what.contains(c.whose)) << c.why << ": " << kept.error().what;
    EXPECT_TRUE(kept.error().what.contains("audit.enabled")) << kept.error().what;
  }
}

class KnownCheckpoint final : public meter::LedgerStore {
 public:
  explicit KnownCheckpoint(std::uint64_t seq) { state_.seq = seq; }
  Result<meter::LedgerState> load() override { return state_; }
  Result<void> save(const meter::LedgerState&) override { return {}; }

 private:
  meter::LedgerState state_;
};

// 40 records in segments of 10; each intent of them holds a token.
struct StartCase {
  const char* why;
  std::uint64_t checkpoint;
  std::vector<std::uint64_t> gone;  // segments, by the first of their records
  const char* refused;              // in the message; "": it starts
};
const StartCase kStarts[] = {
    {"all is there", 15, {}, ""},
    {"what the checkpoint knows may be gone", 20, {1, 11}, ""},
    {"what comes after it may not", 15, {1, 11}, "no records 16 to 20"},
    {"not a single record", 10, {1, 11}, "no records 11 to 20"},
    {"never a checkpoint, and an old journal", 0, {1}, ""},
    {"a journal that lost its end", 90, {}, ""},
};

TEST(StartLedger, NeedsWhatTheCheckpointDoesNotKnow) {
  for (const StartCase& c : kStarts) {
    const SystemClock clock;
    audit::MemoryDisk disk;
    std::vector<Event> events(40);
    for (std::size_t i = 0; i < events.size(); ++i) {
      events[i].kind = Kind::kIntent;
      events[i].timestamp_utc = clock.now();
      events[i].request_id = "req_" + std::to_string(i);
      events[i].api_key_id = "a";
      events[i].reserved_tokens = 1;
    }
    audit::put_log(disk, events, 10);
    for (const std::uint64_t first : c.gone) {
      ASSERT_TRUE(disk.remove("/j/seg/" + audit::segment_name(first))) << c.why;
    }
    struct Nothing final : Recorder {
      void record(Event, Durability, Done) override {}
      bool accepting() const override { return true; }
    } recorder;
    meter::Ledger ledger(clock, recorder);
    KnownCheckpoint store(c.checkpoint);
    const Result<void> started = start_ledger(ledger, store, "/j", disk);
    EXPECT_EQ(started.has_value(), *c.refused == 0) << c.why;
    if (started) continue;
    EXPECT_EQ(started.error().code, Code::kCorrupt) << c.why;
    EXPECT_TRUE(started.error().what.contains(c.refused)) << c.why << ": " << started.error().what;
  }
}

}  // namespace
}  // namespace sallyport::cli
