// SPDX-License-Identifier: Apache-2.0
// What the ring writes off the path of requests: MACs under a new pepper, last uses; and what it
// does while the store is silent.
#include <gtest/gtest.h>

#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class KeyUpkeepTest : public ::testing::Test {
 protected:
  static Config config(char pepper, char previous = 0) {
    Config made;
    made.pepper = Secret(std::string(32, pepper));
    if (previous != 0) made.pepper_previous = Secret(std::string(32, previous));
    return made;
  }
  std::unique_ptr<KeyRing> open(const Config& config) {
    return KeyRing::open(config, store_, clock_).value();
  }
  KeyFault check(const KeyRing& ring, const CreatedKey& key) {
    return KeyRing::Reader::make(ring)->check(key.text.reveal(), {.now = clock_.now()}).fault;
  }
  static CreatedKey create(KeyRing& ring, std::string name) {
    KeySpec spec;
    spec.name = std::move(name);
    return ring.create(spec, "admin").value();
  }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
};

TEST_F(KeyUpkeepTest, AKeyUnderThePreviousPepperWorksAndIsWrittenAnewWhenItIsUsed) {
  auto ring = open(config('a'));
  const CreatedKey used = create(*ring, "used"), idle = create(*ring, "idle");
  const std::string old_id = store_.row(used.info.kid).pepper_id;
  ring = open(config('b', 'a'));
  EXPECT_EQ(check(*ring, used), KeyFault::kNone);
  EXPECT_EQ(store_.row(used.info.kid).pepper_id, old_id) << "not on the path of the request";
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_NE(store_.row(used.info.kid).pepper_id, old_id);
  EXPECT_EQ(check(*ring, used), KeyFault::kNone) << "in this process, too";
  EXPECT_EQ(store_.row(idle.info.kid).pepper_id, old_id);

  ring = open(config('b'));  // the old pepper is gone
  EXPECT_EQ(check(*ring, used), KeyFault::kNone);
  EXPECT_EQ(check(*ring, idle), KeyFault::kOtherPepper);
}

TEST_F(KeyUpkeepTest, AWrongSecretUnderThePreviousPepperRewritesNothing) {
  auto ring = open(config('a'));
  const CreatedKey key = create(*ring, "a");
  const KeyRow before = store_.row(key.info.kid);
  ring = open(config('b', 'a'));
  int draws = 0;
  const Secret forged = mint_key(
      [&](std::size_t length) { return ++draws == 1 ? key.info.kid : std::string(length, 'x'); });
  EXPECT_EQ(KeyRing::Reader::make(*ring)->check(forged.reveal(), {.now = kStart}).fault,
            KeyFault::kBadSecret);
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(store_.row(key.info.kid).mac, before.mac);
  EXPECT_EQ(store_.row(key.info.kid).pepper_id, before.pepper_id);
}

TEST_F(KeyUpkeepTest, ARevokedKeyIsNotRevivedByItsRewriting) {
  auto ring = open(config('a'));
  const CreatedKey key = create(*ring, "a");
  ring = open(config('b', 'a'));
  ASSERT_EQ(check(*ring, key), KeyFault::kNone);  // its MAC waits to be written
  ASSERT_TRUE(ring->revoke("a", "admin"));
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key), KeyFault::kRevoked);
  EXPECT_EQ(store_.row(key.info.kid).info.state, KeyState::kRevoked);
}

TEST_F(KeyUpkeepTest, AStoreThatTakesNoMacIsAskedAgainByTheNextUse) {
  auto ring = open(config('a'));
  const CreatedKey key = create(*ring, "a");
  const std::string old_id = store_.row(key.info.kid).pepper_id;
  ring = open(config('b', 'a'));
  store_.read_only = true;
  ASSERT_EQ(check(*ring, key), KeyFault::kNone);
  (void)ring->refresh_if_changed();
  store_.read_only = false;
  EXPECT_EQ(check(*ring, key), KeyFault::kNone);
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_NE(store_.row(key.info.kid).pepper_id, old_id);
}

TEST_F(KeyUpkeepTest, AShortPreviousPepperIsRefused) {
  Config short_one = config('b');
  short_one.pepper_previous = Secret("short");
  EXPECT_EQ(KeyRing::open(short_one, store_, clock_).error().code, Code::kInvalid);
}

