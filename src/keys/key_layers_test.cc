// SPDX-License-Identifier: Apache-2.0
// The tree above the keys, through the ring.
#include <gtest/gtest.h>

#include "keys/key_ring.h"
#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};
const std::string kPrint(43, 'A'), kOtherPrint = "B" + std::string(42, 'A');

class OnePlace final : public Geography {
 public:
  mutable int asked = 0;
  Location where;
  Location locate(const IpAddress&) const override {
    ++asked;
    return where;
  }
};

class KeyLayersTest : public ::testing::Test {
 protected:
  KeyLayersTest() { ring_ = open(); }

  std::unique_ptr<KeyRing> open() {
    Config config;
    config.pepper = Secret(std::string(32, 'p'));
    return KeyRing::open(config, store_, clock_).value();
  }
  Result<PutLayer> put(std::string path, std::string_view restrictions = "{}",
                       std::optional<UtcTime> end = {}) {
    LayerSpec spec;
    spec.path = std::move(path);
    spec.expires_at = end;
    spec.restrictions = parse_restrictions(restrictions).value();
    return ring_->put_layer(spec, "admin");
  }
  void tree() {
    ASSERT_TRUE(put("acme"));
    ASSERT_TRUE(put("acme/support"));
    ASSERT_TRUE(put("acme/support/user_42"));
    ASSERT_TRUE(put("acme/sales"));
  }
  CreatedKey key(std::string name, std::string layer, std::string_view restrictions = "{}") {
    KeySpec spec;
    spec.name = std::move(name);
    spec.layer = std::move(layer);
    spec.restrictions = parse_restrictions(restrictions).value();
    return ring_->create(spec, "admin").value();
  }
  KeyCheck look(const CreatedKey& key, Presented shown = {}) {
    shown.now = clock_.now();
    return KeyRing::Reader::make(*ring_)->check(key.text.reveal(), shown);
  }
  KeyFault check(const CreatedKey& key, Presented shown = {}) { return look(key, shown).fault; }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  std::unique_ptr<KeyRing> ring_;
};

struct PathCase {
  std::string path;
  std::optional<LayerKind> kind;
};

TEST(LayerPath, TellsItsKind) {
  const PathCase cases[] = {
      {"acme", LayerKind::kOrganisation},
      {"acme/support", LayerKind::kProject},
      {"acme/support/user_42.x-1", LayerKind::kPrincipal},
      {std::string(64, 'a'), LayerKind::kOrganisation},
      {std::string(65, 'a'), {}},
      {"", {}},
      {"/", {}},
      {"acme/", {}},
      {"/acme", {}},
      {"acme//x", {}},
      {"a/b/c/d", {}},
      {"ac me", {}},
      {"acme/\xc3\xa9", {}},
      {std::string("a\0b", 3), {}},
  };
  for (const PathCase& c : cases) EXPECT_EQ(layer_kind(c.path), c.kind) << c.path;
  EXPECT_EQ(layer_account("acme/support"), "project:acme/support");
  EXPECT_EQ(layer_parent("acme/support/user_42"), "acme/support");
  EXPECT_EQ(layer_parent("acme"), "");
}

TEST_F(KeyLayersTest, APrincipalCarriesItsChain) {
  ASSERT_TRUE(put("acme", R"({"rpm":100})", kStart + 2h));
  ASSERT_TRUE(put("acme/support", R"({"models":["gpt-5*"]})"));
  const CreatedKey made = key("user_42_readonly", "acme/support", R"({"read_only":true})");
  const CreatedKey other = key("second", "acme/support");
  const auto principal = look(made).principal;
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->layer_path, "acme/support");
  EXPECT_EQ(principal->expires_at, kStart + 2h) << "the earliest end of the chain";
  const Layer* layer = principal->layer.get();
  EXPECT_EQ(layer->account, "key:user_42_readonly");
  EXPECT_TRUE(layer->restrictions.read_only);
  layer = layer->parent.get();
  EXPECT_EQ(layer->account, "project:acme/support");
  EXPECT_EQ(layer->restrictions.models, std::vector<std::string>{"gpt-5*"});
  EXPECT_EQ(layer, look(other).principal->layer->parent.get()) << "one layer for all below it";
  layer = layer->parent.get();
  EXPECT_EQ(layer->account, "organisation:acme");
  EXPECT_EQ(layer->restrictions.limits.requests_per_minute, 100);
  EXPECT_FALSE(layer->parent);
}

