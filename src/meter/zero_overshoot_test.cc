// SPDX-License-Identifier: Apache-2.0
// Invariant 4 through the stages that keep budgets in production: 64 clients, every way a call can
// end, and a process that dies under load in the middle of each of a hundred rounds. What the
// provider made must never be more than the budget.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <deque>
#include <random>
#include <thread>

#include "meter/budgets_for_test.h"
#include "meter/metering.h"

namespace sallyport::meter {
namespace {

constexpr int kThreads = 8, kClients = 8, kRounds = 100;  // 8 calls of each thread are under way
constexpr std::int64_t kBudget = 60'000;                  // tokens
constexpr std::int64_t kPrompt = 100;                     // what the provider counts of each call
constexpr std::int64_t kUsdBudget = kBudget * 8'000;

// What the provider did with a call; it bills what it made, whoever heard of it.
enum class End {
  kWhole,        // and told its usage
  kHungUp,       // by the client; what we saw is anything up to what was made
  kHeardOut,     // the client left, the provider was heard to its end
  kSoFar,        // hung up after usage that was not the last word
  kBroke,        // by the provider
  kSilent,       // whole, without usage
  kFailedAfter,  // 500, when all was made
  kTooMany,      // 429
  kNobodyThere,  // not asked
  kLeftBefore,   // the client left before the head
};
constexpr int kEnds = 10;

// The journal of a gate: what is in it survives, what waits for its turn does not.
class Journal final : public Recorder {
 public:
  void record(Event event, Durability, Done) override { append(std::move(event)); }
  bool accepting() const override { return true; }
  std::uint64_t durable_seq() const override {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }
  void append(Event event) {
    const std::lock_guard lock(mutex_);
    event.seq = events_.size() + 1;
    events_.push_back(std::move(event));
  }
  const std::vector<Event>& events() const { return events_; }  // when no thread runs

 private:
  mutable std::mutex mutex_;
  std::vector<Event> events_;
};

std::shared_ptr<const Principal> caller() {
  auto organisation = std::make_shared<Layer>();
  organisation->account = "organisation:acme";
  organisation->restrictions.limits.budgets = {
      {BudgetUnit::kTokens, BudgetWindow::kTotal, kBudget, true}};
  auto key = std::make_shared<Layer>();
  key->account = "key:a";
  key->parent = organisation;
  key->restrictions.limits.budgets = {
      {BudgetUnit::kNanoUsd, BudgetWindow::kTotal, kUsdBudget, true}};
  auto principal = std::make_shared<Principal>();
  principal->api_key_id = "a";
  principal->layer = key;
  principal->layer_path = "acme";
  principal->expires_at = UtcTime::max();
  return principal;
}

// One process: its ledger, and what its threads share.
struct Process {
  explicit Process(Journal& journal)
      : journal_(journal),
        ledger(clock, journal),
        prices(*Prices::parse(
            R"({"version":1,"models":[{"model":"gpt-4o","input":2.0,"output":8.0}]})")) {}

  void start(const std::optional<LedgerState>& checkpoint) {
    if (checkpoint) ledger.load(*checkpoint);
    for (const Event& event : journal_.events()) {
      if (!checkpoint || event.seq > checkpoint->seq) ledger.replay(event);
    }
    ledger.finish_replay();
  }

  Journal& journal_;
  const SystemClock clock;
  const Letters letters;
  const Config config;
  Ledger ledger;
  Published<Prices> prices;
};

// The stages of one thread, as the gate has them.
struct Way {
  explicit Way(Process& process)
      : process(process),
        budgets(process.config, {.ledger = process.ledger,
                                 .prices = process.prices,
                                 .counts = process.letters,
                                 .recorder = process.journal_,
                                 .clock = process.clock}),
        metering(process.prices) {}

