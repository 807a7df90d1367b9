// SPDX-License-Identifier: Apache-2.0
#include "upstream/breaker.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sallyport::upstream {
namespace {

// One step: `count` calls at `at_ms` that end with `outcome`; `refused` of them are not let
// through.
struct Step {
  std::int64_t at_ms;
  int count;
  Outcome outcome;
  int refused = 0;
};

struct Case {
  const char* why;
  std::vector<Step> steps;
  BreakerState end;
  std::string changes;  // "closed>open open>half_open"
};

constexpr BreakerLimits kLimits{
    .error_rate = 0.5, .window_ms = 10'000, .calls_min = 10, .open_ms = 5'000};

constexpr auto kOk = Outcome::kAnswered;
constexpr auto kBad = Outcome::kServerError;

const Case kCases[] = {
    {"fewer calls than the minimum prove nothing", {{0, 9, kBad}}, BreakerState::kClosed, ""},
    {"the tenth failure of ten opens", {{0, 10, kBad}}, BreakerState::kOpen, "closed>open"},
    {"below the rate it stays closed", {{0, 6, kOk}, {0, 5, kBad}}, BreakerState::kClosed, ""},
    {"at the rate it opens", {{0, 6, kOk}, {0, 6, kBad}}, BreakerState::kOpen, "closed>open"},
    {"timeouts count", {{0, 10, Outcome::kTimeout}}, BreakerState::kOpen, "closed>open"},
    {"failed connects count",
     {{0, 10, Outcome::kConnectFailed}},
     BreakerState::kOpen,
     "closed>open"},
    {"rate limits never open it", {{0, 99, Outcome::kRate}}, BreakerState::kClosed, ""},
    {"rate limits do not dilute the failures either",
     {{0, 99, Outcome::kRate}, {0, 10, kBad}},
     BreakerState::kOpen,
     "closed>open"},
    {"calls that taught nothing do not count",
     {{0, 99, Outcome::kNone}, {0, 9, kBad}},
     BreakerState::kClosed,
     ""},
    {"old failures are forgotten", {{0, 9, kBad}, {10'000, 9, kBad}}, BreakerState::kClosed, ""},
    {"failures within the window add up",
     {{0, 5, kBad}, {9'000, 5, kBad}},
     BreakerState::kOpen,
     "closed>open"},
    {"open refuses until the time has come",
     {{0, 10, kBad}, {4'999, 3, kOk, 3}},
     BreakerState::kOpen,
     "closed>open"},
    {"an answered probe closes",
     {{0, 10, kBad}, {5'000, 1, kOk}},
     BreakerState::kClosed,
     "closed>open open>half_open half_open>closed"},
    {"a rate-limited probe closes: the provider is alive",
     {{0, 10, kBad}, {5'000, 1, Outcome::kRate}},
     BreakerState::kClosed,
     "closed>open open>half_open half_open>closed"},
    {"a failed probe opens again for the whole time",
     {{0, 10, kBad}, {5'000, 1, kBad}, {9'999, 1, kOk, 1}},
     BreakerState::kOpen,
     "closed>open open>half_open half_open>open"},
    {"after closing the past is forgotten",
     {{0, 10, kBad}, {5'000, 1, kOk}, {5'001, 9, kBad}},
     BreakerState::kClosed,
     "closed>open open>half_open half_open>closed"},
    {"a probe that taught nothing leaves the next call to probe",
     {{0, 10, kBad}, {5'000, 1, Outcome::kNone}, {5'001, 1, kOk}},
     BreakerState::kClosed,
     "closed>open open>half_open half_open>closed"},
    {"one answer without money is enough",
     {{0, 1, Outcome::kQuota}},
     BreakerState::kQuota,
     "closed>quota"},
    {"no money refuses, then probes",
     {{0, 1, Outcome::kQuota}, {4'999, 2, kOk, 2}, {5'000, 1, kOk}},
     BreakerState::kClosed,
     "closed>quota quota>half_open half_open>closed"},
    {"still no money",
     {{0, 1, Outcome::kQuota}, {5'000, 1, Outcome::kQuota}, {5'001, 1, kOk, 1}},
     BreakerState::kQuota,
     "closed>quota quota>half_open half_open>quota"},
    {"money gone while it was down",
     {{0, 10, kBad}, {5'000, 1, Outcome::kQuota}},
     BreakerState::kQuota,
     "closed>open open>half_open half_open>quota"},
};

TEST(Breaker, Table) {
  for (const Case& c : kCases) {
    std::string changes;
    Breaker breaker("openai", kLimits, [&changes](const BreakerChange& change) {
      if (!changes.empty()) changes += ' ';
      changes += std::string(name(change.from)) + ">" + std::string(name(change.to));
      EXPECT_EQ(change.upstream, "openai");
    });
    for (const Step& step : c.steps) {
      int refused = 0;
      for (int i = 0; i < step.count; ++i) {
        const Breaker::Permit permit = breaker.admit(step.at_ms);
        if (!permit.allowed) {
          EXPECT_GT(permit.wait_ms, 0) << c.why;
          ++refused;
          continue;
        }
        breaker.report(step.outcome, permit.probe, step.at_ms);
      }
      EXPECT_EQ(refused, step.refused) << c.why << ", at " << step.at_ms;
    }
    EXPECT_EQ(name(breaker.state()), name(c.end)) << c.why;
    EXPECT_EQ(changes, c.changes) << c.why;
  }
}

TEST(Breaker, OneProbeAtATime) {
  Breaker breaker("openai", kLimits, nullptr);
  for (int i = 0; i < 10; ++i) breaker.report(kBad, false, 0);
  const Breaker::Permit probe = breaker.admit(5'000);
  EXPECT_TRUE(probe.allowed && probe.probe);
  EXPECT_FALSE(breaker.admit(5'001).allowed) << "the probe is under way";
  breaker.report(kOk, false, 5'002);
  EXPECT_EQ(breaker.state(), BreakerState::kHalfOpen)
      << "a call that began before the breaker opened is not the probe";
  breaker.report(kOk, probe.probe, 5'003);
  EXPECT_TRUE(breaker.admit(5'004).allowed);
}

TEST(Breaker, ChangeIsARecord) {
  const BreakerChange change{"openai", BreakerState::kClosed, BreakerState::kQuota, "quota", 7, 0};
  const Event event = make_event(change, UtcTime(std::chrono::milliseconds(5)));
  EXPECT_EQ(event.kind, Kind::kBreaker);
  EXPECT_EQ(event.upstream, "openai");
  EXPECT_EQ(event.action, "breaker_quota");
  EXPECT_EQ(event.detail,
            R"({"from":"closed","to":"quota","reason":"quota","calls":7,"failures":0})");
}

TEST(Breaker, ManyThreadsOpenItOnce) {
  std::atomic<int> opened{0};
  Breaker breaker("openai", kLimits, [&opened](const BreakerChange&) { ++opened; });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&breaker] {
        for (int i = 0; i < 1'000; ++i) {
          const Breaker::Permit permit = breaker.admit(0);
          if (permit.allowed) breaker.report(kBad, permit.probe, 0);
        }
      });
    }
  }
  EXPECT_EQ(opened, 1);
}

}  // namespace
}  // namespace sallyport::upstream
