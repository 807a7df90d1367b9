// SPDX-License-Identifier: Apache-2.0
#include "meter/ledger.h"

#include <gtest/gtest.h>

#include <barrier>
#include <deque>
#include <random>
#include <thread>

#include "event/no_record.h"

namespace sallyport::meter {
namespace {

using namespace std::chrono_literals;

UtcTime at(const char* utc) { return *parse_utc(utc); }

Budget hard(BudgetUnit unit, BudgetWindow window, std::int64_t amount) {
  return {unit, window, amount, true};
}
Budget soft(BudgetUnit unit, BudgetWindow window, std::int64_t amount) {
  return {unit, window, amount, false};
}

Limits budgets(std::vector<Budget> all) {
  Limits limits;
  limits.budgets = std::move(all);
  return limits;
}
Limits rates(std::optional<std::int64_t> requests, std::optional<std::int64_t> tokens = {},
             std::optional<std::int64_t> parallel = {}) {
  Limits limits;
  limits.requests_per_minute = requests;
  limits.tokens_per_minute = tokens;
  limits.parallel_max = parallel;
  return limits;
}

std::shared_ptr<Layer> layer(std::string account, Limits limits,
                             std::shared_ptr<const Layer> parent = nullptr) {
  auto made = std::make_shared<Layer>();
  made->parent = std::move(parent);
  made->account = std::move(account);
  made->restrictions.limits = std::move(limits);
  return made;
}

struct LedgerTest : testing::Test {
  ManualClock clock{at("2026-11-24T12:00:00Z")};
  NoRecord recorder;
  Ledger ledger{clock, recorder};
  std::vector<Alert> alerts;
  RateRoom room;
  UtcTime expires = clock.now() + 1h;  // of the chain of each call
  int number = 0;

  std::expected<Ledger::Reservation, Refused> reserve(const Layer& chain, Amounts worst,
                                                      std::int64_t rate_tokens = 0) {
    const std::string id = "req_" + std::to_string(++number);
    Need need;
    need.request_id = id;
    need.chain = &chain;
    need.chain_expires_ms = expires.time_since_epoch().count();
    need.worst = worst;
    need.rate_tokens = rate_tokens;
    room = {};
    return ledger.reserve(need, room, alerts);
  }

  bool spend(const Layer& chain, Amounts worst, Amounts actual) {
    auto held = reserve(chain, worst);
    if (!held) return false;
    ledger.settle(std::move(*held), actual, alerts);
    return true;
  }

