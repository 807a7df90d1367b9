// SPDX-License-Identifier: Apache-2.0
// Rotations, roots and revoked tokens in SQLite.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "keys/derived_token.h"
#include "keys/key_ring.h"
#include "store/sqlite_keys.h"

namespace sallyport::store {
namespace {

using namespace std::chrono_literals;
using keys::KeyRow;
using keys::KeyState;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class KeyChanges : public ::testing::Test {
 protected:
  KeyChanges() {
    std::string pattern = (std::filesystem::temp_directory_path() / "changes_XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    config_.path = (folder_ / "sallyport.db").string();
    store_ = SqliteKeys::open(config_).value();
  }
  ~KeyChanges() override { std::filesystem::remove_all(folder_); }

  std::string shell(const std::string& sql) {
    sqlite3* database = nullptr;
    sqlite3_open(config_.path.c_str(), &database);
    char* error = nullptr;
    sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
    std::string said = error == nullptr ? "" : error;
    sqlite3_free(error);
    sqlite3_close(database);
    return said;
  }
  static KeyRow row(std::string kid, std::string root = {}) {
    KeyRow made;
    made.info.kid = std::move(kid);
    made.info.name = "app-chat";
    made.info.created_at = kStart;
    made.info.created_by = "admin";
    made.info.expires_at = kStart + 8h;
    made.mac.fill(7);
    made.pepper_id = "deadbeef";
    made.derive_root = std::move(root);
    made.info.derive = !made.derive_root.empty();
    return made;
  }
  keys::Rotation rotation(std::string id, std::string old_kid, std::string new_kid,
                          UtcTime ends_at = kStart + 10min) {
    return {.rotation_id = std::move(id),
            .old_kid = std::move(old_kid),
            .old_ends_at = ends_at,
            .successor = row(std::move(new_kid))};
  }
  KeyRow loaded(std::string_view kid) {
    const std::vector<KeyRow> rows = store_->load(0).value();
    for (const KeyRow& held : rows) {
      if (held.info.kid == kid) return held;
    }
    ADD_FAILURE() << "no " << kid;
    return {};
  }

  std::filesystem::path folder_;
  Config config_;
  std::unique_ptr<SqliteKeys> store_;
};

TEST_F(KeyChanges, ARotationIsOneStep) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  const auto done = store_->rotate(rotation("r-1", "kid000000001", "kid000000002"), kStart);
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_FALSE(done->repeated);
  const KeyRow old = loaded("kid000000001");
  EXPECT_EQ(old.info.state, KeyState::kRetiring);
  EXPECT_EQ(old.info.expires_at, kStart + 10min);
  EXPECT_EQ(old.info.replaced_by, "kid000000002");
  EXPECT_EQ(loaded("kid000000002").info.state, KeyState::kActive);
  EXPECT_NE(old.info.version, done->successor.info.version);

  // A kid that exists: nothing of the rotation stays.
  EXPECT_FALSE(store_->rotate(rotation("r-2", "kid000000002", "kid000000001"), kStart));
  EXPECT_EQ(loaded("kid000000002").info.state, KeyState::kActive);
  EXPECT_TRUE(store_->rotate(rotation("r-2", "kid000000002", "kid000000003"), kStart));
}

TEST_F(KeyChanges, ARotationIsDoneOnce) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  ASSERT_TRUE(store_->rotate(rotation("r-1", "kid000000001", "kid000000002"), kStart));
  const auto again = store_->rotate(rotation("r-1", "kid000000001", "kid000000009"), kStart);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->successor.info.kid, "kid000000002");
  EXPECT_EQ(store_->load(0)->size(), 2U);
  EXPECT_EQ(shell("DELETE FROM key_rotations"), "rotations are kept");
  EXPECT_EQ(shell("UPDATE key_rotations SET new_kid = 'x'"), "a rotation does not change");
}

