// SPDX-License-Identifier: Apache-2.0
// An end that the store never heard of is in force after a restart: the journal has it.
#include "cli/ends_start.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "admin/key_acts.h"
#include "admin/layer_acts.h"
#include "admin/rotation_acts.h"
#include "audit/log_for_test.h"
#include "keys/derived_token.h"
#include "keys/memory_key_store.h"

namespace sallyport::cli {
namespace {

using namespace std::chrono_literals;

class Settings final : public SettingStore {
 public:
  Result<std::optional<std::string>> get(std::string_view name) override {
    const auto at = values.find(std::string(name));
    return at == values.end() ? std::nullopt : std::optional(at->second);
  }
  Result<void> put(std::string_view name, std::string_view value) override {
    if (broken) return fail(Code::kUnavailable, "broken");
    values[std::string(name)] = value;
    return {};
  }
  Result<bool> put_new(std::string_view, std::string_view) override { return false; }
  Result<bool> replace(std::string_view, const std::optional<std::string>&,
                       std::string_view) override {
    return false;
  }
  std::map<std::string, std::string> values;
  bool broken = false;
};

class Kept final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    events.push_back(std::move(event));
    if (done) done(events.size());
  }
  bool accepting() const override { return true; }
  std::uint64_t durable_seq() const override { return events.size(); }
  std::vector<Event> events;
};

class EndsStart : public ::testing::Test {
 protected:
  void SetUp() override {
    start();
    for (const char* path : {"acme", "beta"}) {
      ASSERT_TRUE(ring_->put_layer(
          {.path = path, .owner = {}, .expires_at = {}, .restrictions = {}}, "admin"));
    }
  }
  void start() {
    keys::Config config;
    config.pepper = Secret(std::string(32, 'p'));
    config.derive_key = Secret(std::string(32, 'd'));
    ring_ = keys::KeyRing::open(config, store_, clock_).value();
  }
  // The process died; the store is well again.
  std::uint64_t restart() {
    store_.read_only = false;
    start();
    audit::MemoryDisk disk;
    std::vector<Event> events = recorder_.events;
    audit::put_log(disk, events, 4);
    const Result<std::uint64_t> replayed = replay_ends(*ring_, settings_, "/j", disk, clock_.now());
    EXPECT_TRUE(replayed) << replayed.error().what;
    return replayed.value_or(0);
  }
  keys::CreatedKey make(std::string name, std::string layer = {}) {
    keys::KeySpec spec;
    spec.name = std::move(name);
    spec.layer = std::move(layer);
    spec.life = 8h;
    spec.derive = true;
    return acts().create(spec, kWho).value();
  }
  admin::KeyActs acts() { return {*ring_, recorder_, clock_}; }
  admin::RotationActs rotation() { return {*ring_, recorder_, clock_}; }
  keys::KeyFault check(const Secret& key) {
    return keys::KeyRing::Reader::make(*ring_)->check(key.reveal(), {.now = clock_.now()}).fault;
  }

  const admin::Actor kWho{.name = "cli", .ip = ""};
  ManualClock clock_{*parse_utc("2026-11-24T12:00:00Z")};
  keys::MemoryKeyStore store_;
  Settings settings_;
  Kept recorder_;
  std::unique_ptr<keys::KeyRing> ring_;
};

