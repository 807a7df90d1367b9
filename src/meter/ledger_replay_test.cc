// SPDX-License-Identifier: Apache-2.0
// Budgets do not overshoot over restarts (invariant 4): whatever moment a process dies at, the next
// one knows at least what was spent, and not more than what was ever held back.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "event/no_record.h"
#include "meter/budget_words.h"
#include "meter/ledger.h"

namespace sallyport::meter {
namespace {

constexpr std::size_t kTotalWindow = 4, kTokenUnit = 1;

Event record(Kind kind, const std::string& id, UtcTime at) {
  Event event;
  event.kind = kind;
  event.request_id = id;
  event.timestamp_utc = at;
  event.api_key_id = "a";
  event.layer = "acme/support";
  return event;
}

std::shared_ptr<const Layer> chain() {
  const auto layer = [](const char* account, std::shared_ptr<const Layer> parent) {
    auto made = std::make_shared<Layer>();
    made->account = account;
    made->parent = std::move(parent);
    made->restrictions.limits.budgets = {
        {BudgetUnit::kTokens, BudgetWindow::kTotal, INT64_MAX / 2, true}};
    return made;
  };
  return layer("key:a", layer("project:acme/support", layer("organisation:acme", nullptr)));
}

// A gate with its journal, one step at a time.
class Gate {
 public:
  Gate(const Clock& clock, std::mt19937_64& dice) : clock_(clock), dice_(dice) { start(); }

  void reserve() {
    const std::string id = "req_" + std::to_string(++count_);
    const auto worst = static_cast<std::int64_t>(dice_() % 1000);
    Need need;
    need.request_id = id;
    need.chain = chain_.get();
    need.worst = {.nano_usd = worst * 7, .tokens = worst, .requests = 1};
    RateRoom room;
    auto held = ledger_->reserve(need, room, alerts_);
    ASSERT_TRUE(held);
    Event intent = record(Kind::kIntent, id, clock_.now());
    intent.reserved_tokens = worst;
    intent.reserved_usd = NanoUsd{worst * 7};
    queue_.push_back(intent);
    calls_[id] = {.worst = worst};
    open_.emplace(id, std::move(*held));
  }

  // The journal writes what is queued, in order; who waits for his intent hears of it.
  void write() {
    if (queue_.empty()) return;
    const std::size_t some = 1 + dice_() % queue_.size();
    for (std::size_t i = 0; i < some; ++i) {
      Event event = queue_[i];
      event.seq = journal_.size() + 1;
      Call& call = calls_[event.request_id];
      if (event.kind == Kind::kIntent) {
        call.written = true;
        const auto open = open_.find(event.request_id);
        if (open != open_.end()) ledger_->written(open->second, event.seq);
      } else {
        call.outcome_written = true;
      }
      journal_.push_back(std::move(event));
    }
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(some));
  }

  void write_all() {
    while (!queue_.empty()) write();
  }

  // A call is over. Only what was written was ever sent to the provider.
  void settle() {
    if (open_.empty()) return;
    auto at = std::next(open_.begin(), static_cast<std::ptrdiff_t>(dice_() % open_.size()));
    Call& call = calls_[at->first];
    const bool called = call.written;
    const auto used = called && call.worst > 0
                          ? static_cast<std::int64_t>(dice_() % (call.worst + 1))
                          : std::int64_t{0};
    call.over = true;
    call.sent = called;
    call.used = used;
    Event outcome = record(Kind::kRequest, at->first, clock_.now());
    outcome.reserved_tokens = call.worst;
    outcome.charged_tokens = used;
    outcome.charged_usd = NanoUsd{used * 7};
    outcome.status = called ? 200 : 503;
    if (called) {
      ledger_->settle(std::move(at->second), {.nano_usd = used * 7, .tokens = used, .requests = 1},
                      alerts_);
    } else {
      ledger_->release(std::move(at->second));
    }
    open_.erase(at);
    queue_.push_back(std::move(outcome));
  }

  void checkpoint() {
    const std::uint64_t durable =
        journal_.empty() ? 0
                         : journal_.size() - dice_() % std::min<std::size_t>(journal_.size(), 5);
    merge(ledger_->checkpoint(durable));
  }