TEST_F(KeyChanges, AnIncidentEndsEveryGenerationInTheSameStep) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  ASSERT_TRUE(store_->rotate(rotation("r-1", "kid000000001", "kid000000002", kStart + 1h), kStart));
  keys::Rotation incident = rotation("r-2", "kid000000002", "kid000000003", kStart + 1min);
  incident.ends_all = true;
  const auto done = store_->rotate(incident, kStart);
  ASSERT_TRUE(done) << done.error().what;
  ASSERT_EQ(done->also_ended.size(), 1u);
  EXPECT_EQ(done->also_ended[0].info.kid, "kid000000001");
  EXPECT_EQ(loaded("kid000000001").info.expires_at, kStart + 1min);
  EXPECT_EQ(loaded("kid000000001").info.replaced_by, "kid000000002") << "as it was";
  EXPECT_EQ(loaded("kid000000002").info.expires_at, kStart + 1min);
  EXPECT_EQ(loaded("kid000000003").info.expires_at, kStart + 8h);
}

// By SQLite's clock, so these are made in the past.
TEST_F(KeyChanges, OnlyExchangedKeysAreForgottenADayAfterTheirEnd) {
  const UtcTime now =
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto make = [&](std::string kid, std::string mapping, UtcTime end) {
    KeyRow made = row(kid, "root");
    made.info.name = kid;
    made.info.mapping = std::move(mapping);
    made.info.expires_at = end;
    ASSERT_TRUE(store_->insert(made, now));
  };
  make("kid000000001", "ci", now - 24h - 1min);
  make("kid000000002", "ci", now - 24h + 1min);
  make("kid000000003", "", now - 240h);
  make("kid000000004", "ci", now - 240h);
  ASSERT_TRUE(store_->revoke_token({.kid = "kid000000001",
                                    .tid = "0000000000000001",
                                    .at = now,
                                    .by = "admin",
                                    .why = "",
                                    .forget_at = now + 1h,
                                    .version = 0}));
  ASSERT_TRUE(store_->note_used(std::vector<keys::KeyUse>{{"kid000000001", now}}));
  ASSERT_TRUE(store_->rotate(rotation("r-1", "kid000000004", "kid000000005"), now - 241h));
  EXPECT_EQ(shell("DELETE FROM keys WHERE kid = 'kid000000003'"), "keys are revoked, not deleted");
  EXPECT_EQ(shell("DELETE FROM keys WHERE kid = 'kid000000002'"), "keys are revoked, not deleted");

  const Result<void> done = store_->forget(now);
  ASSERT_TRUE(done) << done.error().what;
  std::vector<std::string> left;
  for (const KeyRow& held : *store_->load(0)) left.push_back(held.info.kid);
  std::ranges::sort(left);
  EXPECT_EQ(left, (std::vector<std::string>{"kid000000002", "kid000000003", "kid000000004",
                                            "kid000000005"}))
      << "what a rotation names stays with it";
  EXPECT_TRUE(store_->load_tokens(0)->empty());
}

TEST_F(KeyChanges, WhatCannotBeReplaced) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  const auto refused = [&](const char* kid, UtcTime now) {
    const auto done = store_->rotate(rotation("r-x", kid, "kid00000000x"), now);
    return done ? Code::kInvalid : done.error().code;
  };
  EXPECT_EQ(refused("kid000000009", kStart), Code::kNotFound);
  EXPECT_EQ(refused("kid000000001", kStart + 8h), Code::kDenied) << "expired";
  ASSERT_TRUE(store_->rotate(rotation("r-1", "kid000000001", "kid000000002"), kStart));
  EXPECT_EQ(refused("kid000000001", kStart), Code::kDenied) << "its successor lives";
  ASSERT_TRUE(store_->revoke({"kid000000002", kStart, "admin", "lost"}));
  EXPECT_TRUE(store_->rotate(rotation("r-2", "kid000000001", "kid000000003"), kStart));
  EXPECT_EQ(refused("kid000000002", kStart), Code::kDenied) << "revoked";
}

TEST_F(KeyChanges, AnEndIsNeverPutOffAndRevokedStaysRevoked) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  EXPECT_EQ(store_->retire("kid000000001", kStart + 1h)->info.expires_at, kStart + 1h);
  EXPECT_EQ(store_->retire("kid000000001", kStart + 2h)->info.expires_at, kStart + 1h);
  EXPECT_EQ(store_->retire("kid000000009", kStart).error().code, Code::kNotFound);
  ASSERT_TRUE(store_->revoke({"kid000000001", kStart, "admin", "why"}));
  EXPECT_EQ(store_->retire("kid000000001", kStart)->info.state, KeyState::kRevoked);
}