TEST_F(EndsStart, EveryKindOfEndComesBack) {
  const keys::CreatedKey revoked = make("revoked"), paused = make("paused"), free = make("free");
  const keys::CreatedKey below = make("below", "acme"), old = make("old", "beta");
  const keys::CreatedKey parent = make("parent"), lives = make("lives");
  const std::string iat = std::to_string(clock_.now().time_since_epoch().count() / 1000);
  const std::string exp = std::to_string(clock_.now().time_since_epoch().count() / 1000 + 3600);
  const Secret token = keys::mint_derived(parent.text, {{"iat=" + iat, "exp=" + exp}}).value();
  ASSERT_TRUE(acts().block("free", kWho, "by mistake"));
  ASSERT_TRUE(acts().unblock("free", kWho, ""));
  clock_.advance(1s);

  store_.read_only = true;
  EXPECT_FALSE(acts().revoke("revoked", kWho, "stolen")->durable);
  EXPECT_FALSE(acts().block("paused", kWho, "asked for")->durable);
  EXPECT_FALSE(rotation()
                   .revoke_token("parent", keys::parse_derived(token.reveal()).tid, kWho, "leaked")
                   ->durable);
  admin::LayerActs layers(*ring_, recorder_, clock_);
  EXPECT_FALSE(layers.revoke("acme", "left", kWho)->durable);
  EXPECT_FALSE(layers.reissue("beta", std::nullopt, kWho)->durable);

  EXPECT_GT(restart(), 5u);
  EXPECT_EQ(check(revoked.text), keys::KeyFault::kRevoked);
  EXPECT_EQ(ring_->show("revoked")->revoked_why, "stolen");
  EXPECT_EQ(check(paused.text), keys::KeyFault::kBlocked);
  EXPECT_EQ(check(token), keys::KeyFault::kTokenRevoked);
  EXPECT_EQ(check(below.text), keys::KeyFault::kLayerRevoked);
  EXPECT_EQ(check(old.text), keys::KeyFault::kIssuedBefore);
  EXPECT_EQ(check(parent.text), keys::KeyFault::kNone);
  EXPECT_EQ(check(lives.text), keys::KeyFault::kNone);
  EXPECT_EQ(check(free.text), keys::KeyFault::kNone) << "its pause was ended";
  EXPECT_TRUE(ring_->owes());
  ASSERT_TRUE(ring_->refresh_if_changed());
  EXPECT_FALSE(ring_->owes()) << "and the store has them now";
  start();
  EXPECT_EQ(check(revoked.text), keys::KeyFault::kRevoked);
}

TEST_F(EndsStart, TheEndOfAReplacedKeyComesBack) {
  const keys::CreatedKey key = make("app");
  store_.retire_fails = true;
  keys::RotateOptions options;
  options.overlap = 10min;
  const auto rotated = rotation().rotate("app", options, kWho, "planned");
  ASSERT_TRUE(rotated) << rotated.error().what;
  EXPECT_FALSE(rotated->durable);
  restart();
  clock_.advance(10min - 1ms);
  EXPECT_EQ(check(key.text), keys::KeyFault::kNone);
  clock_.advance(1ms);
  EXPECT_EQ(check(key.text), keys::KeyFault::kExpired);
  EXPECT_EQ(check(*rotated->text), keys::KeyFault::kNone);
}

TEST_F(EndsStart, WhatWasTriedAndRefusedEndsNothing) {
  const keys::CreatedKey key = make("app");
  Event refused;
  refused.kind = Kind::kAdmin;
  refused.timestamp_utc = clock_.now();
  refused.action = "key.revoke";
  refused.kid = key.info.kid;
  refused.status = 403;
  refused.error = "role";
  recorder_.events.push_back(refused);
  EXPECT_EQ(restart(), 0u);
  EXPECT_EQ(check(key.text), keys::KeyFault::kNone);
}

TEST_F(EndsStart, TheMarkIsWhereTheStoreKnewAll) {
  make("app");
  {
    EndsMark mark(*ring_, settings_, recorder_);
    store_.read_only = true;
    EXPECT_FALSE(acts().revoke("app", kWho, "stolen")->durable);
    mark.write();
    EXPECT_TRUE(settings_.values.empty()) << "the store does not know it";
    store_.read_only = false;
    ASSERT_TRUE(ring_->refresh_if_changed());
    mark.write();
    EXPECT_EQ(settings_.values.at("ends_durable_seq"), std::to_string(recorder_.events.size()));
    make("other");
    settings_.broken = true;
  }
  EXPECT_EQ(restart(), 0u) << "what stands before the mark is not read again";
}

}  // namespace
}  // namespace sallyport::cli