TEST_F(KeyUpkeepTest, LastUsesAreWrittenOnceAMinuteInOneBatch) {
  const auto ring = open(config('a'));
  const CreatedKey used = create(*ring, "used"), idle = create(*ring, "idle");
  KeyRing::Reader reader = KeyRing::Reader::make(*ring).value();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(reader.check(used.text.reveal(), {.now = clock_.now()}).fault, KeyFault::kNone);
    clock_.advance(100ms);
    ASSERT_TRUE(ring->refresh_if_changed());
  }
  EXPECT_EQ(store_.uses_asked, 0);
  clock_.advance(50s);
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(store_.uses_asked, 1);
  EXPECT_EQ(store_.row(used.info.kid).info.last_used_at, kStart);
  EXPECT_FALSE(store_.row(idle.info.kid).info.last_used_at);
  EXPECT_EQ(ring->show("used")->last_used_at, kStart);
  EXPECT_FALSE(ring->show("idle")->last_used_at);
  clock_.advance(60s);
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(store_.uses_asked, 1) << "nothing was used";

  store_.read_only = true;  // a failure is made good a minute later
  ASSERT_EQ(check(*ring, used), KeyFault::kNone);
  const UtcTime use = clock_.now();
  clock_.advance(60s);
  (void)ring->refresh_if_changed();
  store_.read_only = false;
  clock_.advance(60s);
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(store_.row(used.info.kid).info.last_used_at, use);
}

TEST_F(KeyUpkeepTest, ASilentStoreRefusesAllOrKeepsWhatIsKnownAsConfigured) {
  Config keep = config('a');
  const auto ring = open(keep);
  const CreatedKey key = create(*ring, "a"), dead = create(*ring, "b");
  keep.keep_on_store_failure = true;
  ASSERT_TRUE(ring->take(keep));
  store_.failing = true;
  clock_.advance(6s);
  EXPECT_FALSE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key), KeyFault::kNone) << "what is known goes on";
  EXPECT_EQ(ring->revoke("b", "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(check(*ring, dead), KeyFault::kRevoked) << "what is revoked here is dead here";
  EXPECT_EQ(ring->create({.name = "c",
                          .owner = {},
                          .life = {},
                          .not_before = {},
                          .scope = {},
                          .layer = {},
                          .restrictions = {}},
                         "admin")
                .error()
                .code,
            Code::kUnavailable)
      << "nothing new";
  keep.keep_on_store_failure = false;
  ASSERT_TRUE(ring->take(keep));
  EXPECT_FALSE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key), KeyFault::kUnavailable);
  store_.failing = false;
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key), KeyFault::kNone);
  EXPECT_EQ(store_.row(dead.info.kid).info.state, KeyState::kRevoked) << "never lost";
}

// Failures come and go at every step; at the end nothing that was acknowledged is lost, and nothing
// that was revoked, acknowledged or not, opens.
TEST_F(KeyUpkeepTest, NoAcknowledgedChangeIsLostHoweverTheStoreFails) {
  const auto ring = open(config('a'));
  std::uint64_t dice = 1;
  const auto roll = [&](std::uint64_t sides) {
    dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
    return (dice >> 33) % sides;
  };
  std::vector<CreatedKey> keys;
  std::vector<bool> revoked;
  std::vector<std::string> layers;
  for (int step = 0; step < 600; ++step) {
    store_.failing = roll(4) == 0;
    store_.read_only = roll(4) == 0;
    const std::uint64_t what = roll(5);
    KeySpec spec;
    spec.name = "k" + std::to_string(step);
    if (what == 0) {
      LayerSpec layer;
      layer.path = "l" + std::to_string(step);
      if (ring->put_layer(layer, "admin")) layers.push_back(layer.path);
    } else if (what == 1 && !keys.empty()) {
      const std::size_t at = roll(keys.size());
      (void)ring->revoke(keys[at].info.kid, "admin");
      revoked[at] = true;
    } else if (what == 2 && !layers.empty() && roll(3) == 0) {
      const std::string path = layers[roll(layers.size())];
      (void)ring->revoke_layer(path, "admin");
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i].info.layer == path) revoked[i] = true;
      }
    } else if (what == 3) {
      (void)ring->refresh_if_changed();
    } else {
      if (!layers.empty() && roll(2) == 0) spec.layer = layers[roll(layers.size())];
      Result<CreatedKey> made = ring->create(spec, "admin");
      if (made) {
        keys.push_back(std::move(*made));
        revoked.push_back(false);
      }
    }
  }
  store_.failing = store_.read_only = false;
  ASSERT_TRUE(ring->refresh_if_changed());
  const auto restarted = open(config('a'));
  ASSERT_GT(keys.size(), 50u);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(check(*ring, keys[i]) == KeyFault::kNone, !revoked[i]) << i;
    EXPECT_EQ(check(*restarted, keys[i]) == KeyFault::kNone, !revoked[i]) << i << " restarted";
  }
}

}  // namespace
}  // namespace sallyport::keys
