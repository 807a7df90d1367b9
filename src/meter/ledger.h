// SPDX-License-Identifier: Apache-2.0
// The accounts of all layers: what was spent, and what is held back for calls under way. A call
// first reserves its worst case on every account of its chain, all or nothing, and is settled with
// what it used. So a hard budget is never overrun, whatever runs beside it. The rates (requests and
// tokens a minute, calls at one time) are kept here too, since they need the same all or nothing.
//
// The journal is the truth: a start loads a checkpoint and replays what came after it.
// One lock for all accounts, held for well under a microsecond a call; chains without limits never
// come here. An account takes about 600 bytes. It exists once a chain with a budget used it.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "event/event.h"
#include "event/ports/recorder.h"
#include "event/principal.h"
#include "meter/ledger_store.h"

namespace sallyport::meter {

enum class LimitKind { kBudget, kRequestRate, kTokenRate, kParallel, kTooMany };
inline constexpr std::size_t kLimitKinds = 5;

// Why a call may not begin.
struct Refused {
  LimitKind limit = LimitKind::kBudget;
  std::string account;  // of the layer whose limit it is
  Budget budget = {};   // kBudget only
  std::int64_t spent = 0, held = 0, needed = 0;
  std::int64_t wait_ms = 0;  // kRequestRate, kTokenRate: until it would fit; 0: never will
};

// A threshold of a budget was passed for the first time in its window.
struct Alert {
  std::string account;
  Budget budget;
  std::int64_t spent = 0;
  int threshold = 0;     // per cent: 50, 80, 100
  bool refused = false;  // a call was refused because of it
  UtcTime window_start{};
};

// What x-ratelimit-* tell: of the tightest layer. Nothing: no such limit.
struct RateRoom {
  struct One {
    std::int64_t limit = 0, left = 0, reset_ms = 0;
  };
  std::optional<One> requests, tokens;
};

// What a call needs.
struct Need {
  std::string_view request_id;
  const Layer* chain = nullptr;       // innermost layer
  std::int64_t chain_expires_ms = 0;  // when a token's account may be forgotten
  Amounts worst;                      // held back on every account
  std::int64_t rate_tokens = 0;       // counted on the tokens a minute until it is settled
  bool unbounded = false;             // worst is not known: passes only while nothing is used up
};

// What a reset took off one window of an account.
struct ResetWindow {
  BudgetWindow window = BudgetWindow::kMonth;
  std::int64_t start_ms = 0;  // of the window it is in now
  std::array<std::int64_t, kUnits> taken_off{};
  std::uint8_t alerted[kUnits] = {};  // what had been told
};

// An operator gave an account its budgets again. Its record is read at a start (docs/budgets.md).
struct Reset {
  std::string id;  // of its record
  std::string account;
  std::int64_t time_ms = 0;      // the ledger's, from then on
  std::int64_t time_was_ms = 0;  // before; later than time_ms: a clock had been ahead
  std::vector<ResetWindow> windows;
};

struct AccountView {
  AccountState state;
  std::array<std::array<std::int64_t, kUnits>, kWindows> held{};
  std::vector<Budget> budgets;  // as last seen with a call
  std::int64_t parallel = 0;
};

class Ledger {
 public:
  static constexpr std::size_t kChainMax = 16;               // layers of one chain
  static constexpr std::size_t kTokenAccountsMax = 100'000;  // beyond it new tokens are refused

  struct Counters {
    std::array<std::array<std::atomic<std::uint64_t>, kLimitKinds>, 5> refused{};  // by layer kind
    std::array<std::atomic<std::uint64_t>, 5> alerts{};                            // by layer kind
    std::atomic<std::uint64_t> reserved{0}, settled{0}, released{0};
    std::atomic<std::uint64_t> stood{0};    // settled with the whole reservation
    std::atomic<std::uint64_t> overran{0};  // used more than was held back for it
    std::atomic<std::uint64_t> checkpoints{0}, checkpoint_failures{0};
  };

  // `recorder` tells what is durable. Both outlive the ledger.
  Ledger(const Clock& clock, const Recorder& recorder);
  ~Ledger();
  Ledger(const Ledger&) = delete;

  // Does any layer of the chain have limits, budgets, hard ones?
  static bool limited(const Layer* chain);
  static bool has_budgets(const Layer* chain);
  static bool has_hard(const Layer* chain, bool money_or_tokens_only);

  // A call's hold on its accounts. What is neither settled nor released stands when this dies.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : ledger_(std::exchange(other.ledger_, nullptr)),
          entry_(std::exchange(other.entry_, nullptr)) {}
    Reservation& operator=(Reservation&& other) noexcept;
    ~Reservation();
    explicit operator bool() const { return entry_ != nullptr; }

   private:
    friend class Ledger;
    Reservation(Ledger* ledger, void* entry) : ledger_(ledger), entry_(entry) {}
    Ledger* ledger_ = nullptr;  // outlives the reservation
    void* entry_ = nullptr;
  };