  std::int64_t settled(std::string_view account, BudgetWindow window, BudgetUnit unit) {
    const auto found = ledger.show(account, 1);
    if (found.empty()) return -1;
    return found[0]
        .state.windows[static_cast<std::size_t>(window)]
        .settled[static_cast<std::size_t>(unit)];
  }
};

constexpr auto kUsd = BudgetUnit::kNanoUsd;
constexpr auto kTokens = BudgetUnit::kTokens;
constexpr auto kRequests = BudgetUnit::kRequests;

TEST_F(LedgerTest, WhatDoesNotFitIsRefusedAndNamesTheLayer) {
  const auto org = layer("organisation:acme", budgets({hard(kTokens, BudgetWindow::kDay, 100)}));
  const auto key = layer("key:a", {}, org);
  EXPECT_TRUE(reserve(*key, {.tokens = 60}));  // dies unsettled: it stands
  auto refused = reserve(*key, {.tokens = 41});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().limit, LimitKind::kBudget);
  EXPECT_EQ(refused.error().account, "organisation:acme");
  EXPECT_EQ(refused.error().spent, 60);
  EXPECT_TRUE(reserve(*key, {.tokens = 40})) << "the last token is there to be used";
}

TEST_F(LedgerTest, AllOrNothingOverTheChain) {
  const auto org = layer("organisation:acme", budgets({hard(kTokens, BudgetWindow::kDay, 100)}));
  const auto key = layer("key:a", budgets({hard(kRequests, BudgetWindow::kDay, 1)}), org);
  auto first = reserve(*key, {.tokens = 50, .requests = 1});
  ASSERT_TRUE(first);
  EXPECT_FALSE(reserve(*key, {.tokens = 10, .requests = 1}));
  EXPECT_EQ(ledger.show("organisation:acme", 1)[0].held[2][1], 50) << "the refused call holds none";
  ledger.release(std::move(*first));
  EXPECT_EQ(ledger.show("organisation:acme", 1)[0].held[2][1], 0);
  EXPECT_TRUE(reserve(*key, {.tokens = 100, .requests = 1}));
}

TEST_F(LedgerTest, SettlingGivesTheRestBack) {
  const auto key = layer("key:a", budgets({hard(kUsd, BudgetWindow::kMonth, 1000)}));
  EXPECT_TRUE(spend(*key, {.nano_usd = 1000}, {.nano_usd = 10}));
  EXPECT_TRUE(spend(*key, {.nano_usd = 990}, {.nano_usd = 990}));
  EXPECT_FALSE(spend(*key, {.nano_usd = 1}, {.nano_usd = 1}));
  EXPECT_EQ(settled("key:a", BudgetWindow::kMonth, kUsd), 1000);
  EXPECT_EQ(settled("key:a", BudgetWindow::kTotal, kUsd), 1000);
}

TEST_F(LedgerTest, OddBudgetsAllowNothingOrNeverOverflow) {
  const auto negative = layer("key:n", budgets({hard(kTokens, BudgetWindow::kDay, -5)}));
  EXPECT_FALSE(reserve(*negative, {.tokens = 1}));
  EXPECT_TRUE(reserve(*negative, {.tokens = 0})) << "what costs nothing is no question of budget";
  const auto most = layer("key:m", budgets({hard(kTokens, BudgetWindow::kDay, INT64_MAX - 1)}));
  EXPECT_FALSE(reserve(*most, {.tokens = INT64_MAX}));
  EXPECT_TRUE(reserve(*most, {.tokens = INT64_MAX - 1}));
  EXPECT_FALSE(reserve(*most, {.tokens = INT64_MAX - 1})) << "sums stop, they do not wrap";
}

struct WindowCase {
  const char* why;
  BudgetWindow window;
  const char* before;
  const char* after;
  bool again;  // is there a new budget?
};
const WindowCase kWindowCases[] = {
    {"a minute ends at its edge", BudgetWindow::kMinute, "2026-11-24T12:00:59.999Z",
     "2026-11-24T12:01:00Z", true},
    {"and not before", BudgetWindow::kMinute, "2026-11-24T12:00:00Z", "2026-11-24T12:00:59.999Z",
     false},
    {"an hour", BudgetWindow::kHour, "2026-11-24T12:59:59Z", "2026-11-24T13:00:00Z", true},
    {"midnight in UTC", BudgetWindow::kDay, "2026-11-24T23:59:59.999Z", "2026-11-25T00:00:00Z",
     true},
    {"not midnight elsewhere", BudgetWindow::kDay, "2026-11-24T15:59:59Z", "2026-11-24T16:00:00Z",
     false},
    {"the first of the month", BudgetWindow::kMonth, "2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z",
     true},
    {"over the year", BudgetWindow::kMonth, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", true},
    {"the end of a leap February", BudgetWindow::kMonth, "2028-02-28T23:59:59Z",
     "2028-02-29T00:00:00Z", false},
    {"a month is no 30 days", BudgetWindow::kMonth, "2026-10-01T00:00:00Z", "2026-10-31T23:59:59Z",
     false},
    {"total never ends", BudgetWindow::kTotal, "2026-01-01T00:00:00Z", "2036-01-01T00:00:00Z",
     false},
    {"a clock that is set back", BudgetWindow::kDay, "2026-11-24T12:00:00Z", "2026-11-22T12:00:00Z",
     false},
};

TEST(LedgerWindows, AreOfTheCalendarInUtc) {
  for (const WindowCase& c : kWindowCases) {
    ManualClock clock(at(c.before));
    NoRecord recorder;
    Ledger ledger(clock, recorder);
    std::vector<Alert> alerts;
    RateRoom room;
    const auto key = layer("key:a", budgets({hard(kRequests, c.window, 1)}));
    Need need;
    need.chain = key.get();
    need.request_id = "req_1";
    need.worst.requests = 1;
    auto held = ledger.reserve(need, room, alerts);
    ASSERT_TRUE(held) << c.why;
    ledger.settle(std::move(*held), {.requests = 1}, alerts);
    clock.set(at(c.after));
    EXPECT_EQ(ledger.reserve(need, room, alerts).has_value(), c.again) << c.why;
  }
}

TEST_F(LedgerTest, AClosedWindowNeverOpensAgain) {
  const auto key = layer("key:a", budgets({hard(kRequests, BudgetWindow::kDay, 1)}));
  EXPECT_TRUE(spend(*key, {.requests = 1}, {.requests = 1}));
  clock.set(at("2026-11-25T00:00:00Z"));
  EXPECT_TRUE(spend(*key, {.requests = 1}, {.requests = 1}));
  clock.set(at("2026-11-24T12:00:00Z"));
  EXPECT_FALSE(spend(*key, {.requests = 1}, {.requests = 1})) << "the clock was set back";
  clock.set(at("2026-11-25T12:00:00Z"));
  EXPECT_FALSE(spend(*key, {.requests = 1}, {.requests = 1})) << "and forward again";
  clock.set(at("2026-11-26T00:00:00Z"));
  EXPECT_TRUE(spend(*key, {.requests = 1}, {.requests = 1}));
}

TEST_F(LedgerTest, AReservationBelongsToTheWindowItWasMadeIn) {
  const auto key = layer("key:a", budgets({hard(kTokens, BudgetWindow::kDay, 100)}));
  auto late = reserve(*key, {.tokens = 80});
  ASSERT_TRUE(late);
  clock.set(at("2026-11-25T00:00:00Z"));
  auto early = reserve(*key, {.tokens = 100});
  ASSERT_TRUE(early) << "the new day is whole";
  ledger.settle(std::move(*late), {.tokens = 80}, alerts);
  EXPECT_EQ(settled("key:a", BudgetWindow::kDay, kTokens), 0) << "yesterday's call is yesterday's";
  EXPECT_EQ(ledger.show("key:a", 1)[0].held[2][1], 100);
  EXPECT_EQ(settled("key:a", BudgetWindow::kMonth, kTokens), 80) << "the month is still the same";
}

TEST_F(LedgerTest, RotationDoesNotRefill) {
  // A rotated key has a new kid and a new snapshot of its layer; its account is its name.
  const Limits limits = budgets({hard(kRequests, BudgetWindow::kDay, 1)});
  EXPECT_TRUE(spend(*layer("key:user_42", limits), {.requests = 1}, {.requests = 1}));
  EXPECT_FALSE(spend(*layer("key:user_42", limits), {.requests = 1}, {.requests = 1}));
}

TEST_F(LedgerTest, ATokenNarrowedTwiceIsOneAccount) {
  const auto key = layer("key:a", budgets({hard(kTokens, BudgetWindow::kDay, 1000)}));
  const auto outer = layer("token:t", budgets({hard(kTokens, BudgetWindow::kTotal, 100)}), key);
  const auto inner = layer("token:t", budgets({hard(kTokens, BudgetWindow::kTotal, 50)}), outer);
  EXPECT_TRUE(spend(*inner, {.tokens = 50}, {.tokens = 50}));
  EXPECT_EQ(settled("token:t", BudgetWindow::kTotal, kTokens), 50) << "booked once";
  EXPECT_FALSE(spend(*inner, {.tokens = 1}, {.tokens = 1}));
  EXPECT_TRUE(spend(*outer, {.tokens = 50}, {.tokens = 50}));
}

TEST_F(LedgerTest, AccountsOfTokensEndWithThem) {
  const auto token = layer("token:t", budgets({hard(kTokens, BudgetWindow::kTotal, 100)}));
  EXPECT_TRUE(spend(*token, {.tokens = 1}, {.tokens = 1}));
  EXPECT_EQ(ledger.account_count(), 1u);
  clock.advance(59min);
  EXPECT_TRUE(spend(*token, {.tokens = 1}, {.tokens = 1}));
  EXPECT_TRUE(ledger.checkpoint(0).forgotten.empty());
  clock.advance(2min);
  auto other = reserve(*layer("key:b", budgets({hard(kTokens, BudgetWindow::kDay, 1)})), {});
  EXPECT_EQ(ledger.checkpoint(0).forgotten, std::vector<std::string>{"token:t"});
  EXPECT_EQ(ledger.account_count(), 1u);
}

TEST_F(LedgerTest, AnAccountLivesAsLongAsItsTokenMay) {
  const auto token = layer("token:t", budgets({hard(kTokens, BudgetWindow::kTotal, 100)}));
  EXPECT_TRUE(spend(*token, {.tokens = 90}, {.tokens = 90}));
  expires += 2h;  // the key above it was prolonged, and the token with it
  EXPECT_TRUE(spend(*token, {.tokens = 5}, {.tokens = 5}));
  clock.advance(90min);
  EXPECT_TRUE(ledger.checkpoint(0).forgotten.empty());
  EXPECT_FALSE(spend(*token, {.tokens = 10}, {.tokens = 10})) << "the budget does not refill";
}

TEST_F(LedgerTest, AnAlertThatNobodyHeardIsToldLater) {
  const auto key = layer("key:a", budgets({soft(kTokens, BudgetWindow::kDay, 100)}));
  {
    auto dropped = reserve(*key, {.tokens = 60});
  }
  EXPECT_TRUE(alerts.empty());
  EXPECT_TRUE(spend(*key, {.tokens = 1}, {.tokens = 1}));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].threshold, 50);
}

