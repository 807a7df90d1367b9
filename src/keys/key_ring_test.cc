// SPDX-License-Identifier: Apache-2.0
#include "keys/key_ring.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

Config config(char pepper = 'p') {
  Config made;
  made.pepper = Secret(std::string(32, pepper));
  return made;
}

KeySpec spec(std::string name) {
  KeySpec made;
  made.name = std::move(name);
  return made;
}

class KeyRingTest : public ::testing::Test {
 protected:
  std::unique_ptr<KeyRing> open(char pepper = 'p') {
    return KeyRing::open(config(pepper), store_, clock_).value();
  }
  static KeyFault check(const KeyRing& ring, const Secret& key, UtcTime now) {
    KeyRing::Reader reader = KeyRing::Reader::make(ring).value();
    const KeyCheck result = reader.check(key.reveal(), {.now = now});
    EXPECT_EQ(result.principal != nullptr, result.fault == KeyFault::kNone);
    return result.fault;
  }
  KeyFault check(const KeyRing& ring, const Secret& key) { return check(ring, key, clock_.now()); }

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
};

TEST_F(KeyRingTest, ACreatedKeyWorksAndSaysWhoseItIs) {
  const auto ring = open();
  KeySpec wanted = spec("user_42_readonly");
  wanted.owner = "team blue";
  wanted.restrictions.endpoints = {"GET /v1/models*"};
  wanted.restrictions.models = {"gpt-5*"};
  wanted.scope.modules = {"search"};
  wanted.scope.module = "chat";
  wanted.scope.upstream = "azure";
  wanted.scope.may_name_organization = true;
  const CreatedKey key = ring->create(wanted, "admin").value();

  KeyRing::Reader reader = KeyRing::Reader::make(*ring).value();
  const KeyCheck result = reader.check(key.text.reveal(), {.now = clock_.now()});
  ASSERT_EQ(result.fault, KeyFault::kNone);
  EXPECT_EQ(result.principal->api_key_id, "user_42_readonly");
  EXPECT_EQ(result.principal->kid, key.info.kid);
  EXPECT_EQ(result.principal->expires_at, kStart + 8h) << "the default life";
  ASSERT_TRUE(result.principal->layer);
  EXPECT_EQ(result.principal->layer->account, "key:user_42_readonly");
  EXPECT_EQ(result.principal->layer->restrictions, wanted.restrictions);
  EXPECT_FALSE(result.principal->layer->parent);
  EXPECT_EQ(result.principal->modules, wanted.scope.modules);
  EXPECT_EQ(result.principal->module, "chat");
  EXPECT_EQ(result.principal->purpose, "unlisted");
  EXPECT_EQ(result.principal->upstream, "azure");
  EXPECT_TRUE(result.principal->may_name_organization);
  EXPECT_EQ(ring->show("user_42_readonly")->owner, "team blue");
  EXPECT_EQ(ring->show(key.info.kid)->created_by, "admin");
}

TEST_F(KeyRingTest, EveryRefusalHasItsReason) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  const CreatedKey other = ring->create(spec("b"), "admin").value();

  const Secret stranger = mint_key();
  EXPECT_EQ(check(*ring, stranger), KeyFault::kUnknown);
  EXPECT_EQ(check(*ring, Secret("sk-proj-x")), KeyFault::kBadFormat);
  EXPECT_EQ(check(*ring, Secret("")), KeyFault::kBadFormat);
  EXPECT_EQ(check(*ring, Secret("sk-sp1-bACdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU")),
            KeyFault::kBadChecksum);
  EXPECT_EQ(check(*ring, Secret("sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU")),
            KeyFault::kPublicKid);

  // A right kid with a secret of somebody else, checksum correct: the kid alone is worth nothing.
  int draws = 0;
  const Secret forged = mint_key(
      [&](std::size_t length) { return ++draws == 1 ? key.info.kid : std::string(length, 'x'); });
  KeyRing::Reader reader = KeyRing::Reader::make(*ring).value();
  const KeyCheck result = reader.check(forged.reveal(), {.now = clock_.now()});
  EXPECT_EQ(result.fault, KeyFault::kBadSecret);
  EXPECT_EQ(result.claimed_kid, key.info.kid) << "the record may say what was claimed";
  EXPECT_EQ(check(*ring, other.text), KeyFault::kNone);
}

