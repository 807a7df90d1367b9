// SPDX-License-Identifier: Apache-2.0
// Rotation through the ring: what happens to the old key, the new one, and what hangs on the name.
#include <gtest/gtest.h>

#include "keys/identity_config.h"
#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class Rotating : public ::testing::Test {
 protected:
  void SetUp() override {
    Config config;
    config.pepper = Secret(std::string(32, 'p'));
    config.derive_key = Secret(std::string(32, 'd'));
    ring_ = KeyRing::open(config, store_, clock_).value();
    KeySpec spec;
    spec.name = "app-chat";
    spec.owner = "team blue";
    spec.life = 4h;
    spec.restrictions.models = {"gpt-5*"};
    spec.scope.module = "chat";
    old_.emplace(ring_->create(spec, "admin").value());
  }

  KeyFault check(const Secret& key) {
    return KeyRing::Reader::make(*ring_)->check(key.reveal(), {.now = clock_.now()}).fault;
  }
  RotateOptions by(std::chrono::milliseconds overlap, std::string id = {}) {
    RotateOptions options;
    options.overlap = overlap;
    options.rotation_id = std::move(id);
    return options;
  }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  std::unique_ptr<KeyRing> ring_;
  std::optional<CreatedKey> old_;
};

TEST_F(Rotating, BothWorkDuringTheOverlapAndThenOnlyTheNewOne) {
  clock_.advance(1h);
  const RotatedKey rotated = ring_->rotate("app-chat", by(10min), "admin").value();
  ASSERT_TRUE(rotated.text);
  EXPECT_FALSE(rotated.repeated());
  EXPECT_EQ(check(old_->text), KeyFault::kNone);
  EXPECT_EQ(check(*rotated.text), KeyFault::kNone);
  EXPECT_EQ(ring_->show(old_->info.kid)->state, KeyState::kRetiring);
  EXPECT_EQ(ring_->show(old_->info.kid)->replaced_by, rotated.successor.kid);
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, kStart + 1h + 10min);
  clock_.advance(10min - 1ms);
  EXPECT_EQ(check(old_->text), KeyFault::kNone);
  EXPECT_TRUE(ring_->alive(old_->info.kid, clock_.now()));
  clock_.advance(1ms);
  EXPECT_EQ(check(old_->text), KeyFault::kExpired);
  EXPECT_FALSE(ring_->alive(old_->info.kid, clock_.now())) << "streams end, too";
  EXPECT_EQ(check(*rotated.text), KeyFault::kNone);
}

TEST_F(Rotating, TheNewOneIsTheSameKeyUnderAnotherKid) {
  const RotatedKey rotated = ring_->rotate(old_->info.kid, by(10min), "admin").value();
  KeyRing::Reader reader = KeyRing::Reader::make(*ring_).value();
  const auto before = reader.check(old_->text.reveal(), {.now = clock_.now()}).principal;
  const auto after = reader.check(rotated.text->reveal(), {.now = clock_.now()}).principal;
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->kid, after->kid);
  EXPECT_EQ(before->api_key_id, after->api_key_id);
  EXPECT_EQ(before->layer->account, after->layer->account) << "a rotation refills no budget";
  EXPECT_EQ(before->layer->restrictions, after->layer->restrictions);
  EXPECT_EQ(after->module, "chat");
  EXPECT_EQ(ring_->show("app-chat")->kid, after->kid) << "the name means the new one";
  EXPECT_EQ(rotated.successor.owner, "team blue");
  EXPECT_EQ(rotated.successor.expires_at, kStart + 4h) << "as long as the old one";
}

TEST_F(Rotating, ZeroOverlapEndsTheOldOneAtOnce) {
  const RotatedKey rotated = ring_->rotate("app-chat", by(0ms), "admin").value();
  EXPECT_EQ(check(old_->text), KeyFault::kExpired);
  EXPECT_FALSE(ring_->alive(old_->info.kid, clock_.now()));
  EXPECT_EQ(check(*rotated.text), KeyFault::kNone);
}

