// SPDX-License-Identifier: Apache-2.0
// Derived tokens through the ring: what the parent may not do, no token may.
#include <gtest/gtest.h>

#include "base/text.h"
#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class Deriving : public ::testing::Test {
 protected:
  static Config config(char derive_key) {
    Config made;
    made.pepper = Secret(std::string(32, 'p'));
    if (derive_key != 0) made.derive_key = Secret(std::string(32, derive_key));
    return made;
  }
  void SetUp() override {
    ring_ = KeyRing::open(config('d'), store_, clock_).value();
    ASSERT_TRUE(ring_->put_layer(
        {.path = "acme", .owner = {}, .expires_at = {}, .restrictions = {}}, "admin"));
    parent_.emplace(ring_->create(spec("app-chat"), "admin").value());
  }
  static KeySpec spec(std::string name) {
    KeySpec made;
    made.name = std::move(name);
    made.layer = "acme";
    made.derive = true;
    made.restrictions.models = {"gpt-5*"};
    made.scope.modules = {"search"};
    return made;
  }

  std::string caveat(const char* name, UtcTime at) {
    return std::string(name) + "=" + std::to_string(at.time_since_epoch().count() / 1000);
  }
  Secret derive(std::vector<std::string> more = {}, std::chrono::milliseconds life = 10min,
                std::chrono::milliseconds dated = 0ms) {
    more.insert(more.begin(),
                {caveat("iat", clock_.now() + dated), caveat("exp", clock_.now() + dated + life)});
    return mint_derived(parent_->text, more).value();
  }

  KeyCheck check(const Secret& token, Presented shown = {}) {
    shown.now = clock_.now();
    return reader().check(token.reveal(), shown);
  }
  KeyRing::Reader& reader() {
    if (!reader_) reader_.emplace(KeyRing::Reader::make(*ring_).value());
    return *reader_;
  }
  static std::string tid(const Secret& token) {
    return std::string(parse_derived(token.reveal()).tid);
  }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  std::unique_ptr<KeyRing> ring_;
  std::optional<KeyRing::Reader> reader_;
  std::optional<CreatedKey> parent_;
};

TEST_F(Deriving, ATokenIsItsParentWithLess) {
  const Secret token = derive({"models=gpt-5.5", "calls=3", "module=search"});
  for (int round = 0; round < 2; ++round) {  // computed, then remembered
    const KeyCheck result = check(token);
    ASSERT_EQ(result.fault, KeyFault::kNone);
    const Principal& who = *result.principal;
    EXPECT_EQ(who.api_key_id, "app-chat");
    EXPECT_EQ(who.kid, parent_->info.kid);
    EXPECT_EQ(who.tid, tid(token));
    EXPECT_EQ(who.dated_at, kStart);
    EXPECT_EQ(who.expires_at, kStart + 10min);
    EXPECT_EQ(who.module, "search");
    EXPECT_TRUE(who.modules.empty()) << "no header may say otherwise";
    EXPECT_EQ(who.layer->account, "token:" + parent_->info.kid + "." + tid(token));
    EXPECT_EQ(who.layer->restrictions.models, std::vector<std::string>{"gpt-5.5"});
    EXPECT_EQ(who.layer->restrictions.limits.budgets.size(), 1U);
    ASSERT_TRUE(who.layer->parent);
    EXPECT_EQ(who.layer->parent->account, "key:app-chat");
    EXPECT_EQ(who.layer->parent->restrictions.models, std::vector<std::string>{"gpt-5*"});
    ASSERT_TRUE(who.layer->parent->parent);
    EXPECT_EQ(who.layer->parent->parent->account, "organisation:acme");
    EXPECT_TRUE(ring_->alive(who, clock_.now()));
  }
}

