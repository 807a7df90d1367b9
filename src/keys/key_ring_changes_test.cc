// SPDX-License-Identifier: Apache-2.0
// Pausing keys, changing them, and ending all of one identity mapping, through the ring.
#include <gtest/gtest.h>

#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class KeyChangesTest : public ::testing::Test {
 protected:
  KeyChangesTest() { ring_ = open(); }

  std::unique_ptr<KeyRing> open() {
    Config config;
    config.pepper = Secret(std::string(32, 'p'));
    config.derive_key = Secret(std::string(32, 'd'));
    return KeyRing::open(config, store_, clock_).value();
  }
  CreatedKey key(std::string name, std::string mapping = "", std::string layer = "") {
    KeySpec spec;
    spec.name = std::move(name);
    spec.derive = true;
    spec.beside_own = !mapping.empty();
    spec.mapping = std::move(mapping);
    spec.layer = std::move(layer);
    spec.restrictions = parse_restrictions(R"({"models":["gpt-5*"],"rpm":60})").value();
    return ring_->create(spec, "admin").value();
  }
  KeyFault check(const Secret& text, const KeyRing& ring) {
    return KeyRing::Reader::make(ring)->check(text.reveal(), {.now = clock_.now()}).fault;
  }
  KeyFault check(const CreatedKey& key) { return check(key.text, *ring_); }
  std::string status_of(std::string_view kid) {
    return std::string(status(ring_->show(kid).value(), clock_.now()));
  }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  std::unique_ptr<KeyRing> ring_;
};

// --- Blocking

TEST_F(KeyChangesTest, ABlockedKeyIsDeadWithAllThatHangsOnItUntilItIsUnblocked) {
  const CreatedKey made = key("app");
  const CreatedKey other = key("other");
  const auto at = [&](auto after) {
    return std::to_string((clock_.now() + after).time_since_epoch().count() / 1000);
  };
  const std::vector<std::string> caveats = {"iat=" + at(0s), "exp=" + at(600s)};
  const Secret token = mint_derived(made.text, caveats).value();
  const auto who =
      KeyRing::Reader::make(*ring_)->check(token.reveal(), {.now = clock_.now()}).principal;
  ASSERT_TRUE(who);
  const std::uint64_t before = ring_->version();

  const auto blocked = ring_->block("app", "alice", "looks odd");
  ASSERT_TRUE(blocked) << blocked.error().what;
  EXPECT_EQ(check(made), KeyFault::kBlocked);
  EXPECT_STREQ(name(KeyFault::kBlocked), "key_blocked");
  EXPECT_EQ(check(token, *ring_), KeyFault::kBlocked);
  EXPECT_FALSE(ring_->alive(made.info.kid, clock_.now())) << "streams under way are cut";
  EXPECT_FALSE(ring_->alive(*who, clock_.now())) << "those of its tokens, too";
  EXPECT_NE(ring_->version(), before) << "streams look when the version moves";
  EXPECT_EQ(check(other), KeyFault::kNone);
  EXPECT_EQ(status_of("app"), "blocked");
  EXPECT_EQ(ring_->show("app")->blocked_by, "alice");
  EXPECT_EQ(ring_->show("app")->blocked_why, "looks odd");
  clock_.advance(1min);
  EXPECT_EQ(ring_->block("app", "bob")->front().blocked_at, kStart) << "the first time counts";
  EXPECT_EQ(check(made.text, *open()), KeyFault::kBlocked) << "durable";

  ASSERT_TRUE(ring_->unblock("app", "alice"));
  EXPECT_EQ(check(made), KeyFault::kNone);
  EXPECT_EQ(check(token, *ring_), KeyFault::kNone);
  EXPECT_EQ(status_of("app"), "active");
  EXPECT_FALSE(ring_->show("app")->blocked_by);
  EXPECT_EQ(check(made.text, *open()), KeyFault::kNone) << "durable";
  EXPECT_TRUE(ring_->unblock("app", "alice")) << "what is not blocked is no error";
}

struct DeadCase {
  const char* why;
  const char* which;
  Code code;
};