TEST_F(KeyRingTest, APublishedKidIsRefusedEvenIfTheStoreHasIt) {
  const Secret published("sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU");
  KeyMac mac = KeyMac::make(config().pepper).value();
  KeyRow row;
  row.info.kid = "AbCdEfGhIjKl";
  row.info.name = "planted";
  row.info.expires_at = kStart + 24h;
  row.mac = mac.compute(published.reveal()).value();
  row.pepper_id = mac.pepper_id();
  ASSERT_TRUE(store_.insert(row, kStart));
  EXPECT_EQ(check(*open(), published), KeyFault::kPublicKid);
}

TEST_F(KeyRingTest, ExpiryIsExactAndAClockThatJumpsBackRevivesNothing) {
  const auto ring = open();
  KeySpec wanted = spec("short");
  wanted.life = 60s;
  const CreatedKey key = ring->create(wanted, "admin").value();

  EXPECT_EQ(check(*ring, key.text, kStart + 60s - 1ms), KeyFault::kNone);
  EXPECT_TRUE(ring->alive(key.info.kid, kStart + 60s - 1ms));
  EXPECT_EQ(check(*ring, key.text, kStart + 60s), KeyFault::kExpired);
  EXPECT_EQ(check(*ring, key.text, kStart), KeyFault::kExpired) << "the clock went back an hour";
  EXPECT_FALSE(ring->alive(key.info.kid, kStart));
}

TEST_F(KeyRingTest, AKeyIsNotValidBeforeItsTime) {
  const auto ring = open();
  KeySpec wanted = spec("later");
  wanted.not_before = kStart + 60s;
  const CreatedKey key = ring->create(wanted, "admin").value();
  EXPECT_EQ(check(*ring, key.text, kStart + 59s), KeyFault::kNotYetValid);
  EXPECT_EQ(check(*ring, key.text, kStart + 60s), KeyFault::kNone);
  EXPECT_EQ(status(key.info, kStart), "not_yet_valid");
  EXPECT_EQ(status(key.info, kStart + 60s), "active");
  EXPECT_EQ(status(key.info, kStart + 8h), "expired");
}

// Invariant 5: a revoked key is dead everywhere within a second.
TEST_F(KeyRingTest, Invariant5ARevokedKeyIsDeadAtOnceForReadersThatAreUnderWay) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  KeyRing::Reader reader = KeyRing::Reader::make(*ring).value();
  ASSERT_EQ(reader.check(key.text.reveal(), {.now = kStart}).fault, KeyFault::kNone);
  const std::uint64_t version = ring->version();

  const std::vector<KeyInfo> revoked = ring->revoke("a", "admin", "stolen").value();
  ASSERT_EQ(revoked.size(), 1u);
  EXPECT_EQ(revoked[0].revoked_by, "admin");
  EXPECT_EQ(revoked[0].revoked_why, "stolen");
  EXPECT_EQ(reader.check(key.text.reveal(), {.now = kStart}).fault, KeyFault::kRevoked);
  EXPECT_FALSE(ring->alive(key.info.kid, kStart));
  EXPECT_NE(ring->version(), version) << "live streams look when the version moves";
  EXPECT_EQ(store_.row(key.info.kid).info.state, KeyState::kRevoked) << "durable, too";

  EXPECT_EQ(check(*open(), key.text), KeyFault::kRevoked) << "after a restart";
}

TEST_F(KeyRingTest, Invariant5ARevocationByAnotherProcessIsHeardWithOnePoll) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  EXPECT_FALSE(ring->refresh_if_changed().value()) << "our own change is no news";
  store_.other([&] { ASSERT_TRUE(store_.revoke({key.info.kid, kStart, "cli", ""})); });
  EXPECT_TRUE(ring->refresh_if_changed().value());
  EXPECT_EQ(check(*ring, key.text), KeyFault::kRevoked);
}

TEST_F(KeyRingTest, AKeyOfAnotherProcessWorksAfterOnePoll) {
  const auto ring = open();
  const auto second = open();
  CreatedKey key;
  store_.other([&] { key = second->create(spec("a"), "cli").value(); });
  EXPECT_EQ(check(*ring, key.text), KeyFault::kUnknown);
  EXPECT_TRUE(ring->refresh_if_changed().value());
  EXPECT_EQ(check(*ring, key.text), KeyFault::kNone);
}

TEST_F(KeyRingTest, AnOlderRowThatArrivesLateChangesNothing) {
  const auto ring = open();
  ASSERT_TRUE(ring->create(spec("first"), "admin"));
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  store_.row(key.info.kid).info.version = 1;  // before what the ring has seen
  store_.row(key.info.kid).info.owner = "old";
  store_.other([] {});
  ASSERT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(ring->show("a")->owner, "");
}