  Process& process;
  Budgets budgets;
  Metering metering;
};

struct Call {
  std::unique_ptr<Exchange> x;
  End end = End::kWhole;
  std::int64_t made = 0;
};

struct Totals {
  std::atomic<std::int64_t> tokens{0}, nano_usd{0}, calls{0}, refused{0};
};

std::optional<Refusal> admit(Stage& stage, Exchange& x) {
  Task<std::optional<Refusal>> task = stage.admit(x);
  task.await_suspend(std::noop_coroutine()).resume();
  return task.await_resume();
}

// One call up to the moment when the provider has made its answer. Null: refused.
std::optional<Call> ask(Way& gate, const std::shared_ptr<const Principal>& principal,
                        std::string id, std::int64_t most, std::mt19937& dice, Totals& totals) {
  Call call;
  call.x = std::make_unique<Exchange>();
  Exchange& x = *call.x;
  x.request_id = std::move(id);
  x.method = "POST";
  x.path = "/v1/chat/completions";
  x.model = "gpt-4o";
  x.stream = true;
  x.body.kind = BodyKind::kJson;
  x.body.bytes = R"({"stream":true,"max_tokens":)" + std::to_string(most) + "}";
  x.principal = principal;
  if (const auto refusal = admit(gate.budgets, x)) {
    EXPECT_STREQ(refusal->code, "budget_exceeded");
    totals.refused.fetch_add(1);
    return std::nullopt;
  }
  EXPECT_FALSE(admit(gate.metering, x));
  gate.process.journal_.append(make_event(x, Kind::kIntent, gate.process.clock.now()));
  call.end = static_cast<End>(dice() % kEnds);
  x.asked = call.end != End::kNobodyThere;
  const bool bills = x.asked && call.end != End::kTooMany;
  call.made = static_cast<std::int64_t>(dice() % static_cast<unsigned>(most + 1));
  totals.calls.fetch_add(1);
  if (bills) {
    totals.tokens.fetch_add(kPrompt + call.made);
    totals.nano_usd.fetch_add(kPrompt * 2'000 + call.made * 8'000);
  }
  return call;
}

void tell(Exchange& x, std::int64_t output) {
  x.usage.emplace();
  x.usage->input = kPrompt;
  x.usage->output = output;
}

// What the gate hears of the end, and how it books it.
void finish(Way& gate, Call call, std::mt19937& dice) {
  Exchange& x = *call.x;
  const int status = call.end == End::kFailedAfter ? 500 : call.end == End::kTooMany ? 429 : 200;
  const bool answered = x.asked && call.end != End::kLeftBefore;
  if (answered) x.upstream_status = status;
  x.answer.status = answered ? status : x.asked ? 499 : 502;
  x.answer.event_stream = answered && status == 200;
  const bool left =
      call.end == End::kHungUp || call.end == End::kHeardOut || call.end == End::kSoFar;
  if (left) x.broken = "client_gone";
  if (call.end == End::kBroke) x.broken = "upstream_disconnected";
  x.answer_whole = call.end == End::kHeardOut;
  if (call.end == End::kFailedAfter) x.error_code = "server_error";
  if (call.end == End::kWhole || call.end == End::kHeardOut) tell(x, call.made);
  if (call.end == End::kSoFar) tell(x, call.made / 2);
  gate.budgets.answer(x);
  if (x.answer.event_stream) {
    net::SseEvent event;
    event.data = R"({"choices":[{"delta":{"content":"a"}}]})";
    struct Nowhere final : EventSink {
      void event(const net::SseEvent&) override {}
    } nowhere;
    for (const auto& filter : x.answer.event_filters) filter->event(event, nowhere);
  }
  gate.metering.finish(x);
  gate.budgets.finish(x);
  // Some outcomes are still on their way to the disk when the process dies.
  if (dice() % 16 != 0)
    gate.process.journal_.append(make_event(x, Kind::kRequest, gate.process.clock.now()));
}

// All clients at one time until the budget is used up, or `calls_max` were made: the process dies
// then, with everything that is under way.
void play(Process& gate, const std::string& name, std::int64_t calls_max, unsigned seed,
          Totals& totals, std::optional<LedgerState>* checkpoint) {
  const auto principal = caller();
  std::barrier start(kThreads);
  std::atomic<bool> dead{false};
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 dice(seed * kThreads + static_cast<unsigned>(t));
      Way way(gate);
      std::deque<Call> open;
      std::int64_t most = 400;
      start.arrive_and_wait();
      for (int i = 0; most > 0 && !dead; ++i) {
        std::string id = name + "_" + std::to_string(t) + "_" + std::to_string(i);
        auto call = ask(way, principal, std::move(id), most, dice, totals);
        if (call) open.push_back(std::move(*call));
        if (!call && open.empty()) most /= 2;  // what is left may do for a smaller one
        if (totals.calls >= calls_max) dead = true;
        if (checkpoint != nullptr && t == 0 && i == 10) {
          *checkpoint = gate.ledger.checkpoint(gate.journal_.durable_seq());
        }
        while (!dead && (open.size() >= kClients || (!call && !open.empty()))) {
          std::swap(open[dice() % open.size()], open.front());
          finish(way, std::move(open.front()), dice);
          open.pop_front();
          if (!call) break;
        }
      }
      while (!dead && !open.empty()) {
        finish(way, std::move(open.front()), dice);
        open.pop_front();
      }
    });
  }
}

TEST(LedgerZeroOvershoot, WithAbortsAndADeathInEachRound) {
  std::int64_t died_with = 0;
  for (int round = 0; round < kRounds; ++round) {
    Journal journal;
    Totals totals;
    std::optional<LedgerState> checkpoint;
    const auto seed = static_cast<unsigned>(round);
    {
      Process first(journal);
      play(first, "first", 40 + round, seed * 2, totals, round % 2 ? &checkpoint : nullptr);
      died_with += totals.calls;
    }
    Process second(journal);
    second.start(checkpoint);
    play(second, "second", INT64_MAX, seed * 2 + 1, totals, nullptr);

    ASSERT_LE(totals.tokens.load(), kBudget) << "round " << round;
    ASSERT_LE(totals.nano_usd.load(), kUsdBudget) << "round " << round;
    ASSERT_GT(totals.refused.load(), 0) << "round " << round;
    ASSERT_EQ(second.ledger.open_count(), 0u) << "round " << round;
    const auto sums = second.ledger.show("organisation:acme", 1)[0].state.windows[4].settled;
    // It may know of more: where an outcome was lost with the process, all of it stands.
    ASSERT_GE(sums[1], totals.tokens.load()) << "the ledger knows all of it, round " << round;
    // Nothing is left over but what the smallest call cannot have.
    ASSERT_GT(sums[1], kBudget - 2 * kInput) << "round " << round;
  }
  EXPECT_GE(died_with, kRounds * 40);
}

}  // namespace
}  // namespace sallyport::meter