// Whoever holds a key does not choose his baseline: a token calls its work what its parent may.
TEST_F(Deriving, ATokenNamesTheWorkItsParentMayName) {
  KeySpec wanted = spec("support-bot");
  wanted.scope.module = "support";
  wanted.scope.modules = {"search"};
  wanted.scope.purpose = "triage";
  parent_.emplace(ring_->create(wanted, "admin").value());
  const struct {
    const char* why;
    std::vector<std::string> caveats;
    KeyFault fault;
  } kCases[] = {
      {"its own", {"module=support", "purpose=triage"}, KeyFault::kNone},
      {"one that a header may say", {"module=search"}, KeyFault::kNone},
      {"somebody else's", {"module=payroll"}, KeyFault::kBadCaveat},
      {"another purpose", {"module=search", "purpose=red-team"}, KeyFault::kBadCaveat},
      {"none, where it has one", {"module=unlisted"}, KeyFault::kBadCaveat},
  };
  for (const auto& c : kCases) EXPECT_EQ(check(derive(c.caveats)).fault, c.fault) << c.why;
}

TEST_F(Deriving, WhatALayerDoesNotListIsUnlisted) {
  KeySpec wanted = spec("two-jobs");
  wanted.scope.module = "support";
  wanted.scope.modules = {"search", "payroll"};
  wanted.scope.purpose = "triage";
  parent_.emplace(ring_->create(wanted, "admin").value());
  const auto who = [&] {
    return reader().check(parent_->text.reveal(), {.now = clock_.now()}).principal;
  };
  Restrictions narrow;
  narrow.modules = {"search", "etl"};
  ASSERT_TRUE(ring_->put_layer(
      {.path = "acme", .owner = {}, .expires_at = {}, .restrictions = narrow}, "admin"));
  EXPECT_EQ(who()->modules, std::vector<std::string>{"search"});
  EXPECT_EQ(who()->module, "unlisted");
  EXPECT_EQ(who()->purpose, "triage") << "of purposes the layer says nothing";
  EXPECT_EQ(check(derive({"module=search"})).fault, KeyFault::kNone);
  EXPECT_EQ(check(derive({"module=support"})).fault, KeyFault::kBadCaveat);
  EXPECT_EQ(check(derive({"module=etl"})).fault, KeyFault::kBadCaveat) << "the layer gives nothing";
}

TEST_F(Deriving, TheTokensTime) {
  const Secret token = derive();
  clock_.advance(10min - 1ms);
  EXPECT_EQ(check(token).fault, KeyFault::kNone);
  const auto who = check(token).principal;
  clock_.advance(1ms);
  EXPECT_EQ(check(token).fault, KeyFault::kTokenExpired);
  EXPECT_FALSE(ring_->alive(*who, clock_.now())) << "its streams end with it";
  EXPECT_TRUE(ring_->alive(who->kid, clock_.now())) << "the key lives on";

  EXPECT_EQ(check(derive({}, 10min, 60s)).fault, KeyFault::kNone) << "clocks differ";
  EXPECT_EQ(check(derive({}, 10min, 61s)).fault, KeyFault::kNotYetValid);
  EXPECT_EQ(check(derive({}, 24h)).principal->expires_at, parent_->info.expires_at)
      << "never beyond the key";
}

TEST_F(Deriving, AClockThatJumpsBackRevivesNoToken) {
  const Secret token = derive();
  clock_.advance(11min);
  EXPECT_EQ(check(token).fault, KeyFault::kTokenExpired);
  clock_.set(kStart + 1min);
  EXPECT_EQ(check(token).fault, KeyFault::kTokenExpired);
}

TEST_F(Deriving, DiesWithItsParentAndItsLayers) {
  const Secret token = derive();
  const auto who = check(token).principal;
  const auto later = [&] {
    const KeyFault fault = check(token).fault;
    EXPECT_EQ(ring_->alive(*who, clock_.now()), fault == KeyFault::kNone);
    return fault;
  };
  clock_.advance(1min);
  ASSERT_TRUE(ring_->issued_before("acme", clock_.now(), "admin"));
  EXPECT_EQ(later(), KeyFault::kIssuedBefore);
  ASSERT_TRUE(ring_->revoke_layer("acme", "admin"));
  EXPECT_EQ(later(), KeyFault::kLayerRevoked);
  ASSERT_TRUE(ring_->revoke("app-chat", "admin"));
  EXPECT_EQ(later(), KeyFault::kRevoked);
}