TEST_F(KeyRingTest, RevokingWorksInMemoryWhenTheStoreIsBrokenAndBecomesDurableLater) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  store_.failing = true;
  EXPECT_EQ(ring->revoke("a", "admin").error().code, Code::kUnavailable)
      << "says that it is not durable";
  EXPECT_EQ(check(*ring, key.text), KeyFault::kRevoked) << "but it is dead";
  EXPECT_EQ(store_.row(key.info.kid).info.state, KeyState::kActive);

  store_.failing = false;
  store_.other([&] { store_.touch(key.info.kid); });  // a newer row that knows nothing of it
  EXPECT_TRUE(ring->refresh_if_changed().value());
  EXPECT_EQ(check(*ring, key.text), KeyFault::kRevoked)
      << "a row from the store does not revive it";
  EXPECT_EQ(store_.row(key.info.kid).info.state, KeyState::kRevoked) << "made durable by the poll";
  const int asked = store_.revocations_asked;
  EXPECT_FALSE(ring->refresh_if_changed().value());
  EXPECT_EQ(store_.revocations_asked, asked) << "what is durable is not asked for again";
}

TEST_F(KeyRingTest, RevokingByNameTakesAllKeysOfThatNameAndByKidOnlyOne) {
  const auto ring = open();
  KeySpec wanted = spec("a");
  wanted.life = 1s;
  const CreatedKey first = ring->create(wanted, "admin").value();
  clock_.advance(2s);
  const CreatedKey second = ring->create(spec("a"), "admin").value();
  EXPECT_EQ(ring->show("a")->kid, second.info.kid) << "the newest";
  ASSERT_TRUE(ring->revoke(first.info.kid, "admin"));
  EXPECT_EQ(check(*ring, second.text), KeyFault::kNone);
  EXPECT_EQ(ring->revoke("a", "admin")->size(), 2u);
  EXPECT_EQ(check(*ring, second.text), KeyFault::kRevoked);
}

TEST_F(KeyRingTest, RevokingTwiceKeepsTheFirstRecord) {
  const auto ring = open();
  ASSERT_TRUE(ring->create(spec("a"), "admin"));
  ASSERT_TRUE(ring->revoke("a", "alice", "stolen"));
  clock_.advance(1h);
  const std::vector<KeyInfo> again = ring->revoke("a", "bob", "again").value();
  EXPECT_EQ(again.at(0).revoked_by, "alice");
  EXPECT_EQ(again.at(0).revoked_at, kStart);
  EXPECT_EQ(ring->revoke("nobody", "bob").error().code, Code::kNotFound);
}

TEST_F(KeyRingTest, ANameIsTakenWhileItsKeyLivesAndFreeAfterwards) {
  const auto ring = open();
  ASSERT_TRUE(ring->create(spec("a"), "admin"));
  EXPECT_EQ(ring->create(spec("a"), "admin").error().code, Code::kDenied);
  ASSERT_TRUE(ring->revoke("a", "admin"));
  EXPECT_TRUE(ring->create(spec("a"), "admin")) << "revoked";
  clock_.advance(8h);
  EXPECT_TRUE(ring->create(spec("a"), "admin")) << "expired";
}

TEST_F(KeyRingTest, AKeyThatIsNotDurableDoesNotExist) {
  const auto ring = open();
  store_.read_only = true;
  EXPECT_EQ(ring->create(spec("a"), "admin").error().code, Code::kUnavailable);
  EXPECT_TRUE(ring->list().empty());
}

struct SpecCase {
  const char* why;
  void (*change)(KeySpec&);
  bool valid;
};