// The one before the old one may be the one in wrong hands.
TEST_F(Rotating, ZeroOverlapEndsEveryGenerationOfTheName) {
  const RotatedKey second = ring_->rotate("app-chat", by(1h), "admin").value();
  ASSERT_EQ(check(old_->text), KeyFault::kNone);
  clock_.advance(1min);
  const RotatedKey third = ring_->rotate("app-chat", by(0ms), "admin").value();
  EXPECT_EQ(check(old_->text), KeyFault::kExpired);
  EXPECT_EQ(check(*second.text), KeyFault::kExpired);
  EXPECT_EQ(check(*third.text), KeyFault::kNone);
  ASSERT_EQ(third.also_ended.size(), 1u) << "the record names it";
  EXPECT_EQ(third.also_ended[0].kid, old_->info.kid);
  EXPECT_EQ(store_.row(old_->info.kid).info.expires_at, clock_.now()) << "after a restart, too";
}

TEST_F(Rotating, AnOverlapLeavesEarlierOnesTheirEnd) {
  ASSERT_TRUE(ring_->rotate("app-chat", by(1h), "admin"));
  const RotatedKey third = ring_->rotate("app-chat", by(10min), "admin").value();
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, kStart + 1h);
  EXPECT_TRUE(third.also_ended.empty());
}

TEST_F(Rotating, ItBeginsNoSoonerThanTheOldOne) {
  KeySpec spec;
  spec.name = "soon";
  spec.owner = "team blue";
  spec.life = 4h;
  spec.not_before = kStart + 2h;
  ASSERT_TRUE(ring_->create(spec, "admin"));
  const RotatedKey rotated = ring_->rotate("soon", by(10min), "admin").value();
  EXPECT_EQ(rotated.successor.not_before, kStart + 2h);
  EXPECT_EQ(check(*rotated.text), KeyFault::kNotYetValid);
  RotateOptions shorter = by(10min);
  shorter.life = 1h;
  EXPECT_EQ(ring_->rotate("soon", shorter, "admin").error().code, Code::kInvalid)
      << "it would end before it begins";
}

TEST_F(Rotating, AnExchangedKeyStaysShort) {
  KeySpec spec;
  spec.name = "ci-web";
  spec.owner = "identity exchange";
  spec.life = 10min;
  spec.mapping = "ci";
  const CreatedKey made = ring_->create(spec, "identity:ci").value();
  RotateOptions longer = by(0ms);
  longer.life = 24h;
  const RotatedKey rotated = ring_->rotate("ci-web", longer, "admin").value();
  EXPECT_EQ(rotated.successor.expires_at, kStart + kExchangedLifeMax);
  KeyChange change;
  change.expires_at = kStart + kExchangedLifeMax + 1s;
  EXPECT_EQ(ring_->update("ci-web", change, "admin").error().code, Code::kInvalid);
  change.expires_at = kStart + kExchangedLifeMax - 1s;
  EXPECT_TRUE(ring_->update("ci-web", change, "admin"));
}

TEST_F(Rotating, ALifeBeyondTheLongestIsRefusedAsWhenItIsMade) {
  RotateOptions options = by(10min);
  options.life = 30h;
  const auto rotated = ring_->rotate("app-chat", options, "admin");
  ASSERT_FALSE(rotated);
  EXPECT_EQ(rotated.error().what, "the life of a key is at most 1d (keys.life_max)");
  KeySpec spec;
  spec.name = "app-other";
  spec.life = 30h;
  EXPECT_EQ(ring_->create(spec, "admin").error().what, rotated.error().what);
  options.life = 24h;
  EXPECT_TRUE(ring_->rotate("app-chat", options, "admin"));
}

TEST_F(Rotating, TheOldEndIsNeverPutOff) {
  clock_.advance(4h - 1min);
  const RotatedKey rotated = ring_->rotate("app-chat", by(24h), "admin").value();
  EXPECT_EQ(rotated.old.expires_at, kStart + 4h);
  EXPECT_EQ(ring_->retire(old_->info.kid, kStart + 100h)->expires_at, kStart + 4h);
}

