// SPDX-License-Identifier: Apache-2.0
// What the ring holds when the house around it fails: a store that hangs or is put back from a
// copy, a clock that jumps.
#include <gtest/gtest.h>

#include <algorithm>

#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class Faults : public ::testing::Test {
 protected:
  void SetUp() override { ring_ = open(); }
  std::unique_ptr<KeyRing> open() {
    Config config;
    config.pepper = Secret(std::string(32, 'p'));
    config.derive_key = Secret(std::string(32, 'd'));
    return KeyRing::open(config, store_, clock_).value();
  }
  CreatedKey make(std::string name, std::chrono::milliseconds life = 8h, std::string layer = {}) {
    KeySpec spec;
    spec.name = std::move(name);
    spec.owner = "team blue";
    spec.life = life;
    spec.layer = std::move(layer);
    spec.derive = true;
    return ring_->create(spec, "admin").value();
  }
  KeyFault check(const Secret& key) {
    return KeyRing::Reader::make(*ring_)->check(key.reveal(), {.now = clock_.now()}).fault;
  }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  std::unique_ptr<KeyRing> ring_;
};

// --- A store that hangs

TEST_F(Faults, AStoreThatHangsClosesTheRingAsOneThatFails) {
  const CreatedKey key = make("app");
  ASSERT_TRUE(ring_->refresh_if_changed());
  // From here on nobody gets an answer: the next look never returns, so nothing says so.
  clock_.advance(5s);
  EXPECT_EQ(check(key.text), KeyFault::kNone);
  EXPECT_FALSE(ring_->silent());
  clock_.advance(1ms);
  EXPECT_EQ(check(key.text), KeyFault::kUnavailable);
  EXPECT_TRUE(ring_->silent());
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(key.text), KeyFault::kNone);
}

TEST_F(Faults, WhoeverAsksTheStoreHearsForAll) {
  const CreatedKey key = make("app");
  ASSERT_TRUE(ring_->refresh_if_changed());
  store_.read_only = true;  // another process holds the write lock; reading works
  for (int i = 0; i < 3; ++i) {
    clock_.advance(3s);
    KeySpec spec;
    spec.name = "next";
    EXPECT_FALSE(ring_->create(spec, "admin"));
    EXPECT_EQ(check(key.text), KeyFault::kNone);
  }
}

TEST_F(Faults, ARingThatNobodyKeepsFreshIsNotSilent) {
  const CreatedKey key = make("app");  // the command line opens one, asks, and ends
  clock_.advance(1h);
  EXPECT_EQ(check(key.text), KeyFault::kNone);
}

// --- A store that is put back

TEST_F(Faults, WhatEndedEndsInAStoreThatIsPutBackToo) {
  ASSERT_TRUE(ring_->put_layer({.path = "acme", .owner = {}, .expires_at = {}, .restrictions = {}},
                               "admin"));
  ASSERT_TRUE(ring_->put_layer({.path = "beta", .owner = {}, .expires_at = {}, .restrictions = {}},
                               "admin"));
  const CreatedKey revoked = make("revoked"), replaced = make("replaced"), parent = make("parent");
  const CreatedKey below = make("below", 8h, "acme"), old = make("old", 8h, "beta");
  const std::vector<std::string> caveats = {
      "iat=" + std::to_string(kStart.time_since_epoch().count() / 1000),
      "exp=" + std::to_string(kStart.time_since_epoch().count() / 1000 + 3600)};
  const Secret token = mint_derived(parent.text, caveats).value();
  const MemoryKeyStore copy = store_;

  clock_.advance(1s);
  ASSERT_TRUE(ring_->revoke("revoked", "admin", "stolen"));
  RotateOptions incident;
  incident.overlap = 0ms;
  ASSERT_TRUE(ring_->rotate("replaced", incident, "admin"));
  ASSERT_TRUE(ring_->revoke_token("parent", parse_derived(token.reveal()).tid, "admin"));
  ASSERT_TRUE(ring_->revoke_layer("acme", "admin"));
  ASSERT_TRUE(ring_->issued_before("beta", clock_.now(), "admin"));

  store_.put_back(copy);
  ASSERT_TRUE(ring_->refresh_if_changed());
  ring_ = open();  // a restart knows only what the store knows
  EXPECT_EQ(check(revoked.text), KeyFault::kRevoked);
  EXPECT_EQ(ring_->show("revoked")->revoked_why, "stolen");
  EXPECT_EQ(check(replaced.text), KeyFault::kExpired);
  EXPECT_EQ(check(token), KeyFault::kTokenRevoked);
  EXPECT_EQ(check(parent.text), KeyFault::kNone);
  EXPECT_EQ(check(below.text), KeyFault::kLayerRevoked);
  EXPECT_EQ(check(old.text), KeyFault::kIssuedBefore);
}

