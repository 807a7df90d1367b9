// SPDX-License-Identifier: Apache-2.0
// The statistics by themselves: what each remembers, and what it says of simple series.
#include <gtest/gtest.h>

#include <cmath>

#include "detect/bounded_table.h"
#include "detect/credential_stuffing.h"
#include "detect/datacentres.h"
#include "detect/error_surge.h"
#include "detect/known_networks.h"
#include "detect/latency_surge.h"
#include "detect/packed.h"
#include "detect/records.h"
#include "detect/season.h"
#include "detect/windows.h"

namespace sallyport::detect {
namespace {

constexpr Second kMonday = 1'772'409'600;  // 2026-03-02T00:00:00Z

TEST(Packed, HoldsAnyAmountWithinHalfAPercent) {
  for (const float value : {0.0F, 0.5F, 1.0F, 37.0F, 1e3F, 123'456.0F, 9e9F}) {
    EXPECT_NEAR(unpack(pack(value)), value, 0.005F * value + 0.001F);
  }
  EXPECT_EQ(pack(-5), 0);
  EXPECT_EQ(pack(NAN), 0);
  EXPECT_LE(unpack(pack(INFINITY)), 6e12F);
}

TEST(Windows, SlideAndForget) {
  Windows windows;
  for (Second i = 0; i < 300; i += 10) windows.add(kMonday + i, 5, 1);
  EXPECT_EQ(windows.sums(k5Min, kMonday + 299).requests, 30);
  EXPECT_EQ(windows.sums(k5Min, kMonday + 299).tokens, 150);
  EXPECT_LT(windows.sums(k5Min, kMonday + 400).requests, 21);
  EXPECT_EQ(windows.sums(k5Min, kMonday + 700).requests, 0);
  EXPECT_EQ(windows.sums(k6Hours, kMonday + 700).requests, 30);
}

// A job of Mondays at three is normal on Mondays, at three.
TEST(Season, LearnsAWeek) {
  Season season;
  for (Second hour = 0; hour < 24 * 28; ++hour) {
    const Second now = kMonday + hour * kHour + 60;
    season.pass(now);
    const bool office = hour % 168 < 120 && hour % 24 >= 8 && hour % 24 < 18;
    if (office) season.add(now, 1'000, 10);
    if (hour % 168 == 3) season.add(now, 50'000, 40);
  }
  const Second next = kMonday + 28 * kDay;
  EXPECT_NEAR(season.expected(next + 10 * kHour + 1'800, 0), 1'000, 60);
  EXPECT_GT(season.expected(next + 3 * kHour + 1'800, 0), 30'000);
  EXPECT_LT(season.expected(next + kDay + 3 * kHour + 1'800, 0), 10'000);
  EXPECT_GT(season.active_probability(next + 10 * kHour), 0.8F);
  EXPECT_LT(season.active_probability(next + 22 * kHour), 0.06F);
  EXPECT_LT(season.active_probability(next + 6 * kDay + 10 * kHour), 0.1F) << "on Sundays it rests";
  EXPECT_TRUE(season.has_schedule());
  EXPECT_TRUE(season.sane());
}

TEST(Season, ALongAbsenceIsNotALongSilence) {
  Season season;
  for (Second hour = 0; hour < 24 * 7; ++hour) {
    season.pass(kMonday + hour * kHour);
    season.add(kMonday + hour * kHour, 100, 1);
  }
  const std::uint32_t before = season.hours();
  season.pass(kMonday + 400 * kDay);
  EXPECT_LE(season.hours() - before, 49u);
  EXPECT_GT(season.expected(kMonday + 400 * kDay, 0), 30);
}

TEST(Records, AreOfPastDaysAndFade) {
  Records records;
  for (Second day = 0; day < 10; ++day) {
    records.pass(kMonday + day * kDay);
    records.add(k5Min, {.tokens = 200, .requests = 5});
    records.add(k1Hour, {.tokens = 1'000.0F + 50 * static_cast<float>(day % 3), .requests = 20});
    EXPECT_LT(records.tokens(k1Hour), 1'110);
  }
  records.pass(kMonday + 10 * kDay);
  EXPECT_NEAR(records.tokens(k1Hour), 1'100, 5);
  EXPECT_EQ(records.days(), 10u);
  EXPECT_LT(records.z(k1Hour, 1'200), 1.0F);
  EXPECT_GT(records.z(k1Hour, 5'000), 3.4F);
  records.pass(kMonday + 40 * kDay);
  records.pass(kMonday + 41 * kDay);
  EXPECT_EQ(records.tokens(k1Hour), 0);
}

Sighting from(Second now, std::uint32_t network, std::uint16_t country, bool datacentre = false) {
  Sighting sighting;
  sighting.now = now;
  sighting.network = network;
  sighting.country = country;
  sighting.datacentre = datacentre;
  sighting.status = 200;
  return sighting;
}

TEST(KnownNetworks, AdoptsSlowly) {
  using Standing = KnownNetworks::Standing;
  KnownNetworks networks;
  const Second since = kMonday;
  EXPECT_EQ(networks.meet(from(since, 1, 'D'), since, false), Standing::kJustAdopted);
  EXPECT_EQ(networks.meet(from(since + kHour, 2, 'D'), since, false), Standing::kJustAdopted);
  EXPECT_EQ(networks.meet(from(since + kHour, 3, 'V', true), since, false), Standing::kVisitor)
      << "not a data centre beside an office";
  Standing last = Standing::kVisitor;
  Second adopted = 0;
  for (Second hour = 24; hour < 24 * 4; ++hour) {
    last = networks.meet(from(since + hour * kHour, 4, 'F'), since, false);
    if (last == Standing::kJustAdopted) adopted = hour;
    EXPECT_EQ(networks.meet(from(since + hour * kHour, 5, 'X'), since, true), Standing::kVisitor)
        << "not while an incident is open";
  }
  EXPECT_GE(adopted, 24u + 20);
  EXPECT_LE(adopted, 24u + 30);
  EXPECT_EQ(networks.new_countries(), 1);
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    networks.meet(from(since + 5 * kDay + i, 100 + i, 'Z'), since, false);
  }
  EXPECT_EQ(networks.meet(from(since + 6 * kDay, 1, 'D'), since, false), Standing::kHome)
      << "a flood of visitors costs it no home";
  EXPECT_TRUE(networks.sane());
}

struct Refusals {
  const char* why;
  int count;
  Second every;
  bool good_before;
  bool distinct_claims;
  bool told;
};
const Refusals kRefusals[] = {
    {"ten in a minute", 10, 6, false, false, false},
    {"twenty in two minutes", 20, 6, false, false, true},
    {"forty, one in four minutes: the patient one", 40, 240, false, false, true},
    {"one an hour for days", 80, 3'600, false, false, false},
    {"who was good before has an old key", 60, 6, true, false, false},
    {"who was good before and tries sixty keys", 60, 6, true, true, true},
};

TEST(CredentialStuffing, OneSource) {
  for (const Refusals& each : kRefusals) {
    SCOPED_TRACE(each.why);
    CredentialStuffing stuffing(1'000);
    Sighting sighting = from(kMonday, 1, 'D');
    sighting.address = 77;
    sighting.subnet = 7;
    if (each.good_before) stuffing.success(sighting);
    sighting.status = 401;
    bool told = false;
    for (int i = 0; i < each.count; ++i) {
      sighting.now += each.every;
      const std::uint64_t claimed = each.distinct_claims ? static_cast<std::uint64_t>(i) + 1 : 0;
      told = told || stuffing.failure(sighting, claimed, 1, false).one.has_value();
    }
    EXPECT_EQ(told, each.told);
  }
}

TEST(CredentialStuffing, ManySourcesAgainstTheUsualNoise) {
  CredentialStuffing stuffing(10'000);
  Sighting sighting = from(kMonday, 1, 'D');
  const auto refuse = [&](std::uint64_t address) {
    sighting.address = sighting.subnet = address;
    return stuffing.failure(sighting, 0, 1, false).many.has_value();
  };
  // The internet's noise: one new address every ten minutes.
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    sighting.now += 600;
    EXPECT_FALSE(refuse(1'000 + i));
  }
  bool told = false;
  std::uint64_t needed = 0;
  for (std::uint64_t i = 0; i < 240 && !told; ++i) {
    sighting.now += 2;
    told = refuse(50'000 + i);
    needed = i + 1;
  }
  EXPECT_TRUE(told);
  EXPECT_LE(needed, 40u);
}

TEST(ErrorSurge, OnlyWhatIsNew) {
  for (const bool always : {false, true}) {
    ErrorSurge surge;
    Sighting sighting = from(kMonday, 1, 'D');
    bool told = false;
    for (int i = 0; i < 3'000; ++i) {
      sighting.now += 20;
      sighting.status = always && i % 2 == 0 ? 500 : 200;
      sighting.failed = sighting.status >= 400;
      told = surge.observe(sighting).has_value();
    }
    for (int i = 0; i < 60; ++i) {
      sighting.now += 20;
      sighting.status = i % 2 == 0 ? 500 : 200;
      sighting.failed = sighting.status >= 400;
      told = told || surge.observe(sighting).has_value();
    }
    EXPECT_EQ(told, !always);
  }
}

TEST(LatencySurge, TenTimesIsToldThreeTimesIsNot) {
  for (const int times : {3, 10}) {
    LatencySurge surge;
    Sighting sighting = from(kMonday, 1, 'D');
    bool told = false;
    for (int i = 0; i < 500; ++i) {
      sighting.latency_ms = 800 + i * 37 % 400;
      told = told || surge.observe(sighting).has_value();
    }
    EXPECT_FALSE(told);
    for (int i = 0; i < 20; ++i) {
      sighting.latency_ms = 1'000 * times;
      told = told || surge.observe(sighting).has_value();
    }
    EXPECT_EQ(told, times == 10);
  }
}

TEST(BoundedTable, KeepsTheProvenAndTheUsed) {
  BoundedTable<int> table(100);
  for (std::uint64_t i = 0; i < 50; ++i) {
    table.touch(i) = static_cast<int>(i);
    table.promote(i);
  }
  for (std::uint64_t i = 1'000; i < 200'000; ++i) table.touch(i) = 1;
  EXPECT_EQ(table.size(), 100u);
  for (std::uint64_t i = 0; i < 50; ++i) {
    ASSERT_NE(table.find(i), nullptr);
    EXPECT_EQ(*table.find(i), static_cast<int>(i));
  }
  EXPECT_EQ(table.find(1'000), nullptr);
  EXPECT_NE(table.find(199'999), nullptr);
  table.erase(7);
  EXPECT_EQ(table.find(7), nullptr);
  EXPECT_EQ(table.size(), 99u);
}

TEST(Datacentres, KnowsTheList) {
  Datacentres centres;
  EXPECT_GT(centres.size(), 300u);
  EXPECT_TRUE(centres.asn(16'509, ""));
  EXPECT_FALSE(centres.asn(3'320, "Deutsche Telekom AG"));
  EXPECT_TRUE(centres.asn(64'500, "Example Hosting Ltd"));
  EXPECT_NE(centres.v4(3u << 24 | 5), 0u);
  EXPECT_EQ(centres.v4(192u << 24 | 2u << 8), 0u);
  EXPECT_EQ(centres.v4(0), 0u);
}

}  // namespace
}  // namespace sallyport::detect
