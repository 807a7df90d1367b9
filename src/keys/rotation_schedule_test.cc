// SPDX-License-Identifier: Apache-2.0
#include "keys/rotation_schedule.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>

#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class Noting final : public Recorder {
 public:
  // Several targets are served side by side: records come from the loop and from the disk's thread.
  void record(Event event, Durability, Done done) override {
    if (loses) {
      if (done) done(fail(Code::kUnavailable, "the journal cannot write"));
      return;
    }
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      count = events_.size();
    }
    if (done) done(count);
  }
  bool accepting() const override { return writes; }
  std::vector<Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::atomic<bool> writes{true}, loses{false};

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

class Scheduled : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::canonical(fs::temp_directory_path()) / "schedule_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    Config config;
    config.pepper = Secret(std::string(32, 'p'));
    ring_ = KeyRing::open(config, store_, clock_).value();
    const std::vector<DeliveryConfig> targets = {{.key = "app-*",
                                                  .layer = {},
                                                  .to = "file:" + root_ + "/keys/{name}",
                                                  .sign_with = {},
                                                  .ca_file = {}}};
    delivery_ = KeyDelivery::make(targets, {resolver_, disk_, clock_}, 1).value();
    fs::create_directory(root_ + "/keys");
    restart();
    old_.emplace(create("app-chat"));
  }
  void TearDown() override {
    disk_.stop();
    fs::remove_all(root_);
  }

  CreatedKey create(std::string name) {
    KeySpec spec;
    spec.name = std::move(name);
    spec.life = 8h;
    return ring_->create(spec, "admin").value();
  }
  void restart(bool end_early = false) {
    const RotationConfig config{.every = 1h, .grace = 10min, .end_early = end_early};
    schedule_.emplace(config,
                      RotationSchedule::Parts{*ring_, *delivery_, disk_, recorder_, clock_});
  }
  static Task<void> once(net::Loop& loop, RotationSchedule& schedule, std::size_t& rotated) {
    rotated = co_await schedule.look(loop);
    loop.stop();
  }
  std::size_t look() {
    net::Loop loop;
    std::size_t rotated = 99;
    loop.spawn(once(loop, *schedule_, rotated));
    loop.run();
    return rotated;
  }
  std::string delivered(const std::string& name = "app-chat") {
    std::ifstream in(root_ + "/keys/" + name);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
  }
  KeyFault check(std::string_view key) {
    return KeyRing::Reader::make(*ring_)->check(key, {.now = clock_.now()}).fault;
  }
  std::vector<std::string> acts() const {
    std::vector<std::string> out;
    for (const Event& event : recorder_.events()) out.push_back(event.action.value_or(""));
    return out;
  }
  using Acts = std::vector<std::string>;

  MemoryKeyStore store_;
  ManualClock clock_{kStart};
  net::Resolver resolver_;
  net::Offload disk_{1};
  Noting recorder_;
  std::string root_;
  std::unique_ptr<KeyRing> ring_;
  std::unique_ptr<KeyDelivery> delivery_;
  std::optional<RotationSchedule> schedule_;
  std::optional<CreatedKey> old_;
};

TEST_F(Scheduled, AtItsAgeAKeyIsReplacedAndDelivered) {
  clock_.advance(1h - 1ms);
  EXPECT_EQ(look(), 0U);
  clock_.advance(1ms);
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  EXPECT_EQ(check(old_->text.reveal()), KeyFault::kNone) << "for the grace";
  EXPECT_EQ(acts(), Acts{"key.rotate"});
  EXPECT_EQ(recorder_.events()[0].api_key_id, "app-chat");
  EXPECT_FALSE(recorder_.events()[0].detail->contains(delivered()));
  EXPECT_EQ(look(), 0U) << "once";
  clock_.advance(10min);
  EXPECT_EQ(check(old_->text.reveal()), KeyFault::kExpired);
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  clock_.advance(50min);
  EXPECT_EQ(look(), 1U) << "and the new one in its turn";
}

TEST_F(Scheduled, KeysWithoutATargetAreLeftAlone) {
  create("other");
  clock_.advance(2h);
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(ring_->list().size(), 3U);
}

TEST_F(Scheduled, AFailedDeliveryLeavesTheOldKeyAsItWas) {
  ::chmod((root_ + "/keys").c_str(), 0777);  // not a place for secrets
  clock_.advance(1h);
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(acts(), Acts{"key.rotate_failed"});
  EXPECT_EQ(recorder_.events()[0].error, "not_delivered");
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, kStart + 8h);
  EXPECT_EQ(check(old_->text.reveal()), KeyFault::kNone);
  EXPECT_EQ(ring_->show("app-chat")->kid, old_->info.kid) << "the successor is revoked";
  EXPECT_EQ(look(), 0U) << "not tried again at once";
  EXPECT_EQ(acts().size(), 1U);

  ::chmod((root_ + "/keys").c_str(), 0700);
  clock_.advance(RotationSchedule::kRetryAfter);
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, clock_.now() + 10min);
}

