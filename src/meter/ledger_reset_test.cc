// SPDX-License-Identifier: Apache-2.0
// An account is given its budgets again, and stays so over restarts.
#include <gtest/gtest.h>

#include <chrono>

#include "event/no_record.h"
#include "meter/ledger.h"

namespace sallyport::meter {
namespace {

using namespace std::chrono_literals;
constexpr std::int64_t kDayLimit = 100;

struct LedgerResetTest : testing::Test {
  LedgerResetTest() {
    project = layer("organisation:acme", nullptr);
    key = layer("key:a", project);
  }

  static std::shared_ptr<Layer> layer(const char* account, std::shared_ptr<const Layer> parent) {
    auto made = std::make_shared<Layer>();
    made->account = account;
    made->parent = std::move(parent);
    made->restrictions.limits.budgets = {
        {BudgetUnit::kTokens, BudgetWindow::kDay, kDayLimit, true}};
    return made;
  }

  // A call of the key with its records, as the journal would have them.
  std::optional<Ledger::Reservation> begin(std::int64_t tokens) {
    const std::string id = "req_" + std::to_string(++calls);
    Need need;
    need.request_id = id;
    need.chain = key.get();
    need.worst = {.nano_usd = tokens * 7, .tokens = tokens, .requests = 1};
    RateRoom room;
    auto held = ledger->reserve(need, room, alerts);
    if (!held) return std::nullopt;
    write(Kind::kIntent, id, tokens);
    ledger->written(*held, journal.size());
    return std::move(*held);
  }
  void end(std::optional<Ledger::Reservation> held, std::int64_t tokens, int call) {
    ledger->settle(std::move(*held), {.nano_usd = tokens * 7, .tokens = tokens, .requests = 1},
                   alerts);
    Event& outcome = write(Kind::kRequest, "req_" + std::to_string(call), tokens);
    outcome.status = 200;
    outcome.charged_tokens = tokens;
    outcome.charged_usd = NanoUsd{tokens * 7};
  }
  bool spend(std::int64_t tokens) {
    auto held = begin(tokens);
    if (!held) return false;
    end(std::move(held), tokens, calls);
    return true;
  }

  Event& write(Kind kind, const std::string& id, std::int64_t reserved) {
    Event event;
    event.kind = kind;
    event.request_id = id;
    event.api_key_id = "a";
    event.layer = "acme";
    // As the journal does: its time never goes back.
    const std::int64_t now = clock.now().time_since_epoch().count();
    latest = std::max(latest, now);
    event.timestamp_utc = UtcTime(std::chrono::milliseconds(latest));
    if (latest > now) event.time_raised_ms = latest - now;
    event.reserved_tokens = reserved;
    event.reserved_usd = NanoUsd{reserved * 7};
    event.seq = journal.size() + 1;
    journal.push_back(std::move(event));
    return journal.back();
  }

  Result<Reset> reset(std::optional<BudgetWindow> only = {}, bool trust_clock = false) {
    Result<Reset> done = ledger->reset("key:a", only, trust_clock, "adm_" + std::to_string(calls));
    if (!done) return done;
    Event& event = write(Kind::kAdmin, done->id, 0);
    event.reserved_tokens.reset();
    event.reserved_usd.reset();
    fill_reset(event, *done);
    return done;
  }

  // A new process: the checkpoint, and the journal after it as it is read back.
  void restart(const std::optional<LedgerState>& checkpoint = {}) {
    ledger = std::make_unique<Ledger>(clock, recorder);
    if (checkpoint) ledger->load(*checkpoint);
    for (const Event& event : journal) {
      if (checkpoint && event.seq <= checkpoint->seq) continue;
      std::string line;
      append_event(line, event);
      const auto read = parse_event(line);
      ASSERT_TRUE(read) << line;
      ledger->replay(*read);
    }
    ledger->finish_replay();
  }

  std::int64_t spent(const char* account, BudgetWindow window = BudgetWindow::kDay) {
    const auto view = ledger->show(account, 1);
    return view.empty() ? -1 : view[0].state.windows[static_cast<std::size_t>(window)].settled[1];
  }
  std::int64_t held(const char* account) { return ledger->show(account, 1)[0].held[2][1]; }

