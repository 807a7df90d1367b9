// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/connect.h"
#include "net/raw_peer_for_test.h"
#include "net/socket_pair_for_test.h"

namespace sallyport::net {
namespace {

using Addresses = Resolver::Addresses;
using std::chrono::milliseconds;

const IpAddress kFirst = IpAddress::v4(0xc0000201);
const IpAddress kSecond = IpAddress::v4(0xc6336401);
constexpr Deadline kSoonMs = 5'000;  // a broken test ends instead of hanging

Task<void> resolve_into(Loop& loop, Resolver& resolver, std::string host, Deadline until,
                        std::optional<Result<Addresses>>& out) {
  Result<Addresses> answer = co_await resolver.resolve(loop, host, until);
  out = std::move(answer);
}

Result<Addresses> resolve_once(Resolver& resolver, std::string host, std::int64_t ms = kSoonMs) {
  Loop loop;
  std::optional<Result<Addresses>> out;
  run_on(loop, resolve_into(loop, resolver, std::move(host), loop.now_ms() + ms, out));
  return std::move(*out);
}

// A system whose answers the test decides. The resolver's thread may outlive the test: what it uses
// is shared with it. It is idle while the test changes anything.
struct Said {
  std::atomic<int> asked{0};
  Result<Addresses> answer = Addresses{kFirst, kSecond};
  std::shared_ptr<std::latch> silent_until;
};

struct System {
  ManualClock clock{UtcTime(milliseconds(0))};
  std::shared_ptr<Said> said = std::make_shared<Said>();
  Resolver::Times times{.fresh_ms = 30'000, .stale_ms = 600'000, .retry_ms = 20};