TEST_F(Deriving, OneTokenIsRevokedAndItsSiblingsLive) {
  const Secret token = derive(), sibling = derive();
  const std::vector<std::string> more = {"ro=1"};
  const Secret narrowed = narrow_derived(token, more).value();
  const auto who = check(narrowed).principal;
  ASSERT_TRUE(who);
  ASSERT_TRUE(ring_->revoke_token("app-chat", tid(token), "admin", "leaked"));
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked);
  EXPECT_EQ(check(narrowed).fault, KeyFault::kTokenRevoked) << "and what was narrowed from it";
  EXPECT_FALSE(ring_->alive(*who, clock_.now()));
  EXPECT_EQ(check(sibling).fault, KeyFault::kNone);
  EXPECT_EQ(check(parent_->text).fault, KeyFault::kNone);

  EXPECT_EQ(ring_->revoke_token("app-chat", "short", "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->revoke_token("nobody", tid(token), "admin").error().code, Code::kNotFound);

  reader_.reset();
  ring_ = KeyRing::open(config('d'), store_, clock_).value();
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked) << "also after a restart";
}

// It hangs on the key that is being replaced; the name means its successor.
TEST_F(Deriving, RevokedByNameItIsDeadOnEveryLivingKeyOfTheName) {
  const Secret token = derive();
  RotateOptions overlap;
  overlap.overlap = 1h;
  clock_.advance(1s);
  const RotatedKey rotated = ring_->rotate("app-chat", overlap, "admin").value();
  ASSERT_EQ(check(token).fault, KeyFault::kNone);
  ring_->revoke_token_now("app-chat", tid(token), "admin");
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked) << "before anything waits";
  const auto revoked = ring_->revoke_token("app-chat", tid(token), "admin");
  ASSERT_TRUE(revoked);
  ASSERT_EQ(revoked->size(), 2u);
  EXPECT_EQ(revoked->front().kid, rotated.successor.kid);
  EXPECT_EQ(revoked->back().kid, parent_->info.kid);
  reader_.reset();
  ring_ = KeyRing::open(config('d'), store_, clock_).value();
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked);
  EXPECT_EQ(ring_->revoke_token(parent_->info.kid, tid(token), "admin")->size(), 1u);
}

TEST_F(Deriving, ATokenOfAKeyThatAnotherProcessMadeIsRevokedToo) {
  const auto other = KeyRing::open(config('d'), store_, clock_).value();
  store_.other([&] { parent_.emplace(other->create(spec("theirs"), "cli").value()); });
  const Secret token = derive();
  ASSERT_TRUE(ring_->revoke_token("theirs", tid(token), "admin")) << "it is asked for first";
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked);
}