TEST_F(Rotating, TheSameRotationAgainMakesNothingNewAndShowsNothing) {
  const RotatedKey first = ring_->rotate("app-chat", by(10min, "deploy-7"), "admin").value();
  clock_.advance(1min);
  const RotatedKey again = ring_->rotate("app-chat", by(0ms, "deploy-7"), "admin").value();
  EXPECT_TRUE(again.repeated());
  EXPECT_FALSE(again.text);
  EXPECT_EQ(again.successor.kid, first.successor.kid);
  EXPECT_EQ(again.old.kid, first.old.kid);
  EXPECT_EQ(check(old_->text), KeyFault::kNone) << "nor does it change the overlap";
  EXPECT_EQ(ring_->list().size(), 2U);
}

TEST_F(Rotating, WhatIsRefused) {
  EXPECT_EQ(ring_->rotate("nobody", by(0ms), "admin").error().code, Code::kNotFound);
  EXPECT_EQ(ring_->rotate("app-chat", by(24h + 1ms), "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->rotate("app-chat", by(-1ms), "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->rotate("app-chat", by(0ms, "a b"), "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->rotate("app-chat", by(0ms), "").error().code, Code::kInvalid);

  ASSERT_TRUE(ring_->rotate("app-chat", by(1h), "admin"));
  EXPECT_EQ(ring_->rotate(old_->info.kid, by(1h), "admin").error().code, Code::kDenied)
      << "it has a successor";
  ASSERT_TRUE(ring_->rotate("app-chat", by(1h), "admin")) << "by name the successor is meant";
  ASSERT_TRUE(ring_->revoke("app-chat", "admin"));
  EXPECT_EQ(ring_->rotate("app-chat", by(1h), "admin").error().code, Code::kDenied);
}

TEST_F(Rotating, AnExpiredKeyIsNotRotated) {
  clock_.advance(4h);
  EXPECT_EQ(ring_->rotate("app-chat", by(1h), "admin").error().code, Code::kDenied);
}

TEST_F(Rotating, AnUndeliveredSuccessorGivesWayToAnother) {
  RotateOptions options = by(0ms);
  options.keep_old_end = true;
  const RotatedKey lost = ring_->rotate("app-chat", options, "rotation").value();
  EXPECT_EQ(lost.old.expires_at, kStart + 4h) << "the old one keeps its end";
  ASSERT_TRUE(ring_->revoke(lost.successor.kid, "rotation", "not delivered"));
  EXPECT_EQ(check(old_->text), KeyFault::kNone);
  const RotatedKey next = ring_->rotate(old_->info.kid, options, "rotation").value();
  EXPECT_NE(next.successor.kid, lost.successor.kid);
  EXPECT_EQ(ring_->retire(old_->info.kid, clock_.now() + 10min)->expires_at, kStart + 10min);
}

TEST_F(Rotating, RevokingTheNameKillsBoth) {
  const RotatedKey rotated = ring_->rotate("app-chat", by(1h), "admin").value();
  ASSERT_TRUE(ring_->revoke("app-chat", "admin"));
  EXPECT_EQ(check(old_->text), KeyFault::kRevoked);
  EXPECT_EQ(check(*rotated.text), KeyFault::kRevoked);
}

TEST_F(Rotating, AStoreThatFailsChangesNothing) {
  store_.read_only = true;
  EXPECT_EQ(ring_->rotate("app-chat", by(0ms), "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(check(old_->text), KeyFault::kNone);
  EXPECT_EQ(ring_->list().size(), 1U);
}

TEST_F(Rotating, WhoseSecretIsIt) {
  const auto whose = [&](std::string_view secret) { return ring_->whose(secret).value(); };
  EXPECT_EQ(whose(old_->text.reveal()).kid, old_->info.kid);
  EXPECT_TRUE(whose(old_->text.reveal()).genuine);
  ASSERT_TRUE(ring_->revoke("app-chat", "admin"));
  EXPECT_TRUE(whose(old_->text.reveal()).genuine) << "a dead key was still ours";
  const Secret other = mint_key();
  EXPECT_FALSE(whose(other.reveal()).genuine);
  EXPECT_EQ(whose(other.reveal()).kid, parse_key(other.reveal()).kid);
  for (const char* text : {"", "hello", "sk-proj-abc", "sk-sp1-AbCdEfGhIjKl",
                           "sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UV"}) {
    EXPECT_EQ(whose(text).kid, "") << text;
    EXPECT_FALSE(whose(text).genuine) << text;
  }
}

}  // namespace
}  // namespace sallyport::keys
