// SPDX-License-Identifier: Apache-2.0
#include "keys/checked_time.h"

#include <gtest/gtest.h>

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::milliseconds(1'790'000'000'000)};

class Checked : public ::testing::Test {
 protected:
  ManualClock clock_{kStart};
  CheckedTime time_{clock_};
};

TEST_F(Checked, AClockThatIsPutBackChangesNothing) {
  clock_.advance(10h);
  EXPECT_EQ(time_.latest(clock_.now()), kStart + 10h);
  clock_.set(kStart);
  EXPECT_EQ(time_.latest(clock_.now()), kStart + 10h);
  EXPECT_TRUE(time_.behind());
  EXPECT_FALSE(time_.ahead());
}

TEST_F(Checked, AStepForwardCountsWhileItStandsAndIsNotRemembered) {
  clock_.set(kStart + 24h * 365);
  EXPECT_EQ(time_.latest(clock_.now()), kStart + 24h * 365) << "what has ended by it is dead now";
  EXPECT_TRUE(time_.ahead());
  EXPECT_EQ(time_.confirmed(), kStart);
  time_.look();
  clock_.set(kStart + 5min);
  EXPECT_EQ(time_.latest(kStart), kStart);
  clock_.set(kStart + 1s);
  time_.look();
  EXPECT_EQ(time_.latest(clock_.now()), kStart + 1s);
  EXPECT_FALSE(time_.ahead());
  EXPECT_FALSE(time_.behind());
}

TEST_F(Checked, AStepThatStandsIsBelieved) {
  clock_.set(kStart + 8h);  // a machine that slept
  time_.look();
  clock_.advance(std::chrono::milliseconds(CheckedTime::kBelieveUs / 1000 - 1));
  time_.look();
  EXPECT_TRUE(time_.ahead());
  clock_.advance(1ms);
  time_.look();
  EXPECT_FALSE(time_.ahead());
  const UtcTime now = clock_.now();
  EXPECT_EQ(time_.latest(now), now);
  clock_.set(kStart);
  EXPECT_EQ(time_.latest(clock_.now()), now) << "from now on it is remembered";
}

TEST_F(Checked, SmallStepsAreFollowed) {
  for (int i = 0; i < 5; ++i) {
    clock_.set(clock_.now() + 30s);
    time_.look();
    EXPECT_FALSE(time_.ahead());
    EXPECT_EQ(time_.latest(clock_.now()), clock_.now());
  }
}

}  // namespace
}  // namespace sallyport::keys