TEST_F(KeyChangesTest, WhatCannotBeBlockedUnblockedOrChanged) {
  key("gone");
  ASSERT_TRUE(ring_->revoke("gone", "admin"));
  const CreatedKey old = key("old");
  clock_.advance(8h);
  key("live");
  const DeadCase cases[] = {{"nobody", "nobody", Code::kNotFound},
                            {"revoked", "gone", Code::kDenied},
                            {"expired", "old", Code::kDenied}};
  KeyChange change;
  change.owner = "eve";
  for (const DeadCase& c : cases) {
    EXPECT_EQ(ring_->block(c.which, "admin").error().code, c.code) << c.why;
    EXPECT_EQ(ring_->unblock(c.which, "admin").error().code, c.code) << c.why;
    EXPECT_EQ(ring_->update(c.which, change, "admin").error().code, c.code) << c.why;
  }
  EXPECT_EQ(ring_->block("live", "").error().code, Code::kInvalid) << "nobody does it";
  EXPECT_EQ(ring_->block("live", "a", std::string(300, 'x')).error().code, Code::kInvalid);
  EXPECT_EQ(ring_->update("live", {}, "admin").error().code, Code::kInvalid) << "nothing to do";
}

TEST_F(KeyChangesTest, NothingGetsRoundAPause) {
  const CreatedKey made = key("app");
  ASSERT_TRUE(ring_->block("app", "admin"));
  EXPECT_EQ(ring_->rotate("app", {}, "admin").error().code, Code::kDenied) << "a new secret";
  EXPECT_EQ(open()->rotate("app", {}, "admin").error().code, Code::kDenied) << "elsewhere";
  KeyChange change;
  change.owner = "eve";
  ASSERT_TRUE(ring_->update("app", change, "admin"));
  EXPECT_EQ(check(made), KeyFault::kBlocked) << "a change";
  KeySpec again;
  again.name = "app";
  again.beside_own = true;
  EXPECT_EQ(ring_->create(again, "admin").error().code, Code::kDenied) << "another of its name";
  ASSERT_TRUE(ring_->revoke("app", "admin"));
  EXPECT_EQ(check(made), KeyFault::kRevoked) << "what is final comes first";
  EXPECT_EQ(ring_->unblock("app", "admin").error().code, Code::kDenied);
}

TEST_F(KeyChangesTest, APauseOfANameIsOneOfAllItsKeys) {
  const CreatedKey old = key("app");
  const RotatedKey next = ring_->rotate("app", {}, "admin").value();
  ASSERT_EQ(ring_->block("app", "admin")->size(), 2u);
  EXPECT_EQ(check(old), KeyFault::kBlocked);
  EXPECT_EQ(check(*next.text, *ring_), KeyFault::kBlocked);
  ASSERT_TRUE(ring_->unblock(next.successor.kid, "admin"));
  EXPECT_EQ(check(old), KeyFault::kBlocked) << "by kid: that one";
  EXPECT_EQ(check(*next.text, *ring_), KeyFault::kNone);
}

TEST_F(KeyChangesTest, OtherProcessesHearOfItWithTheirNextPoll) {
  const CreatedKey made = key("app");
  const auto other = open();
  store_.other([&] { ASSERT_TRUE(ring_->block("app", "admin")); });
  ASSERT_TRUE(other->refresh_if_changed());
  EXPECT_EQ(check(made.text, *other), KeyFault::kBlocked);
  store_.other([&] { ASSERT_TRUE(ring_->unblock("app", "admin")); });
  ASSERT_TRUE(other->refresh_if_changed());
  EXPECT_EQ(check(made.text, *other), KeyFault::kNone);
}

TEST_F(KeyChangesTest, AFullStoreKeepsNoKeyAliveAndOpensNone) {
  const CreatedKey made = key("app");
  store_.read_only = true;
  EXPECT_EQ(ring_->block("app", "admin").error().code, Code::kUnavailable) << "not acknowledged";
  EXPECT_EQ(check(made), KeyFault::kBlocked) << "dead here all the same";
  EXPECT_EQ(check(made.text, *open()), KeyFault::kNone) << "nobody else knows";
  EXPECT_EQ(ring_->unblock("app", "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(check(made), KeyFault::kBlocked) << "opening waits for the store";
  store_.read_only = false;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(made.text, *open()), KeyFault::kBlocked) << "it was tried again";

  store_.read_only = true;
  EXPECT_FALSE(ring_->unblock("app", "admin"));
  EXPECT_EQ(check(made), KeyFault::kBlocked);
  store_.read_only = false;
  ASSERT_TRUE(ring_->unblock("app", "admin"));
  EXPECT_EQ(check(made), KeyFault::kNone);
}

TEST_F(KeyChangesTest, APauseThatNeverReachedTheStoreCanEnd) {
  const CreatedKey made = key("app");
  store_.read_only = true;
  EXPECT_FALSE(ring_->block("app", "admin"));
  store_.read_only = false;
  ASSERT_TRUE(ring_->unblock("app", "admin"));
  EXPECT_EQ(check(made), KeyFault::kNone);
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(made), KeyFault::kNone) << "it is not written later";
}