const SpecCase kSpecs[] = {
    {"plain", [](KeySpec&) {}, true},
    {"64 characters", [](KeySpec& s) { s.name = std::string(64, 'a'); }, true},
    {"65 characters", [](KeySpec& s) { s.name = std::string(65, 'a'); }, false},
    {"no name", [](KeySpec& s) { s.name = ""; }, false},
    {"a blank", [](KeySpec& s) { s.name = "a b"; }, false},
    {"a slash", [](KeySpec& s) { s.name = "a/b"; }, false},
    {"the open gate's name", [](KeySpec& s) { s.name = "open"; }, false},
    {"the longest life", [](KeySpec& s) { s.life = 24h; }, true},
    {"longer than the policy", [](KeySpec& s) { s.life = 24h + 1ms; }, false},
    {"no life", [](KeySpec& s) { s.life = 0ms; }, false},
    {"a life before now", [](KeySpec& s) { s.life = -1h; }, false},
    {"valid after its end", [](KeySpec& s) { s.not_before = kStart + 8h; }, false},
    {"an endpoint", [](KeySpec& s) { s.restrictions.endpoints = {"POST /v1/responses"}; }, true},
    {"an unreadable endpoint", [](KeySpec& s) { s.restrictions.endpoints = {"/v1/responses"}; },
     false},
    {"an empty endpoint", [](KeySpec& s) { s.restrictions.endpoints = {""}; }, false},
    {"an unreadable model", [](KeySpec& s) { s.restrictions.models = {"g*t"}; }, false},
    {"too many models", [](KeySpec& s) { s.restrictions.models.assign(257, "gpt"); }, false},
    {"a line feed in a purpose", [](KeySpec& s) { s.scope.purposes = {"a\nb"}; }, false},
    {"an empty module", [](KeySpec& s) { s.scope.module = ""; }, false},
    {"a control character in the owner", [](KeySpec& s) { s.owner = "a\x1b[31m"; }, false},
    {"an upstream", [](KeySpec& s) { s.scope.upstream = "azure"; }, true},
    {"an empty upstream", [](KeySpec& s) { s.scope.upstream = ""; }, false},
};

TEST_F(KeyRingTest, ASpecIsReadStrictly) {
  for (const SpecCase& c : kSpecs) {
    MemoryKeyStore store;
    const auto ring = KeyRing::open(config(), store, clock_).value();
    KeySpec wanted = spec("a");
    c.change(wanted);
    const Result<CreatedKey> made = ring->create(wanted, "admin");
    EXPECT_EQ(made.has_value(), c.valid) << c.why;
    if (!made) EXPECT_EQ(made.error().code, Code::kInvalid) << c.why;
  }
}

TEST_F(KeyRingTest, ANameThatIsSomebodysKidIsRefused) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("victim"), "admin").value();
  EXPECT_EQ(ring->create(spec(key.info.kid), "admin").error().code, Code::kInvalid);
}

TEST_F(KeyRingTest, ASilentStoreClosesTheGateAfterFiveSecondsAndOpensItAgain) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("a"), "admin").value();
  store_.failing = true;
  clock_.advance(5s);
  EXPECT_EQ(ring->refresh_if_changed().error().code, Code::kUnavailable);
  EXPECT_EQ(check(*ring, key.text), KeyFault::kNone) << "five seconds are still within the bound";
  clock_.advance(1ms);
  EXPECT_FALSE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key.text), KeyFault::kUnavailable);
  EXPECT_EQ(check(*ring, Secret("sk-proj-x")), KeyFault::kBadFormat)
      << "needs no store to be wrong";
  store_.failing = false;
  EXPECT_TRUE(ring->refresh_if_changed());
  EXPECT_EQ(check(*ring, key.text), KeyFault::kNone);
}

TEST_F(KeyRingTest, AReplacedStoreIsReadAgainAndRevivesNothing) {
  const auto ring = open();
  const CreatedKey kept = ring->create(spec("kept"), "admin").value();
  const CreatedKey dead = ring->create(spec("dead"), "admin").value();
  const KeyRow old_kept = store_.row(kept.info.kid), old_dead = store_.row(dead.info.kid);
  const CreatedKey gone = ring->create(spec("gone"), "admin").value();
  ASSERT_TRUE(ring->revoke("dead", "admin"));

  store_.replace();  // a backup from before the revocation
  ASSERT_TRUE(store_.insert(old_kept, kStart));
  ASSERT_TRUE(store_.insert(old_dead, kStart));
  EXPECT_TRUE(ring->refresh_if_changed().value());
  EXPECT_EQ(check(*ring, kept.text), KeyFault::kNone);
  EXPECT_EQ(check(*ring, dead.text), KeyFault::kRevoked);
  EXPECT_EQ(check(*ring, gone.text), KeyFault::kUnknown)
      << "what the store does not know is not valid";
}

TEST_F(KeyRingTest, OpeningFailsWithTheRightReason) {
  Config weak = config();
  weak.pepper = Secret("short");
  EXPECT_EQ(KeyRing::open(weak, store_, clock_).error().code, Code::kInvalid);
  Config wrong = config();
  wrong.life = 25h;
  EXPECT_EQ(KeyRing::open(wrong, store_, clock_).error().code, Code::kInvalid);
  store_.failing = true;
  EXPECT_EQ(KeyRing::open(config(), store_, clock_).error().code, Code::kUnavailable);
}