TEST_F(Faults, WhatTheOtherStoreDoesNotHaveHoldsNothingUp) {
  make("app");
  ASSERT_TRUE(ring_->revoke_token("app", "0000000000000001", "admin"));
  store_.replace();
  ASSERT_TRUE(ring_->refresh_if_changed());
  const CreatedKey next = make("app");
  EXPECT_TRUE(ring_->revoke("app", "admin"));
  EXPECT_EQ(check(next.text), KeyFault::kRevoked);
}

// --- A clock that jumps

TEST_F(Faults, AStepForwardEndsNoKeyForGood) {
  const CreatedKey key = make("app");
  clock_.set(kStart + 24h * 365);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(key.text), KeyFault::kExpired) << "while it stands";
  EXPECT_TRUE(ring_->time().ahead());
  clock_.set(kStart + 1s);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(key.text), KeyFault::kNone);
  EXPECT_FALSE(ring_->time().ahead());
}

TEST_F(Faults, NothingIsMadeByAClockThatIsNotBelieved) {
  make("app");
  clock_.set(kStart + 1h);
  KeySpec spec;
  spec.name = "born-later";
  EXPECT_EQ(ring_->create(spec, "admin").error().what, KeyRing::kClockAhead);
  EXPECT_EQ(ring_->rotate("app", {}, "admin").error().what, KeyRing::kClockAhead);
  EXPECT_TRUE(ring_->revoke("app", "admin")) << "ends are always taken";
}

TEST_F(Faults, AClockThatIsPutBackMakesKeysThatLive) {
  make("app");
  clock_.advance(2h);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(ring_->show("app")->state, KeyState::kActive);
  ring_->dead_layer(*ring_->show("app"), clock_.now());
  check(make("seen").text);
  clock_.set(kStart);
  const CreatedKey key = make("new", 1h);
  EXPECT_EQ(check(key.text), KeyFault::kNone) << "it is made by the latest time";
  EXPECT_EQ(key.info.expires_at, kStart + 3h);
}

TEST_F(Faults, RevokedTokensAreForgottenByACheckedClock) {
  const CreatedKey key = make("app");
  const std::vector<std::string> caveats = {
      "iat=" + std::to_string(kStart.time_since_epoch().count() / 1000),
      "exp=" + std::to_string(kStart.time_since_epoch().count() / 1000 + 3600)};
  const Secret token = mint_derived(key.text, caveats).value();
  ASSERT_TRUE(ring_->refresh_if_changed());
  ASSERT_TRUE(ring_->revoke_token("app", parse_derived(token.reveal()).tid, "admin"));
  clock_.set(kStart + 24h * 3);
  ASSERT_TRUE(ring_->revoke_token("app", "0000000000000001", "admin"));
  ASSERT_TRUE(ring_->refresh_if_changed());
  clock_.set(kStart + 1s);
  EXPECT_EQ(check(token), KeyFault::kTokenRevoked);
  ring_ = open();
  EXPECT_EQ(check(token), KeyFault::kTokenRevoked) << "nor did the store forget it";
}

TEST_F(Faults, AClockThatIsAheadDoesNotDecideHowFarALayerMoves) {
  ASSERT_TRUE(ring_->put_layer({.path = "acme", .owner = {}, .expires_at = {}, .restrictions = {}},
                               "admin"));
  const CreatedKey before = make("before", 8h, "acme");
  clock_.advance(1s);
  const UtcTime right = clock_.now();
  clock_.set(kStart + 24h * 365);
  ASSERT_TRUE(ring_->issued_before("acme", clock_.now(), "admin"));
  clock_.set(right + 1s);
  EXPECT_EQ(check(before.text), KeyFault::kIssuedBefore);
  EXPECT_EQ(check(make("after", 8h, "acme").text), KeyFault::kNone);
}