TEST_F(KeyChanges, RootsStayWithTheirKeys) {
  const std::string root("\x01\x00wrapped", 9);
  ASSERT_TRUE(store_->insert(row("kid000000001", root), kStart));
  EXPECT_EQ(loaded("kid000000001").derive_root, root);
  EXPECT_TRUE(loaded("kid000000001").info.derive);
  keys::Rotation next = rotation("r-1", "kid000000001", "kid000000002");
  next.successor.derive_root = "another";
  ASSERT_TRUE(store_->rotate(next, kStart));
  EXPECT_EQ(loaded("kid000000002").derive_root, "another");
  EXPECT_EQ(shell("UPDATE key_roots SET kid = 'kid000000003' WHERE kid = 'kid000000002'"),
            "a root stays with its key");
}

TEST_F(KeyChanges, RevokedTokensAreHeardOfAndForgotten) {
  ASSERT_TRUE(store_->insert(row("kid000000001"), kStart));
  const auto token = [](const char* tid, UtcTime at) {
    return keys::TokenRevocation{.kid = "kid000000001",
                                 .tid = tid,
                                 .at = at,
                                 .by = "admin",
                                 .why = "leaked",
                                 .forget_at = at + 25h,
                                 .version = 0};
  };
  const auto first = store_->revoke_token(token("0000000000000001", kStart));
  ASSERT_TRUE(first) << first.error().what;
  const auto again = store_->revoke_token(token("0000000000000001", kStart + 1h));
  EXPECT_EQ(again->at, kStart) << "the first record stays";
  const auto heard = store_->load_tokens(0).value();
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_GT(heard[0].version, 0U);
  EXPECT_EQ(heard[0].why, "leaked");
  EXPECT_TRUE(store_->load_tokens(heard[0].version)->empty());

  ASSERT_TRUE(store_->revoke_token(token("0000000000000002", kStart + 25h)));
  ASSERT_EQ(store_->load_tokens(0)->size(), 2U) << "the store forgets nothing by itself";
  ASSERT_TRUE(store_->forget(kStart + 25h));
  ASSERT_EQ(store_->load_tokens(0)->size(), 1U) << "the first can not be alive any more";
  keys::TokenRevocation stray = token("0000000000000003", kStart);
  stray.kid = "kid00000000x";
  EXPECT_EQ(store_->revoke_token(stray).error().code, Code::kNotFound);
  EXPECT_EQ(store_->load_tokens(0)->front().tid, "0000000000000002");
}

// The whole ring over the real store: a restart forgets nothing.
TEST_F(KeyChanges, TheRingComesBackWithRootsTokensAndRotations) {
  ManualClock clock(kStart);
  const auto open = [&] {
    keys::Config config;
    config.pepper = Secret(std::string(32, 'p'));
    config.derive_key = Secret(std::string(32, 'd'));
    return keys::KeyRing::open(config, *store_, clock).value();
  };
  auto ring = open();
  keys::KeySpec spec;
  spec.name = "app-chat";
  spec.derive = true;
  const keys::CreatedKey key = ring->create(spec, "admin").value();
  const std::vector<std::string> caveats = {"iat=1790000000", "exp=1790003600"};
  const Secret token = keys::mint_derived(key.text, caveats).value();
  const std::string tid(keys::parse_derived(token.reveal()).tid);
  const auto check = [&](const Secret& secret) {
    return keys::KeyRing::Reader::make(*ring)->check(secret.reveal(), {.now = clock.now()}).fault;
  };
  EXPECT_EQ(check(token), keys::KeyFault::kNone);
  ring = open();
  EXPECT_EQ(check(token), keys::KeyFault::kNone) << "the root was unwrapped";
  ASSERT_TRUE(ring->revoke_token("app-chat", tid, "admin"));
  const auto rotated = ring->rotate("app-chat", {}, "admin");
  ASSERT_TRUE(rotated) << rotated.error().what;
  ring = open();
  EXPECT_EQ(check(token), keys::KeyFault::kTokenRevoked);
  EXPECT_EQ(check(key.text), keys::KeyFault::kNone);
  EXPECT_EQ(check(*rotated->text), keys::KeyFault::kNone);
  clock.advance(10min);
  EXPECT_EQ(check(key.text), keys::KeyFault::kExpired);
}

}  // namespace
}  // namespace sallyport::store