TEST_F(KeyRingTest, AnOpenGateNeedsNoPepperAndMakesNoKeys) {
  Config without;
  without.required = false;
  const auto ring = KeyRing::open(without, store_, clock_).value();
  EXPECT_EQ(ring->create(spec("a"), "admin").error().code, Code::kInvalid);
  EXPECT_TRUE(ring->alive("open", kStart));
  without.required = true;
  EXPECT_EQ(ring->take(without).error().code, Code::kInvalid) << "it could not check a single key";
  EXPECT_EQ(KeyRing::open(without, store_, clock_).error().code, Code::kInvalid);
}

TEST_F(KeyRingTest, ANewConfigurationRulesNewKeysAndClosesAnOpenGate) {
  Config changed = config();
  changed.required = false;
  const auto ring = KeyRing::open(changed, store_, clock_).value();
  EXPECT_TRUE(ring->alive("open", kStart));
  changed.required = true;
  changed.life = 1h;
  changed.life_max = 2h;
  ASSERT_TRUE(ring->take(changed));
  EXPECT_FALSE(ring->alive("open", kStart)) << "streams of an open gate end when it closes";
  EXPECT_EQ(ring->create(spec("a"), "admin")->info.expires_at, kStart + 1h);
  KeySpec longer = spec("b");
  longer.life = 3h;
  EXPECT_EQ(ring->create(longer, "admin").error().code, Code::kInvalid);
  changed.life = 3h;
  EXPECT_EQ(ring->take(changed).error().code, Code::kInvalid);
  EXPECT_EQ(ring->create(spec("c"), "admin")->info.expires_at, kStart + 1h) << "the old one stays";
}

TEST_F(KeyRingTest, AnotherPepperHonoursNothingAndSaysWhy) {
  const CreatedKey key = open('p')->create(spec("a"), "admin").value();
  EXPECT_EQ(check(*open('q'), key.text), KeyFault::kOtherPepper);
}

TEST_F(KeyRingTest, ListsByNameNewestFirst) {
  const auto ring = open();
  ASSERT_TRUE(ring->create(spec("b"), "admin"));
  ASSERT_TRUE(ring->create(spec("a"), "admin"));
  ASSERT_TRUE(ring->revoke("a", "admin"));
  clock_.advance(1s);
  ASSERT_TRUE(ring->create(spec("a"), "admin"));
  const std::vector<KeyInfo> keys = ring->list();
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[0].name, "a");
  EXPECT_EQ(keys[0].state, KeyState::kActive);
  EXPECT_EQ(keys[1].state, KeyState::kRevoked);
  EXPECT_EQ(keys[2].name, "b");
  EXPECT_EQ(ring->show("a")->kid, keys[0].kid);
  EXPECT_EQ(ring->show("c").error().code, Code::kNotFound);
}

TEST_F(KeyRingTest, ReadersOnOtherThreadsSeeWholeSnapshotsOnly) {
  const auto ring = open();
  const CreatedKey key = ring->create(spec("steady"), "admin").value();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      KeyRing::Reader reader = KeyRing::Reader::make(*ring).value();
      while (!stop) {
        if (reader.check(key.text.reveal(), {.now = kStart}).fault != KeyFault::kNone) ++wrong;
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(ring->create(spec("k" + std::to_string(i)), "admin"));
    ASSERT_TRUE(ring->revoke("k" + std::to_string(i), "admin"));
  }
  stop = true;
  readers.clear();
  EXPECT_EQ(wrong, 0);
}

// Workloads that exchange their identity each get a key of their own under one name; nobody else's
// name can be taken that way.
TEST_F(KeyRingTest, KeysOfOneNameMayLiveBesideOnesOfTheSameActorWhereAskedFor) {
  const auto ring = open();
  KeySpec spec;
  spec.name = "ci-web";
  spec.owner = "ci";
  spec.beside_own = true;
  ASSERT_TRUE(ring->create(spec, "identity:github"));
  const auto second = ring->create(spec, "identity:github");
  ASSERT_TRUE(second) << second.error().what;
  EXPECT_EQ(ring->create(spec, "identity:other").error().code, Code::kDenied);
  spec.beside_own = false;
  EXPECT_EQ(ring->create(spec, "identity:github").error().code, Code::kDenied);
  EXPECT_EQ(ring->revoke("ci-web", "me").value().size(), 2u) << "the name revokes them all";
}

}  // namespace
}  // namespace sallyport::keys