  // Any thread. `alerts` gets what must be told; `room` the rates after this call.
  std::expected<Reservation, Refused> reserve(const Need& need, RateRoom& room,
                                              std::vector<Alert>& alerts);
  // The record of the intent has this place in the journal.
  void written(const Reservation& reservation, std::uint64_t intent_seq);
  // What the call used; the rest is free again. `rate_tokens` as in Need, now as used.
  void settle(Reservation reservation, const Amounts& actual, std::vector<Alert>& alerts);
  // Nothing was used, not even a request.
  void release(Reservation reservation);
  // What was used is not known: all of it counts as used.
  void stand(Reservation reservation, std::vector<Alert>& alerts);

  // Empties the windows of an account (`only`: one of them); calls under way keep what they hold.
  // kNotFound: no such account. kDenied: the ledger's time is ahead of the clock by more than a
  // minute, so that its windows lie in the future, and `trust_clock` is false. With it the
  // ledger's time comes back to the clock, and what all other accounts spent in windows of the
  // future counts in those of now. Record it with reset_event(), or undo it.
  Result<Reset> reset(std::string_view account, std::optional<BudgetWindow> only, bool trust_clock,
                      std::string id);
  // It could not be recorded: what it took off is spent again. The time stays.
  void undo(const Reset& reset);

  // ---- Start and checkpoints.
  void load(const LedgerState& state);
  // A record after the checkpoint, in the order of the journal.
  void replay(const Event& event);
  // What is still open has no outcome: it stands. Call before the first reserve().
  void finish_replay();
  // What changed since the last one. `seq`: every record up to it is durable, read before the call.
  LedgerState checkpoint(std::uint64_t seq);
  // The checkpoint could not be saved: what it held is in the next one.
  void not_saved(const LedgerState& state);

  std::vector<AccountView> show(std::string_view account_or_empty, std::size_t accounts_max) const;
  std::size_t open_count() const { return open_count_.load(std::memory_order_relaxed); }
  std::size_t account_count() const { return account_count_.load(std::memory_order_relaxed); }
  const Counters& counters() const { return counters_; }
  Counters& counters() { return counters_; }

 private:
  struct Account;
  struct Entry;
  struct Chain;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };

  std::int64_t now_ms();
  Account* find(std::string_view name) const;
  Account& account(std::string_view name, std::int64_t expires_ms);
  std::optional<Refused> gather(const Need& need, bool budgeted, Chain& chain);
  std::optional<Refused> check_budgets(const Need& need, Chain& chain, std::vector<Alert>& alerts);
  std::optional<Refused> check_rates(const Need& need, Chain& chain);
  static void tell_room(Chain& chain, RateRoom& room);
  static void take_rates(const Need& need, Chain& chain);
  Entry* open_entry(std::string_view request_id, std::int64_t at_ms, const Amounts& held);
  void hold(Entry& entry);
  static void correct_tokens(Account& account, std::uint64_t taken, std::int64_t reserved,
                             std::int64_t used);
  void stand_untold(Reservation reservation);
  void close(Entry* entry, const Amounts& actual, std::vector<Alert>* alerts);
  void look_for_alerts(Account& account, std::vector<Alert>& alerts);
  void raise(Account& account, const Budget& budget, std::size_t bit, bool refused,
             std::vector<Alert>& alerts);
  void replay_intent(const Event& event);
  void replay_outcome(const Event& event);
  void replay_alert(const Event& event);
  void replay_reset(const Event& event);
  void bring_back_time(std::int64_t at_ms);
  void purge_closed(std::uint64_t seq);
  void forget_expired(LedgerState& state);
  void count(LimitKind limit, std::string_view account);

  const Clock& clock_;
  const Recorder& recorder_;
  Counters counters_;
  std::atomic<std::size_t> open_count_{0}, account_count_{0};

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Account>, Hash, std::equal_to<>> accounts_;
  Entry* first_ = nullptr;                     // open ones, a list
  std::vector<std::unique_ptr<Entry>> spare_;  // entries to use again
  std::int64_t latest_ms_ = 0;
  std::size_t token_accounts_ = 0;
  std::vector<std::pair<std::string, std::uint64_t>> closed_;  // request id, seq of its intent
  std::vector<std::string> forgotten_;

  // Between load() and finish_replay().
  std::unordered_map<std::string, Entry*, Hash, std::equal_to<>> replayed_;
  std::unordered_set<std::string, Hash, std::equal_to<>> known_closed_;
};

// The record of a reset: kind admin, action "budget.reset", detail with before and after. Who did
// it from where is for the caller to fill in.
inline constexpr std::string_view kResetAction = "budget.reset";
void fill_reset(Event& event, const Reset& reset);

// "organisation", "project", "principal", "key", "token" of an account's name, as an index; the
// last for anything else.
std::size_t layer_kind_of(std::string_view account);
std::string_view layer_kind_name(std::size_t kind);
// The accounts that a record's layer path, key and token name, innermost first.
std::vector<std::string> accounts_of(const Event& event);
std::string_view name(BudgetUnit unit);  // "usd", "tokens", "requests"
// When the window that holds `at_ms` began.
std::int64_t window_start(BudgetWindow window, std::int64_t at_ms);

}  // namespace sallyport::meter
