// SPDX-License-Identifier: Apache-2.0
#include "event/refusal_fold.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }

Event refused(std::string_view ip, std::string error = "invalid_api_key") {
  Event event;
  event.ip = ip;
  event.error = std::move(error);
  return event;
}

TEST(RefusalFoldTest, TheFirstOfASourceStandAloneTheRestAreOneRecord) {
  RefusalFold fold;
  const IpAddress thief = address("203.0.113.9");
  int alone = 0;
  for (int i = 0; i < 1000; ++i) {
    alone += !fold.fold(thief, refused("203.0.113.9", i == 999 ? "last" : "earlier"), 5'000);
  }
  EXPECT_EQ(alone, static_cast<int>(RefusalFold::kSinglesPerSource));
  EXPECT_EQ(fold.due_ms(), 6'000);
  const std::vector<Event> due = fold.take_due();
  ASSERT_EQ(due.size(), 1U);
  EXPECT_EQ(due[0].repeated, 1000 - alone);
  EXPECT_EQ(due[0].ip, "203.0.113.9");
  EXPECT_EQ(due[0].error, "last");
  EXPECT_EQ(fold.due_ms(), 0);
  EXPECT_TRUE(fold.take_due().empty()) << "told once";
}

TEST(RefusalFoldTest, AnotherSourceIsRecordedBesideAFlood) {
  RefusalFold fold;
  for (int i = 0; i < 100; ++i) fold.fold(address("203.0.113.9"), refused("203.0.113.9"), 0);
  EXPECT_FALSE(fold.fold(address("203.0.113.10"), refused("203.0.113.10"), 0));
}

TEST(RefusalFoldTest, ANewSecondBeginsAnew) {
  RefusalFold fold;
  for (std::int64_t second = 1; second <= 3; ++second) {
    for (std::size_t i = 0; i < RefusalFold::kSinglesPerSource; ++i) {
      EXPECT_FALSE(fold.fold(address("203.0.113.9"), refused("203.0.113.9"), second * 1000));
    }
    EXPECT_EQ(fold.due_ms(), 0);
  }
}

TEST(RefusalFoldTest, CountsThatNobodyTookYetAreNotLostWhenTimeGoesOn) {
  RefusalFold fold;
  for (int i = 0; i < 25; ++i) fold.fold(address("203.0.113.9"), refused("203.0.113.9"), 0);
  EXPECT_TRUE(fold.fold(address("203.0.113.9"), refused("203.0.113.9"), 60'000));
  ASSERT_EQ(fold.take_due().front().repeated, 6);
}

TEST(RefusalFoldTest, OneSubscriberIsOneSourceWhateverAddressesItHas) {
  RefusalFold fold;
  int alone = 0;
  for (int i = 0; i < 200; ++i) {
    const std::string ip = "2001:db8:1:2::" + std::to_string(i);
    alone += !fold.fold(address(ip), refused(ip), 0);
  }
  EXPECT_EQ(alone, static_cast<int>(RefusalFold::kSinglesPerSource));
}

// A botnet: memory and records stay bounded, and every refusal is in some count.
TEST(RefusalFoldTest, ManySourcesAreBoundedAndAllCounted) {
  RefusalFold fold;
  constexpr std::uint32_t kSources = 20'000;
  std::int64_t alone = 0;
  for (std::uint32_t i = 0; i < kSources; ++i) {
    const IpAddress source = IpAddress::v4(0x0B000000U + i);
    alone += !fold.fold(source, refused(source.text()), 0);
  }
  EXPECT_EQ(alone, static_cast<std::int64_t>(RefusalFold::kSingles));
  const std::vector<Event> due = fold.take_due();
  EXPECT_LE(due.size(), RefusalFold::kSourcesMax + 1);
  std::int64_t counted = 0;
  for (const Event& event : due) counted += event.repeated.value_or(0);
  EXPECT_EQ(alone + counted, static_cast<std::int64_t>(kSources));
  EXPECT_EQ(due.front().ip, "::") << "those beyond the table are told without an address";
}

}  // namespace
}  // namespace sallyport