TEST_F(Deriving, ARevocationWorksBeforeItIsDurable) {
  const Secret token = derive();
  store_.read_only = true;
  EXPECT_EQ(ring_->revoke_token("app-chat", tid(token), "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked);
  store_.read_only = false;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(store_.load_tokens(0)->size(), 1U) << "tried again";
}

TEST_F(Deriving, AnotherProcessHearsOfIt) {
  const Secret token = derive();
  const auto other = KeyRing::open(config('d'), store_, clock_).value();
  store_.other([&] { ASSERT_TRUE(other->revoke_token("app-chat", tid(token), "admin")); });
  EXPECT_EQ(check(token).fault, KeyFault::kNone);
  ASSERT_TRUE(*ring_->refresh_if_changed());
  EXPECT_EQ(check(token).fault, KeyFault::kTokenRevoked);
}

TEST_F(Deriving, WhoMayNot) {
  KeySpec plain = spec("plain");
  plain.derive = false;
  const CreatedKey key = ring_->create(plain, "admin").value();
  const std::vector<std::string> caveats = {caveat("iat", kStart), caveat("exp", kStart + 1min)};
  EXPECT_EQ(check(mint_derived(key.text, caveats).value()).fault, KeyFault::kNoDerived);
  EXPECT_EQ(check(mint_derived(mint_key(), caveats).value()).fault, KeyFault::kUnknown);

  // The right kid, another secret.
  const Secret token = derive();
  const std::string text(token.reveal());
  const std::string end = text.substr(text.rfind('.'));
  std::string forged = text.substr(0, text.size() - end.size()) + ".cm89MQ" + end;
  forged.resize(forged.size() - kCrcBytes);
  const auto crc = crc_text(forged);
  forged.append(crc.data(), crc.size());
  EXPECT_EQ(check(Secret(forged)).fault, KeyFault::kBadSecret);
  EXPECT_EQ(check(Secret(text.substr(0, 60))).fault, KeyFault::kBadFormat);
  EXPECT_EQ(check(Secret(text.substr(0, text.size() - 1) + (text.back() == '0' ? '1' : '0'))).fault,
            KeyFault::kBadChecksum);
}

TEST_F(Deriving, BindingsOfTheTokenAreAsked) {
  const Secret token = derive({"cidr=10.0.0.0/8"});
  const IpAddress inside = *IpAddress::parse("10.1.2.3"), outside = *IpAddress::parse("192.0.2.1");
  EXPECT_EQ(check(token, {.source = &inside}).fault, KeyFault::kNone);
  EXPECT_EQ(check(token, {.source = &outside}).fault, KeyFault::kWrongSource);
  EXPECT_EQ(check(token).fault, KeyFault::kWrongSource) << "what is not shown satisfies nothing";
}

TEST_F(Deriving, WithoutItsKeyTheGateAcceptsNoneAndMakesNone) {
  const Secret token = derive();
  for (const char key : {'\0', 'x'}) {  // none, another one
    reader_.reset();
    ring_ = KeyRing::open(config(key), store_, clock_).value();
    EXPECT_EQ(check(token).fault, KeyFault::kNoDerived);
    EXPECT_EQ(check(parent_->text).fault, KeyFault::kNone);
    EXPECT_EQ(ring_->create(spec(key ? "b" : "a"), "admin").has_value(), key != '\0');
  }
}

TEST_F(Deriving, ARotatedKeyDerivesOn) {
  const Secret token = derive();
  const RotatedKey rotated = ring_->rotate("app-chat", {}, "admin").value();
  EXPECT_TRUE(rotated.successor.derive);
  EXPECT_EQ(check(token).fault, KeyFault::kNone) << "as long as its key";
  const std::vector<std::string> caveats = {caveat("iat", kStart), caveat("exp", kStart + 1h)};
  const Secret next = mint_derived(*rotated.text, caveats).value();
  EXPECT_EQ(check(next).fault, KeyFault::kNone);
  clock_.advance(10min);
  EXPECT_EQ(check(token).fault, KeyFault::kExpired);
  EXPECT_EQ(check(next).fault, KeyFault::kNone);
}

TEST_F(Deriving, WhoseTokenIsIt) {
  const Secret token = derive();
  const Whose whose = ring_->whose(token.reveal()).value();
  EXPECT_EQ(whose.kid, parent_->info.kid);
  EXPECT_EQ(whose.tid, tid(token));
  EXPECT_TRUE(whose.genuine);
  const std::vector<std::string> caveats = {caveat("iat", kStart), caveat("exp", kStart + 1min)};
  EXPECT_FALSE(ring_->whose(mint_derived(mint_key(), caveats)->reveal())->genuine);
}

TEST_F(Deriving, WhetherATokenStillWorksIsToldApartFromItsKey) {
  const std::vector<std::string> caveats = {caveat("iat", kStart), caveat("exp", kStart + 1min)};
  const Secret short_one = mint_derived(parent_->text, caveats).value();
  const auto of = [&](const Secret& token) { return ring_->whose(token.reveal()).value(); };
  EXPECT_EQ(of(short_one).token_fault, KeyFault::kNone);
  EXPECT_EQ(of(short_one).token_expires_at, kStart + 1min);
  clock_.advance(1min);
  EXPECT_EQ(of(short_one).token_fault, KeyFault::kTokenExpired);
  const Secret token = derive();
  ASSERT_TRUE(ring_->revoke_token("app-chat", tid(token), "admin"));
  EXPECT_EQ(of(token).token_fault, KeyFault::kTokenRevoked);
  EXPECT_TRUE(of(token).genuine) << "it was ours";
}

TEST_F(Deriving, RevokedTokensAreForgottenWhenNoneCanLive) {
  const Secret token = derive();
  ASSERT_TRUE(ring_->revoke_token("app-chat", tid(token), "admin"));
  const UtcTime forget_at = store_.load_tokens(0)->front().forget_at;
  EXPECT_GE(forget_at, kStart + 24h + 60s) << "dated ahead as far as may be, as long as may be";
  EXPECT_LE(forget_at, kStart + 24h + 5min);
}

}  // namespace
}  // namespace sallyport::keys