  ManualClock clock{*parse_utc("2026-11-24T12:00:00Z")};
  NoRecord recorder;
  std::unique_ptr<Ledger> ledger = std::make_unique<Ledger>(clock, recorder);
  std::shared_ptr<Layer> project, key;
  std::vector<Event> journal;
  std::vector<Alert> alerts;
  std::int64_t latest = 0;
  int calls = 0;
};

TEST_F(LedgerResetTest, TheAccountHasItsBudgetsAgainAndNobodyElse) {
  project->restrictions.limits.budgets[0].amount = 1'000;
  ASSERT_TRUE(spend(100));
  ASSERT_FALSE(spend(1)) << "it is exhausted";
  const auto done = reset();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->windows.size(), kWindows);
  EXPECT_EQ(spent("key:a"), 0);
  EXPECT_EQ(spent("key:a", BudgetWindow::kMonth), 0);
  EXPECT_EQ(spent("organisation:acme"), 100);
  EXPECT_TRUE(spend(100));
  EXPECT_FALSE(spend(1));
}

TEST_F(LedgerResetTest, OneWindowAlone) {
  ASSERT_TRUE(spend(60));
  ASSERT_TRUE(reset(BudgetWindow::kDay));
  EXPECT_EQ(spent("key:a"), 0);
  EXPECT_EQ(spent("key:a", BudgetWindow::kMonth), 60);
  EXPECT_EQ(spent("key:a", BudgetWindow::kTotal), 60);
  restart();
  EXPECT_EQ(spent("key:a"), 0);
  EXPECT_EQ(spent("key:a", BudgetWindow::kMonth), 60);
}

TEST_F(LedgerResetTest, CallsUnderWayKeepWhatTheyHold) {
  auto under_way = begin(70);
  ASSERT_TRUE(under_way);
  ASSERT_TRUE(reset());
  EXPECT_EQ(held("key:a"), 70);
  EXPECT_FALSE(begin(31)) << "what is held back is not given twice";
  end(std::move(under_way), 50, 1);
  EXPECT_EQ(spent("key:a"), 50);
}

TEST_F(LedgerResetTest, ThresholdsAreToldAgain) {
  project->restrictions.limits.budgets[0].amount = 1'000;
  ASSERT_TRUE(spend(60));
  alerts.clear();
  ASSERT_TRUE(reset());
  ASSERT_TRUE(spend(60));
  ASSERT_EQ(alerts.size(), 1u);
  EXPECT_EQ(alerts[0].threshold, 50);
}

TEST_F(LedgerResetTest, AnUnknownAccountIsToldSo) {
  const auto done = ledger->reset("key:nobody", {}, false, "adm_1");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kNotFound);
}

TEST_F(LedgerResetTest, WhatCouldNotBeRecordedIsUndone) {
  ASSERT_TRUE(spend(60));
  const auto done = ledger->reset("key:a", {}, false, "adm_1");
  ASSERT_TRUE(done);
  ledger->undo(*done);
  EXPECT_EQ(spent("key:a"), 60);
  EXPECT_FALSE(spend(41));
  EXPECT_TRUE(spend(10)) << "its alerts too: nothing is told twice";
  EXPECT_EQ(alerts.size(), 3u) << "50 per cent of the two accounts, and a refusal";
}

TEST_F(LedgerResetTest, AStartWithoutACheckpointHonoursIt) {
  project->restrictions.limits.budgets[0].amount = 1'000;
  ASSERT_TRUE(spend(100));
  ASSERT_TRUE(reset());
  ASSERT_TRUE(spend(30));
  restart();
  EXPECT_EQ(spent("key:a"), 30);
  EXPECT_EQ(spent("organisation:acme"), 130);
}

// The checkpoint may be older than the reset, or have seen it and what came after.
TEST_F(LedgerResetTest, AStartFromAnyCheckpointHonoursItOnce) {
  project->restrictions.limits.budgets[0].amount = 1'000;
  ASSERT_TRUE(spend(90));
  const LedgerState early = ledger->checkpoint(journal.size());
  const std::uint64_t durable = journal.size();  // the journal's word lags behind the sums
  ASSERT_TRUE(reset());
  ASSERT_TRUE(spend(80));
  const auto full = [&](std::uint64_t seq) {  // all accounts, as the store has them
    LedgerState state = ledger->checkpoint(seq);
    for (const AccountView& view : ledger->show({}, 10)) {
      std::erase_if(state.accounts,
                    [&](const AccountState& one) { return one.account == view.state.account; });
      state.accounts.push_back(view.state);
    }
    return state;
  };
  const LedgerState lagging = full(durable);
  const LedgerState late = full(journal.size());
  ASSERT_TRUE(spend(5));
  for (const auto& [why, checkpoint] :
       {std::pair{"older than the reset", &early},
        std::pair{"with it, but not with its record", &lagging}, std::pair{"with both", &late}}) {
    restart(*checkpoint);
    EXPECT_EQ(spent("key:a"), 85) << why;
    EXPECT_EQ(spent("organisation:acme"), 175) << why;
  }
}