TEST_F(LedgerTest, ThresholdsAreToldOnceAWindow) {
  const auto key = layer("key:a", budgets({soft(kUsd, BudgetWindow::kDay, 1000)}));
  const auto told = [&] {
    std::vector<int> thresholds;
    for (const Alert& alert : alerts) thresholds.push_back(alert.threshold);
    alerts.clear();
    return thresholds;
  };
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 499}));
  EXPECT_EQ(told(), std::vector<int>{});
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 1}));
  EXPECT_EQ(told(), std::vector<int>{50});
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 100}));
  EXPECT_EQ(told(), std::vector<int>{});
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 5000}));
  EXPECT_EQ(told(), (std::vector<int>{80, 100})) << "a soft budget lets pass and tells";
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 5000}));
  EXPECT_EQ(told(), std::vector<int>{});
  clock.set(at("2026-11-25T00:00:00Z"));
  EXPECT_TRUE(spend(*key, {}, {.nano_usd = 500}));
  EXPECT_EQ(told(), std::vector<int>{50}) << "a new window, told again";
}

TEST_F(LedgerTest, TheFirstRefusalOfAHardBudgetIsTold) {
  const auto key = layer("key:a", budgets({hard(kRequests, BudgetWindow::kDay, 0)}));
  EXPECT_FALSE(spend(*key, {.requests = 1}, {}));
  EXPECT_FALSE(spend(*key, {.requests = 1}, {}));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_TRUE(alerts[0].refused);
}