// The process ended between making and the old key's end: perhaps the secret arrived, perhaps not.
// Either way its owner goes on with what he has, until he has the next.
TEST_F(Scheduled, WhetherASecretArrivedIsNotGuessed) {
  clock_.advance(1h);
  RotateOptions options;
  options.keep_old_end = true;
  const RotatedKey first = ring_->rotate("app-chat", options, RotationSchedule::kActor).value();
  const RotatedKey second =
      ring_->rotate(first.successor.kid, options, RotationSchedule::kActor).value();
  restart();
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(acts(), Acts{"key.rotate"});
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  for (const Secret* held :
       std::initializer_list<const Secret*>{&old_->text, &*first.text, &*second.text}) {
    EXPECT_EQ(check(held->reveal()), KeyFault::kNone) << "for the grace";
  }
  EXPECT_EQ(look(), 0U) << "this one arrived";
  restart();
  EXPECT_EQ(look(), 0U) << "and the next process knows it by the ends of the others";
  clock_.advance(10min);
  for (const Secret* held :
       std::initializer_list<const Secret*>{&old_->text, &*first.text, &*second.text}) {
    EXPECT_EQ(check(held->reveal()), KeyFault::kExpired);
  }
}

// The store fails when the secret is there already: the end of the old key holds here, and is
// written when the store answers again. Nothing that arrived is revoked.
TEST_F(Scheduled, AnEndThatIsNotDurableHoldsAllTheSame) {
  clock_.advance(1h);
  store_.retire_fails = true;
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, clock_.now() + 10min);
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  store_.retire_fails = false;
  ASSERT_TRUE(ring_->refresh_if_changed());
  const auto rows = store_.load(0).value();
  const auto row =
      std::ranges::find(rows, old_->info.kid, [](const KeyRow& r) { return r.info.kid; });
  ASSERT_NE(row, rows.end());
  EXPECT_EQ(row->info.expires_at, clock_.now() + 10min);
}

TEST_F(Scheduled, AnArrivalThatIsNotRecordedEndsNothing) {
  recorder_.loses = true;
  clock_.advance(1h);
  EXPECT_EQ(look(), 1U);
  EXPECT_EQ(check(delivered()), KeyFault::kNone);
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, kStart + 8h) << "both live";
  EXPECT_EQ(look(), 0U);
  recorder_.loses = false;
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(acts(), Acts{"key.rotate"});
  EXPECT_EQ(ring_->show(old_->info.kid)->expires_at, clock_.now() + 10min);
}

// One target that does not answer rests after its first failure, and delays no other.
TEST_F(Scheduled, TargetsAreServedSideBySide) {
  const auto to = [&](std::string key, std::string dir) {
    return DeliveryConfig{.key = std::move(key),
                          .layer = {},
                          .to = "file:" + root_ + dir + "/{name}",
                          .sign_with = {},
                          .ca_file = {}};
  };
  delivery_ = KeyDelivery::make({to("dead-*", "/nowhere"), to("app-*", "/keys")},
                                {resolver_, disk_, clock_}, 1)
                  .value();
  restart();
  for (const char* name : {"dead-1", "dead-2", "dead-3"}) create(name);
  create("app-two");
  clock_.advance(1h);
  EXPECT_EQ(look(), 2U);
  EXPECT_EQ(check(delivered("app-chat")), KeyFault::kNone);
  EXPECT_EQ(check(delivered("app-two")), KeyFault::kNone);
  EXPECT_EQ(std::ranges::count(acts(), "key.rotate_failed"), 1)
      << "the others of the dead one wait";
  EXPECT_EQ(look(), 0U);
  clock_.advance(RotationSchedule::kRetryAfter);
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(std::ranges::count(acts(), "key.rotate_failed"), 2);
}

TEST_F(Scheduled, APersonsRotationIsNotTouched) {
  clock_.advance(1h);
  RotateOptions options;
  options.overlap = 5h;
  const RotatedKey made = ring_->rotate("app-chat", options, "alice").value();
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(check(made.text->reveal()), KeyFault::kNone);
}

TEST_F(Scheduled, WithoutAJournalNothingIsDone) {
  recorder_.writes = false;
  clock_.advance(1h);
  EXPECT_EQ(look(), 0U);
  EXPECT_EQ(ring_->list().size(), 1U);
}

TEST_F(Scheduled, TheFirstUseIsRecordedAndMayEndTheOldOne) {
  clock_.advance(1h);
  ASSERT_EQ(look(), 1U);
  ASSERT_EQ(check(delivered()), KeyFault::kNone);  // used
  look();
  look();
  EXPECT_EQ(acts(), (Acts{"key.rotate", "key.first_use"})) << "once";
  EXPECT_EQ(recorder_.events()[1].kid, ring_->show("app-chat")->kid);
  EXPECT_EQ(check(old_->text.reveal()), KeyFault::kNone);

  restart(true);
  look();
  EXPECT_EQ(check(old_->text.reveal()), KeyFault::kExpired) << "it is not needed any more";
}

}  // namespace
}  // namespace sallyport::keys
