// SPDX-License-Identifier: Apache-2.0
// A gate without a journal cannot keep hard budgets, and says so before it starts.
#include "cli/ledger_start.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sallyport::cli