  // kill -9: what was written is there, what was queued is not.
  void die_and_start() {
    queue_.clear();
    for (auto& [id, reservation] : open_) ledger_->release(std::move(reservation));
    open_.clear();
    for (auto& [id, call] : calls_) {
      if (call.written && !call.outcome_written) {
        // The journal closes what a crash left open before anybody reads it.
        Event aborted = record(Kind::kRequest, id, clock_.now());
        aborted.reserved_tokens = call.worst;
        aborted.reserved_usd = NanoUsd{call.worst * 7};
        aborted.error = "aborted";
        aborted.seq = journal_.size() + 1;
        journal_.push_back(aborted);
        call.outcome_written = true;
        if (!call.over) call.used = call.worst;  // the provider may have done all of it
      }
      if (!call.written && !call.over) call.used = 0;  // never sent
      call.over = true;
    }
    start();
    merge(ledger_->checkpoint(journal_.size()));
  }

  void check(const char* when) {
    std::int64_t least = 0, most = 0, requests = 0;
    for (const auto& [id, call] : calls_) {
      if (!call.over) continue;
      least += call.used;
      most += call.worst;
      requests += call.sent ? 1 : 0;
    }
    for (const char* account : {"key:a", "project:acme/support", "organisation:acme"}) {
      const auto found = ledger_->show(account, 1);
      if (found.empty()) continue;
      const auto& sums = found[0].state.windows[kTotalWindow];
      EXPECT_GE(sums.settled[kTokenUnit], least) << when << ' ' << account;
      EXPECT_LE(sums.settled[kTokenUnit], most) << when << ' ' << account;
      EXPECT_LE(sums.settled[0], most * 7) << when << ' ' << account;
      EXPECT_GE(sums.settled[2], requests) << when;
    }
  }

  // After an orderly stop everything is known to the last token.
  void check_exact() {
    while (!open_.empty()) {
      write_all();
      settle();
    }
    write_all();
    start();
    std::int64_t charged = 0;
    for (const Event& event : journal_) {
      if (event.kind == Kind::kRequest)
        charged += event.charged_tokens.value_or(*event.reserved_tokens);
    }
    const auto found = ledger_->show("key:a", 1);
    const std::int64_t known =
        found.empty() ? 0 : found[0].state.windows[kTotalWindow].settled[kTokenUnit];
    EXPECT_EQ(known, charged);
  }

 private:
  struct Call {
    std::int64_t worst = 0, used = 0;
    bool written = false, outcome_written = false, over = false, sent = false;
  };

  void start() {
    ledger_ = std::make_unique<Ledger>(clock_, recorder_);
    ledger_->load(saved_);
    for (const Event& event : journal_) {
      if (event.seq > saved_.seq) ledger_->replay(event);
    }
    ledger_->finish_replay();
  }

  void merge(LedgerState state) {
    for (const AccountState& before : saved_.accounts) {
      const bool again =
          std::any_of(state.accounts.begin(), state.accounts.end(),
                      [&](const auto& one) { return one.account == before.account; });
      if (!again) state.accounts.push_back(before);
    }
    saved_ = std::move(state);
  }

  const Clock& clock_;
  std::mt19937_64& dice_;
  NoRecord recorder_;
  std::unique_ptr<Ledger> ledger_;
  std::shared_ptr<const Layer> chain_ = chain();
  std::map<std::string, Ledger::Reservation> open_;
  std::map<std::string, Call> calls_;
  std::vector<Event> queue_, journal_;
  LedgerState saved_;
  std::vector<Alert> alerts_;
  int count_ = 0;
};

TEST(LedgerReplay, WhateverMomentItDiesAt) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937_64 dice(seed);
    ManualClock clock(*parse_utc("2026-11-24T12:00:00Z"));
    Gate gate(clock, dice);
    for (int step = 0; step < 200; ++step) {
      clock.advance(std::chrono::milliseconds(dice() % 100));
      const auto roll = dice() % 100;
      if (roll < 35) {
        gate.reserve();
      } else if (roll < 65) {
        gate.write();
      } else if (roll < 90) {
        gate.settle();
      } else if (roll < 97) {
        gate.checkpoint();
      } else {
        gate.die_and_start();
        gate.check("after a start");
      }
      if (testing::Test::HasFailure()) {
        FAIL() << "seed " << seed << " step " << step;
      }
    }
  }
}