// --- Changing

TEST_F(KeyChangesTest, AChangeReplacesWhatItNamesAndKeepsTheRest) {
  const CreatedKey made = key("app");
  KeyChange change;
  change.owner = "team green";
  change.purpose = "support";
  change.expires_at = kStart + 20h;
  change.restrictions = {{"rpm", "null"}, {"budgets", R"([{"usd":"5","per":"day"}])"}};
  const auto updated = ring_->update("app", change, "admin");
  ASSERT_TRUE(updated) << updated.error().what;
  ASSERT_EQ(updated->size(), 1u);
  EXPECT_EQ(updated->front().before.owner, "");
  const KeyInfo now = ring_->show("app").value();
  EXPECT_EQ(now.owner, "team green");
  EXPECT_EQ(now.scope.purpose, "support");
  EXPECT_EQ(now.scope.module, "unlisted");
  EXPECT_EQ(now.expires_at, kStart + 20h);
  EXPECT_EQ(restrictions_json(now.restrictions),
            R"({"models":["gpt-5*"],"budgets":[{"usd":"5","per":"day","hard":true}]})");
  EXPECT_GT(now.version, made.info.version);
  EXPECT_EQ(updated->front().after.version, now.version);
  clock_.advance(19h);
  const auto look = KeyRing::Reader::make(*ring_)->check(made.text.reveal(), {.now = clock_.now()});
  ASSERT_EQ(look.fault, KeyFault::kNone) << "the secret stays";
  EXPECT_EQ(look.principal->layer->restrictions, now.restrictions) << "requests are judged by it";
  EXPECT_EQ(open()->show("app")->restrictions, now.restrictions) << "durable";
}

TEST_F(KeyChangesTest, AnEarlierEndCutsStreams) {
  const CreatedKey made = key("app");
  KeyChange change;
  change.expires_at = kStart + 1min;
  ASSERT_TRUE(ring_->update("app", change, "admin"));
  EXPECT_FALSE(ring_->alive(made.info.kid, kStart + 1min));
}

struct ChangeCase {
  const char* why;
  KeyChange change;
  Code code;
  const char* told;  // in the sentence
};

KeyChange restricts(std::string member, std::string json) {
  KeyChange change;
  change.restrictions.emplace(std::move(member), std::move(json));
  return change;
}
KeyChange ends(UtcTime at) {
  KeyChange change;
  change.expires_at = at;
  return change;
}

TEST_F(KeyChangesTest, WhatAChangeMayNotBe) {
  key("app");
  KeyChange owner, module, later, upstream;
  owner.owner = "a\nb";
  module.module = "";
  later.not_before = kStart + 9h;
  upstream.upstream = "no such name!";
  const ChangeCase cases[] = {
      {"an unknown member", restricts("rpn", "1"), Code::kInvalid, "rpn"},
      {"an unknown member lifted", restricts("rpn", "null"), Code::kInvalid, "rpn"},
      {"a negative limit", restricts("rpm", "-1"), Code::kInvalid, "rpm"},
      {"a number too large", restricts("tpm", "9223372036854775808"), Code::kInvalid, "tpm"},
      {"a negative budget", restricts("budgets", R"([{"usd":"-1","per":"day"}])"), Code::kInvalid,
       "budgets"},
      {"no JSON", restricts("rpm", "sixty"), Code::kInvalid, "rpm"},
      {"an owner of two lines", owner, Code::kInvalid, "owner"},
      {"no module", module, Code::kInvalid, "module"},
      {"an upstream that is none", upstream, Code::kInvalid, "upstream"},
      {"valid only after its end", later, Code::kInvalid, "not_before"},
      {"an end in the past", ends(kStart), Code::kInvalid, "expires_at"},
      {"longer than a key may live", ends(kStart + 24h + 1ms), Code::kInvalid, "expires_at"},
  };
  const KeyInfo before = ring_->show("app").value();
  for (const ChangeCase& c : cases) {
    const auto updated = ring_->update("app", c.change, "admin");
    ASSERT_FALSE(updated) << c.why;
    EXPECT_EQ(updated.error().code, c.code) << c.why;
    EXPECT_TRUE(updated.error().what.contains(c.told)) << c.why << ": " << updated.error().what;
  }
  EXPECT_EQ(ring_->show("app")->version, before.version) << "nothing was written";
  EXPECT_TRUE(ring_->update("app", ends(kStart + 24h), "admin")) << "the last moment there is";
}