  Resolver::Ask ask() const {
    return [said = said](const std::string&) {
      ++said->asked;
      const Result<Addresses> answer = said->answer;
      const std::shared_ptr<std::latch> silence = said->silent_until;
      if (silence) silence->wait();
      return answer;
    };
  }
  // The system says nothing until the result is counted down.
  std::shared_ptr<std::latch> fall_silent() {
    said->silent_until = std::make_shared<std::latch>(1);
    return said->silent_until;
  }
};

TEST(Resolver, ANumberIsItsOwnAnswer) {
  System system;
  Resolver resolver(system.ask(), system.times, system.clock);
  EXPECT_EQ(resolve_once(resolver, "192.0.2.1").value(), (Addresses{kFirst}));
  EXPECT_EQ(resolve_once(resolver, "2001:db8::1").value(),
            (Addresses{*IpAddress::parse("2001:db8::1")}));
  EXPECT_EQ(system.said->asked, 0);
}

TEST(Resolver, TheSystemKnowsThisMachine) {
  Resolver resolver;
  const Result<Addresses> answer = resolve_once(resolver, "localhost");
  ASSERT_TRUE(answer) << answer.error().what;
  for (const IpAddress& address : *answer) EXPECT_TRUE(address.is_loopback()) << address.text();
}

struct Step {
  const char* why;
  std::int64_t later_ms;
  bool system_answers;
  bool answered;
  int asked;  // in total
};

const Step kSteps[] = {
    {"unknown and failing: an error", 0, false, false, 1},
    {"a failure without a good answer before is asked again", 0, true, true, 2},
    {"fresh: from memory", 29'999, false, true, 2},
    {"no longer fresh, the system fails: the last good answer", 1, false, true, 3},
    {"just failed: at once, not asked", 19, false, true, 3},
    {"asked again after a while", 1, false, true, 4},
    {"the system is back", 20, true, true, 5},
    {"and fresh again", 29'999, false, true, 5},
    {"still usable at the end of its time", 570'000, false, true, 6},
    {"too old: an error", 1, false, false, 7},
};

TEST(Resolver, KeepsTheLastGoodAnswerForAWhile) {
  System system;
  Resolver resolver(system.ask(), system.times, system.clock);
  for (const Step& step : kSteps) {
    system.clock.advance(milliseconds(step.later_ms));
    system.said->answer = step.system_answers
                              ? Result<Addresses>(Addresses{kFirst, kSecond})
                              : Result<Addresses>(fail(Code::kUnavailable, "no such name"));
    const Result<Addresses> answer = resolve_once(resolver, "upstream.test");
    ASSERT_EQ(answer.has_value(), step.answered) << step.why;
    EXPECT_EQ(system.said->asked, step.asked) << step.why;
    if (answer) {
      EXPECT_EQ(*answer, (Addresses{kFirst, kSecond})) << "in the order given";
    } else {
      EXPECT_EQ(answer.error().code, Code::kUnavailable) << step.why;
    }
  }
}

TEST(Resolver, SilenceExhaustsTheDeadlineOfANameNeverHeard) {
  System system;
  const std::shared_ptr<std::latch> silence = system.fall_silent();
  Resolver resolver(system.ask(), system.times, system.clock);
  const Result<Addresses> answer = resolve_once(resolver, "upstream.test", 20);
  silence->count_down();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kExhausted);
}

TEST(Resolver, SilenceAboutAKnownNameIsAnsweredFromMemorySoon) {
  System system;
  Resolver resolver(system.ask(), system.times, system.clock);
  ASSERT_TRUE(resolve_once(resolver, "upstream.test"));
  const std::shared_ptr<std::latch> silence = system.fall_silent();
  system.clock.advance(milliseconds(30'000));
  const Result<Addresses> first = resolve_once(resolver, "upstream.test");
  const Result<Addresses> second = resolve_once(resolver, "upstream.test");
  silence->count_down();
  EXPECT_TRUE(first) << "after retry_ms, not after the deadline";
  EXPECT_TRUE(second) << "at once";
  EXPECT_EQ(system.said->asked, 2) << "one question is under way";
}

TEST(Resolver, ThoseWhoAskTogetherShareOneQuestion) {
  System system;
  const std::shared_ptr<std::latch> silence = system.fall_silent();
  Resolver resolver(system.ask(), system.times, system.clock);
  Loop loop;
  std::optional<Result<Addresses>> a;
  std::optional<Result<Addresses>> b;
  loop.spawn(resolve_into(loop, resolver, "upstream.test", loop.now_ms() + kSoonMs, a));
  loop.post([silence] { silence->count_down(); });
  run_on(loop, resolve_into(loop, resolver, "upstream.test", loop.now_ms() + kSoonMs, b));
  EXPECT_TRUE(a && *a);
  EXPECT_TRUE(b && *b);
  EXPECT_EQ(system.said->asked, 1);
}

Started resolve_detached(Loop& loop, Resolver& resolver, std::string host, bool& resumed) {
  const Result<Addresses> answer = co_await resolver.resolve(loop, host, kNever);
  resumed = true;
}

TEST(Resolver, AWaiterThatDiedIsNotResumed) {
  System system;
  const std::shared_ptr<std::latch> silence = system.fall_silent();
  Resolver resolver(system.ask(), system.times, system.clock);
  Loop loop;
  bool resumed = false;
  Started waiter = resolve_detached(loop, resolver, "upstream.test", resumed);
  waiter.reset();
  silence->count_down();
  std::optional<Result<Addresses>> later;
  run_on(loop, resolve_into(loop, resolver, "upstream.test", loop.now_ms() + kSoonMs, later));
  EXPECT_TRUE(later && *later);
  EXPECT_FALSE(resumed);
}

TEST(Resolver, AnAnswerAfterTheLoopsEndTouchesNothing) {
  System system;
  const std::shared_ptr<std::latch> silence = system.fall_silent();
  Resolver resolver(system.ask(), system.times, system.clock);
  std::optional<Result<Addresses>> out;
  {
    Loop loop;
    loop.spawn(resolve_into(loop, resolver, "upstream.test", kNever, out));
  }
  silence->count_down();
  // The next answer comes after the first on the same thread.
  EXPECT_TRUE(resolve_once(resolver, "upstream.test"));
  EXPECT_FALSE(out);
}

}  // namespace
}  // namespace sallyport::net