TEST_F(LedgerTest, RatesDrainWithTime) {
  const auto key = layer("key:a", rates(60, 600));
  for (int i = 0; i < 60; ++i) EXPECT_TRUE(spend(*key, {.requests = 1}, {.requests = 1})) << i;
  auto refused = reserve(*key, {.requests = 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().limit, LimitKind::kRequestRate);
  EXPECT_NEAR(static_cast<double>(refused.error().wait_ms), 1000, 2);
  ASSERT_TRUE(room.requests);
  EXPECT_EQ(room.requests->limit, 60);
  EXPECT_EQ(room.requests->left, 0);
  EXPECT_NEAR(static_cast<double>(room.requests->reset_ms), 60'000, 2);
  clock.advance(1s);
  EXPECT_TRUE(reserve(*key, {.requests = 1}));
  EXPECT_FALSE(reserve(*key, {.requests = 1}));
  EXPECT_EQ(ledger.checkpoint(0).accounts.size(), 0u) << "rates are not kept";
}

TEST_F(LedgerTest, TokensOfARateAreCorrectedBySettling) {
  const auto key = layer("key:a", rates({}, 100));
  auto held = reserve(*key, {}, 90);
  ASSERT_TRUE(held);
  EXPECT_FALSE(reserve(*key, {}, 20));
  ledger.settle(std::move(*held), {.tokens = 10}, alerts);
  EXPECT_TRUE(reserve(*key, {}, 20)) << "what was not used is free again";
  auto never = reserve(*key, {}, 101);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().wait_ms, 0) << "waiting does not help";
}

TEST_F(LedgerTest, WhatHasDrainedIsNotGivenBack) {
  const auto key = layer("key:a", rates({}, 100));
  auto slow = reserve(*key, {}, 100);
  ASSERT_TRUE(slow);
  clock.advance(60s);  // by now a whole minute's tokens are free
  auto second = reserve(*key, {}, 100);
  ASSERT_TRUE(second);
  ledger.settle(std::move(*slow), {.tokens = 1}, alerts);
  EXPECT_FALSE(reserve(*key, {}, 1)) << "else this minute would have 200";
  ledger.settle(std::move(*second), {.tokens = 10}, alerts);
  EXPECT_TRUE(reserve(*key, {}, 90)) << "of what is still there the rest is free";
}

// Whatever is reserved, used and drained in whatever order: no minute lets more through than twice
// a full allowance, the one that was there and the one that flows in.
TEST_F(LedgerTest, ARateIsNeverGivenTwice) {
  std::mt19937 dice(5);
  for (int round = 0; round < 50; ++round) {
    const auto key = layer("key:r" + std::to_string(round), rates({}, 1000));
    std::deque<std::pair<Ledger::Reservation, std::int64_t>> open;
    double used = 0, minutes = 0;
    for (int i = 0; i < 400; ++i) {
      const std::int64_t worst = 1 + dice() % 300;
      auto held = reserve(*key, {}, worst);
      if (held) open.emplace_back(std::move(*held), worst);
      if (!open.empty() && dice() % 3 != 0) {
        const std::size_t which = dice() % open.size();
        std::swap(open[which], open.back());
        const auto actual = static_cast<std::int64_t>(dice() % (open.back().second + 1));
        ledger.settle(std::move(open.back().first), {.tokens = actual}, alerts);
        open.pop_back();
        used += static_cast<double>(actual);
      }
      const int ms = static_cast<int>(dice() % 4000);
      clock.advance(std::chrono::milliseconds(ms));
      minutes += ms / 60'000.0;
      ASSERT_LE(used, 1000 + 1000 * minutes + 1) << "round " << round;
    }
  }
}

TEST_F(LedgerTest, TheTightestLayerIsTold) {
  const auto org = layer("organisation:acme", rates(3));
  const auto key = layer("key:a", rates(100), org);
  ASSERT_TRUE(reserve(*key, {.requests = 1}));
  EXPECT_EQ(room.requests->limit, 3);
  EXPECT_EQ(room.requests->left, 2);
}

TEST_F(LedgerTest, CallsAtOneTime) {
  const auto key = layer("key:a", rates({}, {}, 2));
  auto first = reserve(*key, {.requests = 1});
  auto second = reserve(*key, {.requests = 1});
  auto third = reserve(*key, {.requests = 1});
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().limit, LimitKind::kParallel);
  ledger.release(std::move(*first));
  EXPECT_TRUE(reserve(*key, {.requests = 1}));
}