TEST_F(KeyChangesTest, AKeyIsBoundToAnUpstreamThatThereIs) {
  KeySpec spec;
  spec.name = "early";
  spec.scope.upstream = "gone";
  ASSERT_TRUE(ring_->create(spec, "admin")) << "nobody said yet which there are";
  ring_->know_upstreams({"openai", "backup"});
  spec.name = "late";
  EXPECT_EQ(ring_->create(spec, "admin").error().what,
            "upstream: there is no upstream gone; there are: openai, backup");
  spec.scope.upstream = "backup";
  EXPECT_TRUE(ring_->create(spec, "admin"));
  KeyChange change;
  change.upstream = "gone";
  EXPECT_EQ(ring_->update("late", change, "admin").error().code, Code::kInvalid);
  change.upstream = "openai";
  EXPECT_TRUE(ring_->update("late", change, "admin"));
  change = {};
  change.owner = "mai";
  EXPECT_TRUE(ring_->update("early", change, "admin")) << "what it has, it keeps";
}

TEST_F(KeyChangesTest, AChangeNeverGetsMoreThanTheLayerHas) {
  LayerSpec layer;
  layer.path = "acme";
  layer.restrictions = parse_restrictions(R"({"models":["gpt-5*"],"rpm":100})").value();
  ASSERT_TRUE(ring_->put_layer(layer, "admin"));
  key("app", "", "acme");
  const auto updated = ring_->update("app", restricts("models", R"(["gpt-4"])"), "admin");
  ASSERT_TRUE(updated);
  ASSERT_EQ(updated->front().warnings.size(), 1u) << "as at creation";
  EXPECT_TRUE(updated->front().warnings[0].contains("models"));
  ASSERT_TRUE(ring_->revoke_layer("acme", "admin"));
  EXPECT_EQ(ring_->update("app", restricts("rpm", "1"), "admin").error().code, Code::kDenied);
}

TEST_F(KeyChangesTest, AKeyThatIsBeingReplacedGetsNoLongerLife) {
  const CreatedKey old = key("app");
  ASSERT_TRUE(ring_->rotate("app", {.overlap = 10min, .rotation_id = {}, .life = {}}, "admin"));
  ASSERT_EQ(ring_->update("app", ends(kStart + 20h), "admin")->size(), 2u);
  EXPECT_EQ(ring_->show(old.info.kid)->expires_at, kStart + 10min);
  EXPECT_EQ(ring_->show("app")->expires_at, kStart + 20h) << "the successor";
}

TEST_F(KeyChangesTest, AChangeIsMadeOnWhatOthersWroteAndNotOverIt) {
  const CreatedKey made = key("app");
  store_.meanwhile = [&] {
    store_.row(made.info.kid).info.owner = "somebody else";
    store_.touch(made.info.kid);
  };
  ASSERT_TRUE(ring_->update("app", restricts("rpm", "7"), "admin"));
  EXPECT_EQ(store_.row(made.info.kid).info.owner, "somebody else");
  EXPECT_EQ(store_.row(made.info.kid).info.restrictions.limits.requests_per_minute, 7);
}

TEST_F(KeyChangesTest, AFullStoreChangesNothing) {
  const CreatedKey made = key("app");
  for (bool* trouble : {&store_.read_only, &store_.failing}) {
    *trouble = true;
    EXPECT_EQ(ring_->update("app", restricts("rpm", "7"), "admin").error().code,
              Code::kUnavailable);
    *trouble = false;
    EXPECT_EQ(ring_->show("app")->restrictions.limits.requests_per_minute, 60);
    EXPECT_EQ(store_.row(made.info.kid).info.restrictions.limits.requests_per_minute, 60);
  }
}

// --- One mapping