TEST(LedgerReplay, AnOrderlyStopLosesNothing) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937_64 dice(seed);
    ManualClock clock(*parse_utc("2026-11-24T12:00:00Z"));
    Gate gate(clock, dice);
    for (int step = 0; step < 100; ++step) {
      const auto roll = dice() % 100;
      if (roll < 40) {
        gate.reserve();
      } else if (roll < 70) {
        gate.write();
      } else if (roll < 95) {
        gate.settle();
      } else {
        gate.write_all();  // a journal that is stuck between two checkpoints counts some twice
        gate.checkpoint();
      }
    }
    gate.check_exact();
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

// Replay must find the accounts that the keys room names (event/principal.h).
TEST(LedgerReplay, ARecordNamesTheAccountsOfItsChain) {
  Event event = record(Kind::kIntent, "req_1", *parse_utc("2026-11-24T12:00:00Z"));
  event.kid = "abcdefghijkl";
  event.tid = "t1";
  event.layer = "acme/support/user_42";
  EXPECT_EQ(
      accounts_of(event),
      (std::vector<std::string>{"token:abcdefghijkl.t1", "key:a", "principal:acme/support/user_42",
                                "project:acme/support", "organisation:acme"}));
  event.tid.reset();
  event.layer.reset();
  EXPECT_EQ(accounts_of(event), std::vector<std::string>{"key:a"});
}

TEST(LedgerReplay, AThresholdIsNotToldAgainAfterAStart) {
  ManualClock clock(*parse_utc("2026-11-24T12:00:00Z"));
  NoRecord recorder;
  auto layer = std::make_shared<Layer>();
  layer->account = "key:a";
  layer->restrictions.limits.budgets = {{BudgetUnit::kTokens, BudgetWindow::kDay, 100, false}};
  const auto spend = [&](Ledger& ledger, std::int64_t tokens) {
    std::vector<Alert> alerts;
    RateRoom room;
    Need need;
    const std::string request_id = "req_" + std::to_string(tokens);
    need.request_id = request_id;
    need.chain = layer.get();
    ledger.settle(std::move(*ledger.reserve(need, room, alerts)), {.tokens = tokens}, alerts);
    return alerts;
  };
  Ledger before(clock, recorder);
  const auto told = spend(before, 60);
  ASSERT_EQ(told.size(), 1u);
  const Event alert = alert_event(told[0], "a", clock.now());
  Event intent = record(Kind::kIntent, "req_60", clock.now());
  intent.layer.reset();
  intent.reserved_tokens = 60;

  Ledger after(clock, recorder);  // the process died before any checkpoint
  after.replay(intent);
  after.replay(alert);
  after.finish_replay();
  EXPECT_TRUE(spend(after, 1).empty());
  const auto next = spend(after, 20);
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].threshold, 80);
  Ledger again(clock, recorder);
  again.load(after.checkpoint(0));
  again.finish_replay();
  EXPECT_TRUE(spend(again, 1).empty());
}

TEST(LedgerReplay, AClockThatWasSetBackDuringTheStopOpensNothing) {
  ManualClock clock(*parse_utc("2026-11-25T00:00:01Z"));
  NoRecord recorder;
  Ledger before(clock, recorder);
  auto layer = std::make_shared<Layer>();
  layer->account = "key:a";
  layer->restrictions.limits.budgets = {{BudgetUnit::kRequests, BudgetWindow::kDay, 1, true}};
  Need need;
  need.request_id = "req_1";
  need.chain = layer.get();
  need.worst.requests = 1;
  RateRoom room;
  std::vector<Alert> alerts;
  before.settle(std::move(*before.reserve(need, room, alerts)), {.requests = 1}, alerts);
  clock.set(*parse_utc("2026-11-24T10:00:00Z"));
  Ledger after(clock, recorder);
  after.load(before.checkpoint(0));
  after.finish_replay();
  EXPECT_FALSE(after.reserve(need, room, alerts));
}

}  // namespace
}  // namespace sallyport::meter