TEST_F(KeyLayersTest, Invariant5RevokingALayerKillsEverythingBelowAtOnceAndNothingBeside) {
  tree();
  const CreatedKey deep = key("deep", "acme/support/user_42"), mid = key("mid", "acme/support"),
                   beside = key("beside", "acme/sales"), free = key("free", "");
  KeyRing::Reader reader = KeyRing::Reader::make(*ring_).value();
  ASSERT_EQ(reader.check(deep.text.reveal(), {.now = kStart}).fault, KeyFault::kNone);
  const std::uint64_t version = ring_->version();

  const LayerInfo dead = ring_->revoke_layer("acme/support", "alice", "stolen laptop").value();
  EXPECT_TRUE(dead.revoked);
  EXPECT_EQ(dead.revoked_by, "alice");
  EXPECT_NE(ring_->version(), version) << "live streams look when the version moves";
  EXPECT_EQ(reader.check(deep.text.reveal(), {.now = kStart}).fault, KeyFault::kLayerRevoked);
  EXPECT_EQ(check(mid), KeyFault::kLayerRevoked);
  EXPECT_EQ(check(beside), KeyFault::kNone);
  EXPECT_EQ(check(free), KeyFault::kNone);
  EXPECT_FALSE(ring_->alive(deep.info.kid, kStart));
  EXPECT_FALSE(ring_->alive(mid.info.kid, kStart));
  EXPECT_TRUE(ring_->alive(beside.info.kid, kStart));

  EXPECT_EQ(put("acme/support").error().code, Code::kDenied) << "final";
  EXPECT_EQ(put("acme/support/new").error().code, Code::kDenied) << "nothing grows below it";
  EXPECT_EQ(ring_->revoke_layer("acme/support", "bob")->revoked_by, "alice");
  EXPECT_EQ(ring_->revoke_layer("acme/nobody", "bob").error().code, Code::kNotFound);
  ring_ = open();
  EXPECT_EQ(check(deep), KeyFault::kLayerRevoked) << "after a restart";
}

TEST_F(KeyLayersTest, ALayerThatExpiresTakesAllWithItAndCanBeProlonged) {
  ASSERT_TRUE(put("acme", "{}", kStart + 1h));
  ASSERT_TRUE(put("acme/support"));
  const CreatedKey made = key("a", "acme/support");
  clock_.advance(1h - 1ms);
  EXPECT_EQ(check(made), KeyFault::kNone);
  clock_.advance(1ms);
  EXPECT_EQ(check(made), KeyFault::kLayerExpired);
  EXPECT_FALSE(ring_->alive(made.info.kid, clock_.now()));
  EXPECT_EQ(put("acme/sales").error().code, Code::kDenied);
  EXPECT_EQ(put("acme", "{}", kStart).error().code, Code::kInvalid) << "an end in the past";
  KeySpec below;
  below.name = "b";
  below.layer = "acme/support";
  EXPECT_EQ(ring_->create(below, "admin").error().code, Code::kInvalid);
  ASSERT_TRUE(put("acme", "{}", clock_.now() + 1h));
  EXPECT_EQ(check(made), KeyFault::kNone);
}