struct LedgerClockTest : LedgerResetTest {
  // Calls were made with a clock that was ahead; then it was put right.
  void be_ahead() {
    project->restrictions.limits.budgets[0].amount = 1'000;
    ASSERT_TRUE(spend(40));
    clock.set(*parse_utc("2027-06-01T00:00:00Z"));
    ASSERT_TRUE(spend(100));
    clock.set(*parse_utc("2026-11-24T13:00:00Z"));
    ASSERT_FALSE(spend(1)) << "the budget waits in the future";
  }
};

TEST_F(LedgerClockTest, AResetDoesNotGuessWhichClockIsRight) {
  be_ahead();
  const auto done = reset();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kDenied);
  EXPECT_TRUE(done.error().what.contains("2027-06-01")) << done.error().what;
  EXPECT_EQ(spent("key:a"), 100) << "nothing was done";
}

TEST_F(LedgerClockTest, WithTheClocksWordTheAccountComesBackAndOthersKeepWhatTheySpent) {
  be_ahead();
  auto under_way = [&] {
    project->restrictions.limits.budgets[0].amount = 1'000;
    key->restrictions.limits.budgets[0].amount = 1'000;
    return begin(20);
  }();
  ASSERT_TRUE(under_way);
  const int call = calls;
  ASSERT_TRUE(reset({}, true));
  const auto view = ledger->show("key:a", 1);
  EXPECT_EQ(UtcTime(std::chrono::milliseconds(view[0].state.windows[2].start_ms)),
            *parse_utc("2026-11-24T00:00:00Z"));
  EXPECT_EQ(spent("key:a"), 0);
  EXPECT_EQ(spent("organisation:acme"), 100) << "what was spent in the future counts today";
  EXPECT_EQ(held("key:a"), 20);
  EXPECT_EQ(held("organisation:acme"), 20);
  end(std::move(under_way), 15, call);
  EXPECT_EQ(held("organisation:acme"), 0);
  ASSERT_TRUE(spend(10));
  EXPECT_EQ(spent("key:a"), 25);
  EXPECT_EQ(spent("organisation:acme"), 125);
  clock.set(*parse_utc("2026-11-25T00:00:00Z"));
  ASSERT_TRUE(spend(1));
  EXPECT_EQ(spent("organisation:acme"), 1) << "windows go on as ever";
}

TEST_F(LedgerClockTest, AStartKnowsWhichTimeItIs) {
  be_ahead();
  ASSERT_TRUE(reset({}, true));
  ASSERT_TRUE(spend(60));
  const std::int64_t of_project = spent("organisation:acme");
  restart();
  EXPECT_EQ(spent("key:a"), 60);
  EXPECT_EQ(spent("organisation:acme"), of_project);
  EXPECT_FALSE(spend(41)) << "the window is today's, and it counts";
  EXPECT_TRUE(spend(40));
  restart(ledger->checkpoint(journal.size()));
  EXPECT_EQ(spent("key:a"), 100);
  EXPECT_FALSE(spend(1));
}

// What was reserved before the clock jumped holds nothing back in the window that came; back in its
// own window it does again.
TEST_F(LedgerClockTest, CallsOfBeforeTheJumpAreHeldAgain) {
  auto before = begin(30);
  ASSERT_TRUE(before);
  clock.set(*parse_utc("2027-06-01T00:00:00Z"));
  ASSERT_TRUE(spend(10));
  EXPECT_EQ(held("key:a"), 0);
  clock.set(*parse_utc("2026-11-24T13:00:00Z"));
  ASSERT_TRUE(reset({}, true));
  EXPECT_EQ(held("key:a"), 30);
  end(std::move(before), 30, 1);
  EXPECT_EQ(held("key:a"), 0);
  EXPECT_EQ(spent("key:a"), 30);
}

}  // namespace
}  // namespace sallyport::meter