// --- Exchanged keys

class OfAMapping : public Faults {
 protected:
  Result<CreatedKey> exchange(std::string name, std::string mapping = "ci") {
    KeySpec spec;
    spec.name = std::move(name);
    spec.life = 10min;
    spec.mapping = std::move(mapping);
    spec.mapping_limits = {.live_max = 3, .mints_per_minute_max = 2};
    spec.beside_own = true;
    return ring_->create(spec, "identity:ci");
  }
};

TEST_F(OfAMapping, AMappingHasSoManyKeys) {
  ASSERT_TRUE(exchange("web"));
  ASSERT_TRUE(exchange("web"));
  EXPECT_EQ(exchange("web").error().code, Code::kExhausted) << "of a minute";
  EXPECT_TRUE(exchange("pod", "cluster")) << "others are not concerned";
  ring_ = open();
  EXPECT_EQ(exchange("web").error().code, Code::kExhausted) << "nor does a restart help";
  clock_.advance(1min);
  ASSERT_TRUE(exchange("web"));
  EXPECT_EQ(exchange("web").error().code, Code::kExhausted) << "three live";
  ASSERT_TRUE(ring_->revoke_mapping("ci", "admin"));
  EXPECT_TRUE(exchange("web")) << "the dead do not count";
  clock_.advance(1min);
  EXPECT_TRUE(exchange("web"));
}

TEST_F(OfAMapping, OnePrincipalCannotUseUpWhatIsThereForAll) {
  KeySpec spec;
  spec.life = 10min;
  spec.mapping = "ci";
  spec.mapping_limits = {.live_max = 10,
                         .mints_per_minute_max = 10,
                         .principal_live_max = 3,
                         .principal_mints_per_minute_max = 2};
  spec.beside_own = true;
  const auto exchange = [&](const char* name) {
    spec.name = name;
    return ring_->create(spec, "identity:ci");
  };
  ASSERT_TRUE(exchange("ci-loud"));
  ASSERT_TRUE(exchange("ci-loud"));
  EXPECT_EQ(exchange("ci-loud").error().what, KeyRing::kPrincipalFull) << "two of a minute";
  EXPECT_TRUE(exchange("ci-quiet")) << "the others have theirs";
  clock_.advance(1min);
  ASSERT_TRUE(exchange("ci-loud"));
  EXPECT_EQ(exchange("ci-loud").error().what, KeyRing::kPrincipalFull) << "three live";
  EXPECT_TRUE(exchange("ci-quiet"));
}

TEST_F(OfAMapping, ADayAfterTheirEndTheyAreForgotten) {
  const CreatedKey own = make("app", 1h);
  const CreatedKey gone = exchange("web").value();
  ASSERT_TRUE(ring_->refresh_if_changed());
  clock_.advance(2h);
  const CreatedKey later = exchange("web").value();
  clock_.advance(22h + 10min - 1ms);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(ring_->list().size(), 3u);
  clock_.advance(1h);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(ring_->find(gone.info.kid).size(), 0u);
  EXPECT_EQ(check(gone.text), KeyFault::kUnknown);
  EXPECT_EQ(check(later.text), KeyFault::kExpired);
  EXPECT_EQ(check(own.text), KeyFault::kExpired) << "no other key is ever forgotten";
  EXPECT_EQ(ring_->show("app")->owner, "team blue") << "what stays is what it was";
  EXPECT_EQ(store_.load(0)->size(), 2u);
  EXPECT_EQ(store_.forgets_asked, 1);
}

TEST_F(OfAMapping, WhatTheStoreDoesNotForgetIsTriedAgain) {
  ASSERT_TRUE(exchange("web"));
  ASSERT_TRUE(ring_->refresh_if_changed());
  clock_.advance(25h);
  store_.read_only = true;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(ring_->list().size(), 1u);
  store_.read_only = false;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_TRUE(ring_->list().empty());
}

}  // namespace
}  // namespace sallyport::keys