TEST_F(KeyLayersTest, IssuedBeforeKillsWhatIsOlderAndOnlyMovesForward) {
  tree();
  const CreatedKey old = key("old", "acme/support/user_42");
  clock_.advance(1h);
  const CreatedKey fresh = key("fresh", "acme/support");
  ASSERT_EQ(ring_->issued_before("acme", clock_.now(), "admin")->issued_before, clock_.now());
  EXPECT_EQ(check(old), KeyFault::kIssuedBefore);
  EXPECT_FALSE(ring_->alive(old.info.kid, clock_.now()));
  EXPECT_EQ(check(fresh), KeyFault::kNone);
  EXPECT_EQ(ring_->issued_before("acme", kStart, "admin")->issued_before, clock_.now());
  EXPECT_EQ(check(old), KeyFault::kIssuedBefore);
  EXPECT_EQ(ring_->issued_before("acme", clock_.now() + 1ms, "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->issued_before("x", kStart, "admin").error().code, Code::kNotFound);
  ASSERT_TRUE(put("acme", R"({"rpm":5})"));
  EXPECT_EQ(check(old), KeyFault::kIssuedBefore) << "a change of the layer does not lift it";
  ring_ = open();
  EXPECT_EQ(check(old), KeyFault::kIssuedBefore) << "after a restart";
}

TEST_F(KeyLayersTest, EndsWorkWhenTheStoreIsBrokenAndBecomeDurableLater) {
  tree();
  const CreatedKey made = key("a", "acme/support"), side = key("b", "acme/sales");
  clock_.advance(1s);
  store_.failing = true;
  EXPECT_EQ(ring_->revoke_layer("acme/support", "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(ring_->issued_before("acme", clock_.now(), "admin").error().code, Code::kUnavailable);
  EXPECT_EQ(check(made), KeyFault::kLayerRevoked) << "dead in this process";
  EXPECT_EQ(check(side), KeyFault::kIssuedBefore);
  EXPECT_EQ(put("acme/new").error().code, Code::kUnavailable) << "nothing new without the store";

  store_.failing = false;
  store_.other([&] {  // newer rows that know nothing of it
    store_.touch_layer("acme/support");
    store_.touch_layer("acme");
  });
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(made), KeyFault::kLayerRevoked);
  EXPECT_TRUE(store_.layer_row("acme/support").info.revoked) << "made durable by the poll";
  EXPECT_EQ(store_.layer_row("acme").info.issued_before, clock_.now());
  const int asked = store_.revocations_asked;
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(store_.revocations_asked, asked) << "what is durable is not asked for again";
}

TEST_F(KeyLayersTest, WhatOtherProcessesDoIsHeardWithOnePoll) {
  tree();
  const CreatedKey made = key("a", "acme/support");
  const auto other = open();
  store_.other([&] { ASSERT_TRUE(other->revoke_layer("acme", "cli")); });
  EXPECT_TRUE(ring_->refresh_if_changed().value());
  EXPECT_EQ(check(made), KeyFault::kLayerRevoked);
  store_.other([&] {
    LayerSpec spec;
    spec.path = "globex";
    ASSERT_TRUE(other->put_layer(spec, "cli"));
  });
  EXPECT_TRUE(ring_->refresh_if_changed().value());
  EXPECT_EQ(ring_->layer("globex")->created_by, "cli");
}

TEST_F(KeyLayersTest, ALayerNeedsItsParentAndAReadableSpec) {
  EXPECT_EQ(put("acme/support").error().code, Code::kNotFound);
  EXPECT_EQ(put("a/b/c/d").error().code, Code::kInvalid);
  EXPECT_EQ(put("").error().code, Code::kInvalid);
  LayerSpec spec;
  spec.path = "acme";
  spec.restrictions.models = {"g*t"};
  const Result<PutLayer> made = ring_->put_layer(spec, "admin");
  EXPECT_EQ(made.error().code, Code::kInvalid);
  EXPECT_NE(made.error().what.find("models"), std::string::npos) << "names what is wrong";
  KeySpec below;
  below.name = "a";
  below.layer = "nowhere";
  EXPECT_EQ(ring_->create(below, "admin").error().code, Code::kInvalid);
  EXPECT_TRUE(ring_->layers().empty());
}

TEST_F(KeyLayersTest, ManyAtOnceAreAllOrNothing) {
  const auto spec = [](std::string path) {
    LayerSpec made;
    made.path = std::move(path);
    return made;
  };
  std::vector<LayerSpec> specs = {spec("acme/a"), spec("acme"), spec("acme/a/b")};
  ASSERT_EQ(ring_->put_layers(specs, "admin")->size(), 3u) << "parents may be among them";
  specs = {spec("globex"), spec("nowhere/x")};
  EXPECT_EQ(ring_->put_layers(specs, "admin").error().code, Code::kNotFound);
  specs = {spec("globex"), spec("globex")};
  EXPECT_EQ(ring_->put_layers(specs, "admin").error().code, Code::kInvalid);
  EXPECT_EQ(ring_->layer("globex").error().code, Code::kNotFound);
  EXPECT_EQ(ring_->layers().size(), 3u);
}

TEST_F(KeyLayersTest, AChildThatStatesMoreIsWarnedAndDoesNotGetIt) {
  ASSERT_TRUE(put("acme", R"({"models":["gpt-5*"],"rpm":10,
                              "budgets":[{"usd":"1","per":"day"}]})"));
  const PutLayer child = put("acme/a", R"({"models":["o9"],"rpm":20,
                                           "budgets":[{"usd":"2","per":"day"}]})")
                             .value();
  EXPECT_EQ(child.warnings.size(), 3u);
  EXPECT_TRUE(put("acme/b", R"({"models":["gpt-5.5"],"rpm":5})")->warnings.empty());
  EXPECT_TRUE(put("acme/c")->warnings.empty());
  const PutLayer again = put("acme/b", R"({"rpm":6})").value();
  ASSERT_TRUE(again.before);
  EXPECT_EQ(again.before->restrictions.limits.requests_per_minute, 5);
  EXPECT_EQ(key("k", "acme/a", R"({"rpm":30})").warnings.size(), 1u);
}

struct WiderCase {
  const char* why;
  const char *child, *parent;
  const char* member;  // that is warned of; empty: none
};
const WiderCase kWider[] = {
    {"a network outside", R"({"cidr":["192.168.0.0/16"]})", R"({"cidr":["10.0.0.0/8"]})", "cidr"},
    {"a larger network", R"({"cidr":["10.0.0.0/7"]})", R"({"cidr":["10.0.0.0/8"]})", "cidr"},
    {"a part of it", R"({"cidr":["10.1.0.0/16"]})", R"({"cidr":["10.0.0.0/8"]})", ""},
    {"more a day than a month has", R"({"budgets":[{"usd":"9","per":"day"}]})",
     R"({"budgets":[{"usd":"5","per":"month"}]})", "budgets"},
    {"more a month than its days have", R"({"budgets":[{"usd":"32","per":"month"}]})",
     R"({"budgets":[{"usd":"1","per":"day"}]})", "budgets"},
    {"as much as its days have", R"({"budgets":[{"usd":"31","per":"month"}]})",
     R"({"budgets":[{"usd":"1","per":"day"}]})", ""},
    {"in all, of a day", R"({"budgets":[{"usd":"900","per":"total"}]})",
     R"({"budgets":[{"usd":"1","per":"day"}]})", ""},
    {"another unit", R"({"budgets":[{"tokens":9,"per":"day"}]})",
     R"({"budgets":[{"usd":"1","per":"day"}]})", ""},
    {"an endpoint", R"({"endpoints":["POST /v1/responses"]})",
     R"({"endpoints":["POST /v1/chat/completions"]})", "endpoints"},
};

TEST_F(KeyLayersTest, WhatIsWiderIsNamedWithTheLayerThatHasLess) {
  int n = 0;
  for (const WiderCase& c : kWider) {
    const std::string root = "r" + std::to_string(++n);
    ASSERT_TRUE(put(root, c.parent)) << c.why;
    ASSERT_TRUE(put(root + "/a")) << c.why;
    const PutLayer child = put(root + "/a/b", c.child).value();
    if (*c.member == 0) {
      EXPECT_TRUE(child.warnings.empty()) << c.why << ": " << child.warnings[0];
      continue;
    }
    ASSERT_EQ(child.warnings.size(), 1u) << c.why;
    EXPECT_EQ(child.warnings[0], std::string(c.member) + " states more than the layer " + root +
                                     "; what counts is what both allow");
  }
}

TEST_F(KeyLayersTest, AKeyThatOutlivesItsLayerIsWarned) {
  LayerSpec soon;
  soon.path = "acme";
  soon.expires_at = clock_.now() + 1h;
  ASSERT_TRUE(ring_->put_layer(soon, "admin"));
  ASSERT_EQ(key("k", "acme").warnings.size(), 1u);
  EXPECT_TRUE(key("l", "acme").warnings[0].starts_with("expires_at lies behind the end of"));
}

struct BindingCase {
  const char* why;
  const char* restrictions;
  Presented shown;
  KeyFault fault;
};

TEST_F(KeyLayersTest, BindingsOfEveryLayerAreAsked) {
  const IpAddress inside = *IpAddress::parse("10.1.2.3"), outside = *IpAddress::parse("192.0.2.1");
  OnePlace taiwan, nowhere;
  taiwan.where = {.country = "TW", .asn = 3462, .network = "HiNet"};
  const DpopCheck proves = [](std::string_view print) { return print == kPrint; };
  const BindingCase cases[] = {
      {"inside", R"({"cidr":["10.0.0.0/8"]})", {.source = &inside}, KeyFault::kNone},
      {"outside", R"({"cidr":["10.0.0.0/8"]})", {.source = &outside}, KeyFault::kWrongSource},
      {"nowhere", R"({"cidr":["10.0.0.0/8"]})", {}, KeyFault::kWrongSource},
      {"country",
       R"({"countries":["JP","TW"]})",
       {.source = &inside, .geography = &taiwan},
       KeyFault::kNone},
      {"another",
       R"({"countries":["JP"]})",
       {.source = &inside, .geography = &taiwan},
       KeyFault::kWrongCountry},
      {"an unknown one",
       R"({"countries":["JP"]})",
       {.source = &inside, .geography = &nowhere},
       KeyFault::kWrongCountry},
      {"no geography", R"({"countries":["JP"]})", {.source = &inside}, KeyFault::kWrongCountry},
      {"network",
       R"({"networks":[3462]})",
       {.source = &inside, .geography = &taiwan},
       KeyFault::kNone},
      {"another network",
       R"({"networks":[1]})",
       {.source = &inside, .geography = &taiwan},
       KeyFault::kWrongNetwork},
      {"hours (14:13 UTC)", R"({"hours":["14:00-15:00Z"]})", {}, KeyFault::kNone},
      {"other hours", R"({"hours":["15:00-14:00Z"]})", {}, KeyFault::kWrongHours},
      {"certificate",
       R"({"certificate":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       {.certificate_thumbprint = kPrint},
       KeyFault::kNone},
      {"another certificate",
       R"({"certificate":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       {.certificate_thumbprint = kOtherPrint},
       KeyFault::kWrongCertificate},
      {"no certificate",
       R"({"certificate":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       {},
       KeyFault::kWrongCertificate},
      {"proofs that nobody can check",
       R"({"dpop":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       {},
       KeyFault::kWrongProof},
      {"a proof",
       R"({"dpop":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
       {.dpop = &proves},
       KeyFault::kNone},
  };
  int number = 0;
  for (const BindingCase& c : cases) {
    const std::string name = "b" + std::to_string(++number);
    ASSERT_TRUE(put(name, c.restrictions));
    ASSERT_TRUE(put(name + "/x"));
    EXPECT_EQ(check(key(name + "_below", name + "/x"), c.shown), c.fault) << c.why << ", above";
    EXPECT_EQ(check(key(name + "_own", "", c.restrictions), c.shown), c.fault) << c.why << ", own";
  }
}

TEST_F(KeyLayersTest, TheLocationIsLookedUpOnceAndOnlyWhereItMatters) {
  OnePlace taiwan;
  taiwan.where = {.country = "TW", .asn = 3462, .network = {}};
  const IpAddress source = *IpAddress::parse("10.1.2.3");
  const Presented shown{.source = &source, .geography = &taiwan};
  EXPECT_EQ(check(key("a", ""), shown), KeyFault::kNone);
  EXPECT_EQ(taiwan.asked, 0);
  ASSERT_TRUE(put("acme", R"({"countries":["TW"]})"));
  EXPECT_EQ(check(key("b", "acme", R"({"networks":[3462],"countries":["TW"]})"), shown),
            KeyFault::kNone);
  EXPECT_EQ(taiwan.asked, 1);
}

TEST_F(KeyLayersTest, DamageClosesItsSubtreeOnly) {
  tree();
  const CreatedKey below = key("below", "acme/support/user_42"), beside = key("b", "acme/sales"),
                   own = key("own", "");
  store_.other([&] {
    LayerRow& lost = store_.layer_row("acme/support");
    lost.damaged = true;
    store_.touch_layer("acme/support");
    store_.layer_row("ghost/child").info.path = "ghost/child";  // its parent is nowhere
    store_.touch_layer("ghost/child");
    store_.layer_row("a/b/c/d").info.path = "a/b/c/d";  // deeper than a tree is
    store_.touch_layer("a/b/c/d");
    store_.row(own.info.kid).damaged = true;
    store_.touch(own.info.kid);
  });
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(below), KeyFault::kDamaged);
  EXPECT_EQ(check(own), KeyFault::kDamaged);
  EXPECT_EQ(check(beside), KeyFault::kNone);
  EXPECT_EQ(ring_->layer_fault("ghost/child", kStart), KeyFault::kDamaged);
  EXPECT_EQ(ring_->layer_fault("a/b/c/d", kStart), KeyFault::kDamaged);
  EXPECT_FALSE(ring_->alive(below.info.kid, kStart));

  KeyRow orphan = store_.row(beside.info.kid);  // a key on a layer that is not there
  store_.other([&] {
    store_.row(beside.info.kid).info.layer = "vanished";
    store_.touch(beside.info.kid);
  });
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(beside), KeyFault::kDamaged);
}

TEST_F(KeyLayersTest, AReplacedStoreRevivesNoLayer) {
  tree();
  const CreatedKey made = key("a", "acme/support");
  const KeyRow row = store_.row(made.info.kid);
  const std::vector<LayerInfo> before = ring_->layers();
  clock_.advance(1s);
  ASSERT_TRUE(ring_->revoke_layer("acme/support", "admin"));
  ASSERT_TRUE(ring_->issued_before("acme", clock_.now(), "admin"));
  store_.replace();  // a backup from before
  ASSERT_TRUE(store_.put_layers(before));
  ASSERT_TRUE(store_.insert(row, kStart));
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_EQ(check(made), KeyFault::kLayerRevoked);
  EXPECT_EQ(ring_->layer("acme")->issued_before, clock_.now());
}

TEST(KeyName, WhatANameMayBe) {
  for (const char* good : {"app", "user_42_readonly", "a.b", ".a", "A-1", "..a"}) {
    EXPECT_TRUE(valid_key_name(good)) << good;
  }
  // Of dots alone no path can name it, so nobody could revoke it.
  for (const char* bad : {"", ".", "..", "...", "a/b", "a b", "a%2e"}) {
    EXPECT_FALSE(valid_key_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace sallyport::keys
