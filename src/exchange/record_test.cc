// SPDX-License-Identifier: Apache-2.0
#include "exchange/record.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport {
namespace {

// A journal that answers when the test says so.
class Held final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    events.push_back(std::move(event));
    synced.push_back(std::move(done));
  }
  void record_twice(Event event, Done first, Done second) override {
    events.push_back(std::move(event));
    written.push_back(std::move(first));
    synced.push_back(std::move(second));
  }
  bool accepting() const override { return true; }

  std::vector<Event> events;
  std::vector<Done> written, synced;
};

class RecordIntentTest : public testing::Test {
 protected:
  RecordIntentTest() : stage_(journal_, clock_) {
    x_.loop = &loop_;
    x_.request_id = "req_1";
    x_.booked.reserved_tokens = 7;
  }
  ~RecordIntentTest() override { loop_.drop_tasks(); }

  static Task<void> admit(RecordIntent& stage, Exchange& x, bool& done,
                          std::optional<Refusal>& refusal) {
    Task<std::optional<Refusal>> admitting = stage.admit(x);
    refusal = co_await admitting;
    done = true;
  }
  void start() { loop_.spawn(admit(stage_, x_, done_, refusal_)); }
  // Runs what is due.
  void turn() {
    loop_.post([this] { loop_.post([this] { loop_.stop(); }); });
    loop_.run();
  }

  net::Loop loop_;
  Held journal_;
  ManualClock clock_{UtcTime(std::chrono::milliseconds(0))};
  RecordIntent stage_;
  Exchange x_;
  bool done_ = false;
  std::optional<Refusal> refusal_;
};

TEST_F(RecordIntentTest, MostCallsDoNotWait) {
  start();
  turn();
  EXPECT_TRUE(done_);
  EXPECT_FALSE(refusal_);
  ASSERT_EQ(journal_.events.size(), 1u);
  EXPECT_EQ(journal_.events[0].reserved_tokens, 7);
  EXPECT_FALSE(x_.intent->seq()) << "its place is not known yet";
}

TEST_F(RecordIntentTest, WhereMoneyIsHeldBackTheCallWaitsForTheWriteNotForTheSync) {
  x_.written_before_call = true;
  start();
  turn();
  EXPECT_FALSE(done_) << "nothing may be sent before the intent survives a kill";
  ASSERT_EQ(journal_.written.size(), 1u);
  journal_.written[0](std::uint64_t{42});
  turn();
  EXPECT_TRUE(done_);
  EXPECT_FALSE(refusal_);
  EXPECT_EQ(x_.intent->seq(), 42u);
}

TEST_F(RecordIntentTest, WhatIsNotWrittenIsNotSent) {
  for (const bool passed_unrecorded : {false, true}) {
    x_.written_before_call = true;
    done_ = false;
    start();
    turn();
    Recorder::Done& tell = journal_.written.back();
    if (passed_unrecorded) {
      tell(std::uint64_t{0});
    } else {
      tell(fail(Code::kUnavailable, "disk"));
    }
    turn();
    ASSERT_TRUE(done_);
    ASSERT_TRUE(refusal_) << passed_unrecorded;
    EXPECT_STREQ(refusal_->code, "journal_unavailable");
  }
}

}  // namespace
}  // namespace sallyport