TEST_F(KeyChangesTest, AllKeysOfOneMappingDieInOneAct) {
  const CreatedKey a = key("ci-web", "ci"), b = key("ci-web", "ci"), c = key("ci-api", "ci");
  const CreatedKey pod = key("pod", "cluster"), plain = key("plain");
  const RotatedKey next = ring_->rotate(c.info.kid, {}, "admin").value();
  EXPECT_EQ(ring_->of_mapping("ci").size(), 4u);
  EXPECT_EQ(open()->show("pod")->mapping, "cluster") << "durable";
  EXPECT_EQ(ring_->revoke_mapping("nobody", "admin").error().code, Code::kNotFound);
  EXPECT_EQ(ring_->revoke_mapping("", "admin").error().code, Code::kNotFound)
      << "no mapping is not one";

  const auto revoked = ring_->revoke_mapping("ci", "alice", "issuer is compromised");
  ASSERT_TRUE(revoked) << revoked.error().what;
  EXPECT_EQ(revoked->size(), 4u) << "the successor of a rotation, too";
  for (const CreatedKey* dead : {&a, &b, &c}) EXPECT_EQ(check(*dead), KeyFault::kRevoked);
  EXPECT_EQ(check(*next.text, *ring_), KeyFault::kRevoked);
  EXPECT_EQ(check(pod), KeyFault::kNone);
  EXPECT_EQ(check(plain), KeyFault::kNone);
  EXPECT_EQ(ring_->show(a.info.kid)->revoked_why, "issuer is compromised");
  EXPECT_EQ(check(a.text, *open()), KeyFault::kRevoked) << "durable";
  EXPECT_EQ(ring_->revoke_mapping("ci", "alice")->size(), 0u) << "none of them lived";
  EXPECT_EQ(check(key("ci-web", "ci")), KeyFault::kNone) << "the mapping itself stays";
}

TEST_F(KeyChangesTest, AFullStoreKeepsNoKeyOfAMappingAlive) {
  const CreatedKey a = key("ci-web", "ci"), b = key("ci-api", "ci");
  store_.read_only = true;
  EXPECT_EQ(ring_->revoke_mapping("ci", "alice").error().code, Code::kUnavailable);
  EXPECT_EQ(check(a), KeyFault::kRevoked);
  EXPECT_EQ(check(b), KeyFault::kRevoked);
  store_.read_only = false;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(b.text, *open()), KeyFault::kRevoked) << "it was tried again";
}

// --- Dead layers

struct LayerCase {
  const char* why;
  std::function<void(KeyRing&, ManualClock&)> act;
  const char* path;  // that ended it; empty: none did
  KeyFault fault;
};

TEST_F(KeyChangesTest, AListCanTellWhichLayerEndedAKey) {
  const LayerCase cases[] = {
      {"all are well", [](KeyRing&, ManualClock&) {}, "", KeyFault::kNone},
      {"its own is revoked",
       [](KeyRing& ring, ManualClock&) { ASSERT_TRUE(ring.revoke_layer("a/b", "x")); }, "a/b",
       KeyFault::kLayerRevoked},
      {"the outermost is revoked",
       [](KeyRing& ring, ManualClock&) { ASSERT_TRUE(ring.revoke_layer("a", "x")); }, "a",
       KeyFault::kLayerRevoked},
      {"both are: the outermost is the reason",
       [](KeyRing& ring, ManualClock&) {
         ASSERT_TRUE(ring.revoke_layer("a/b", "x"));
         ASSERT_TRUE(ring.revoke_layer("a", "x"));
       },
       "a", KeyFault::kLayerRevoked},
      {"a sibling is",
       [](KeyRing& ring, ManualClock&) { ASSERT_TRUE(ring.revoke_layer("a/c", "x")); }, "",
       KeyFault::kNone},
      {"one takes only what is issued later",
       [](KeyRing& ring, ManualClock& clock) {
         clock.advance(1min);
         ASSERT_TRUE(ring.issued_before("a", clock.now(), "x"));
       },
       "a", KeyFault::kIssuedBefore},
      {"one has expired", [](KeyRing&, ManualClock& clock) { clock.advance(2h); }, "a/b",
       KeyFault::kLayerExpired},
  };
  for (const LayerCase& c : cases) {
    store_.replace();
    clock_.set(kStart);
    ring_ = open();
    for (const char* path : {"a", "a/b", "a/c"}) {
      LayerSpec layer;
      layer.path = path;
      if (layer.path == "a/b") layer.expires_at = kStart + 2h;
      ASSERT_TRUE(ring_->put_layer(layer, "admin")) << c.why;
    }
    const CreatedKey made = key("app", "", "a/b");
    c.act(*ring_, clock_);
    const auto dead = ring_->dead_layer(ring_->show("app").value(), clock_.now());
    EXPECT_EQ(dead ? dead->path : "", c.path) << c.why;
    EXPECT_EQ(dead ? dead->fault : KeyFault::kNone, c.fault) << c.why;
    EXPECT_EQ(check(made), c.fault) << c.why << ": the door says the same";
  }
}

}  // namespace
}  // namespace sallyport::keys