TEST_F(LedgerTest, WhatCannotBeBoundedPassesOnlyWhileNothingIsUsedUp) {
  const auto key = layer("key:a", budgets({hard(kTokens, BudgetWindow::kDay, 10)}));
  Need need;
  need.chain = key.get();
  need.request_id = "req_x";
  need.unbounded = true;
  auto held = ledger.reserve(need, room, alerts);
  ASSERT_TRUE(held);
  ledger.settle(std::move(*held), {.tokens = 10}, alerts);
  EXPECT_FALSE(ledger.reserve(need, room, alerts));
}

bool fits(Ledger& ledger, const Layer& chain, std::int64_t tokens) {
  Need need;
  need.request_id = "req_last";
  need.chain = &chain;
  need.worst.tokens = tokens;
  RateRoom room;
  std::vector<Alert> alerts;
  auto held = ledger.reserve(need, room, alerts);
  if (held) ledger.release(std::move(*held));
  return held.has_value();
}

// Invariant 4, in one process: 64 clients on 8 threads, a small budget, aborts, a hundred rounds.
TEST(LedgerZeroOvershoot, UnderConcurrency) {
  constexpr int kThreads = 8, kRounds = 100, kCalls = 64;
  constexpr std::int64_t kBudget = 10'000;
  for (int round = 0; round < kRounds; ++round) {
    const SystemClock clock;
    NoRecord recorder;
    Ledger ledger(clock, recorder);
    const auto org =
        layer("organisation:acme", budgets({hard(kTokens, BudgetWindow::kTotal, kBudget)}));
    const auto one = layer("key:a", budgets({hard(kUsd, BudgetWindow::kTotal, 70 * kBudget)}), org);
    const auto two = layer("key:b", {}, org);
    std::atomic<std::int64_t> used{0}, refused{0};
    std::barrier start(kThreads);
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 dice(static_cast<unsigned>(round * kThreads + t));
        std::vector<Alert> alerts;
        std::deque<std::pair<Ledger::Reservation, std::int64_t>> open;
        start.arrive_and_wait();
        for (int i = 0; i < kCalls; ++i) {
          const std::int64_t worst = 1 + dice() % 400;
          Need need;
          const std::string id = "req_" + std::to_string(t) + "_" + std::to_string(i);
          need.request_id = id;
          need.chain = dice() % 2 ? one.get() : two.get();
          need.worst = {.nano_usd = worst * 100, .tokens = worst, .requests = 1};
          RateRoom room;
          auto held = ledger.reserve(need, room, alerts);
          if (!held) {
            refused.fetch_add(1);
          } else {
            open.emplace_back(std::move(*held), worst);
          }
          // Several calls of a client are under way at one time, and end in any order.
          while (open.size() > 8 || (!open.empty() && i + 1 == kCalls)) {
            auto [reservation, worst_of] = std::move(open.front());
            open.pop_front();
            const unsigned how = dice() % 4;
            if (how == 0) {
              used.fetch_add(worst_of);  // the client hung up: what was used is not known
              ledger.stand(std::move(reservation), alerts);
            } else if (how == 1) {
              ledger.release(std::move(reservation));
            } else {
              const std::int64_t actual = dice() % (worst_of + 1);
              used.fetch_add(actual);
              ledger.settle(std::move(reservation), {.tokens = actual, .requests = 1}, alerts);
            }
          }
        }
      });
    }
    threads.clear();
    ASSERT_LE(used.load(), kBudget) << "round " << round;
    // Nothing was lost either: what is left can be spent to the last token.
    const std::int64_t left = kBudget - used.load();
    ASSERT_TRUE(fits(ledger, *two, left)) << "round " << round;
    ASSERT_FALSE(fits(ledger, *two, left + 1)) << "round " << round;
    ASSERT_GT(refused.load(), 0);
    ASSERT_EQ(ledger.open_count(), 0u);
    EXPECT_EQ(ledger.show("organisation:acme", 1)[0].state.windows[4].settled[1], used.load());
  }
}

}  // namespace
}  // namespace sallyport::meter
