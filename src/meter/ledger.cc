// SPDX-License-Identifier: Apache-2.0
// Reserve and settle. Start and checkpoints are ledger_replay.cc.
#include "meter/ledger.h"

#include <utility>

#include "meter/ledger_parts.h"

namespace sallyport::meter {
namespace {

constexpr std::int64_t kMinuteMs = 60'000, kHourMs = 3'600'000, kDayMs = 86'400'000;
constexpr std::int64_t kMicro = 1'000'000;
constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr std::int64_t kRateMax = 1'000'000'000'000;  // a minute; more is no limit
constexpr std::size_t kClosedMax = 8'192;             // before what is durable is forgotten
constexpr std::string_view kKinds[] = {"token", "key", "principal", "project", "organisation"};

std::int64_t month_start(std::int64_t at_ms) {
  using namespace std::chrono;
  const year_month_day date(floor<days>(sys_time<milliseconds>(milliseconds(at_ms))));
  const sys_days first(date.year() / date.month() / day(1));
  return duration_cast<milliseconds>(first.time_since_epoch()).count();
}

std::int64_t floor_to(std::int64_t at_ms, std::int64_t unit_ms) {
  return at_ms - ((at_ms % unit_ms) + unit_ms) % unit_ms;
}

// What is left of `used` millionths after the time since `at_us`, at `limit` a minute.
void drain(std::int64_t& used, std::int64_t& at_us, std::int64_t limit, std::int64_t now_us) {
  const std::int64_t passed = std::max<std::int64_t>(now_us - at_us, 0);
  at_us = std::max(at_us, now_us);
  const __int128 drained = static_cast<__int128>(limit) * passed * kMicro / kMinuteUs;
  used =
      drained >= used ? std::min<std::int64_t>(used, 0) : used - static_cast<std::int64_t>(drained);
  used = std::max<std::int64_t>(used, 0);
}

std::int64_t ms_to_drain(std::int64_t amount_micro, std::int64_t limit) {
  if (amount_micro <= 0 || limit <= 0) return 0;
  const __int128 us = static_cast<__int128>(amount_micro) * (kMinuteUs / kMicro) / limit;
  return static_cast<std::int64_t>(std::min<__int128>(us / 1000 + 1, kDayMs));
}

void keep_tightest(std::optional<RateRoom::One>& place, std::int64_t limit, std::int64_t used) {
  const std::int64_t left = std::max<std::int64_t>((limit * kMicro - used) / kMicro, 0);
  if (place && place->left <= left) return;
  place = RateRoom::One{limit, left, ms_to_drain(used, limit)};
}

// One more on a rate: the wait until it fits, or -1 when it does.
std::int64_t wait_for(std::int64_t used, std::int64_t need, std::int64_t limit) {
  const std::int64_t capacity = limit * kMicro;
  std::int64_t after = 0;
  if (__builtin_mul_overflow(need, kMicro, &after)) return 0;
  if (__builtin_add_overflow(after, used, &after)) return 0;
  if (after <= capacity) return -1;
  if (need > limit) return 0;
  return std::max<std::int64_t>(ms_to_drain(after - capacity, limit), 1);
}

}  // namespace

std::size_t layer_kind_of(std::string_view account) {
  const std::string_view kind = account.substr(0, account.find(':'));
  for (std::size_t i = 0; i + 1 < std::size(kKinds); ++i) {
    if (kKinds[i] == kind) return i;
  }
  return std::size(kKinds) - 1;
}

std::string_view layer_kind_name(std::size_t kind) {
  return kKinds[std::min(kind, std::size(kKinds) - 1)];
}

std::string_view name(BudgetUnit unit) {
  constexpr std::string_view kNames[] = {"usd", "tokens", "requests"};
  return kNames[static_cast<std::size_t>(unit)];
}

std::int64_t window_start(BudgetWindow window, std::int64_t at_ms) {
  switch (window) {
    case BudgetWindow::kMinute:
      return floor_to(at_ms, kMinuteMs);
    case BudgetWindow::kHour:
      return floor_to(at_ms, kHourMs);
    case BudgetWindow::kDay:
      return floor_to(at_ms, kDayMs);
    case BudgetWindow::kMonth:
      return month_start(at_ms);
    case BudgetWindow::kTotal:
      return 0;
  }
  return 0;
}

Starts starts_of(std::int64_t at_ms) {
  Starts starts{};
  for (std::size_t w = 0; w < kWindows; ++w) {
    starts[w] = window_start(static_cast<BudgetWindow>(w), at_ms);
  }
  return starts;
}

bool Ledger::limited(const Layer* chain) {
  for (; chain != nullptr; chain = chain->parent.get()) {
    if (!chain->restrictions.limits.empty()) return true;
  }
  return false;
}

bool Ledger::has_budgets(const Layer* chain) {
  for (; chain != nullptr; chain = chain->parent.get()) {
    if (!chain->restrictions.limits.budgets.empty()) return true;
  }
  return false;
}

bool Ledger::has_hard(const Layer* chain, bool money_or_tokens_only) {
  for (; chain != nullptr; chain = chain->parent.get()) {
    for (const Budget& budget : chain->restrictions.limits.budgets) {
      if (!budget.hard) continue;
      if (!money_or_tokens_only || budget.unit != BudgetUnit::kRequests) return true;
    }
  }
  return false;
}

Ledger::Ledger(const Clock& clock, const Recorder& recorder) : clock_(clock), recorder_(recorder) {}

Ledger::~Ledger() {
  while (first_ != nullptr) {
    Entry* const next = first_->next;
    delete first_;
    first_ = next;
  }
}

Ledger::Reservation& Ledger::Reservation::operator=(Reservation&& other) noexcept {
  std::swap(ledger_, other.ledger_);
  std::swap(entry_, other.entry_);
  return *this;
}

Ledger::Reservation::~Reservation() {
  if (entry_ == nullptr) return;
  ledger_->stand_untold(std::move(*this));
}

// Nobody is there to be told: the next call that ends finds the thresholds passed, and tells.
void Ledger::stand_untold(Reservation reservation) {
  auto* const entry = static_cast<Entry*>(std::exchange(reservation.entry_, nullptr));
  const std::lock_guard lock(mutex_);
  counters_.stood.fetch_add(1, std::memory_order_relaxed);
  const Amounts all = entry->held;
  close(entry, all, nullptr);
}

// The clock of the ledger only goes forward: one that is set back must not give a budget again.
std::int64_t Ledger::now_ms() {
  latest_ms_ = std::max(latest_ms_, clock_.now().time_since_epoch().count());
  return latest_ms_;
}

Ledger::Account* Ledger::find(std::string_view name) const {
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? nullptr : found->second.get();
}

Ledger::Account& Ledger::account(std::string_view name, std::int64_t expires_ms) {
  if (Account* const found = find(name)) return *found;
  auto made = std::make_unique<Account>();
  made->state.account = name;
  const bool token = layer_kind_of(name) == 0;
  if (token) {
    made->state.expires_ms = expires_ms;
    ++token_accounts_;
  }
  account_count_.fetch_add(1, std::memory_order_relaxed);
  return *accounts_.emplace(std::string(name), std::move(made)).first->second;
}

void Ledger::count(LimitKind limit, std::string_view account) {
  counters_.refused[layer_kind_of(account)][static_cast<std::size_t>(limit)].fetch_add(
      1, std::memory_order_relaxed);
}

// The accounts of the chain, brought up to the present. Where the chain has budgets, each of its
// layers has its account, so that a budget that is set later knows what was spent before.
std::optional<Refused> Ledger::gather(const Need& need, bool budgeted, Chain& chain) {
  const Starts starts = starts_of(now_ms());
  for (const Layer* layer = need.chain; layer != nullptr; layer = layer->parent.get()) {
    const Limits& limits = layer->restrictions.limits;
    // What a token may spend never changes, so without a limit it needs no account.
    if (limits.empty() && (!budgeted || layer_kind_of(layer->account) == 0)) continue;
    if (chain.count == kChainMax) {
      return Refused{.limit = LimitKind::kTooMany, .account = layer->account};
    }
    // Anybody who holds a key can derive tokens without end; their accounts have one.
    if (token_accounts_ >= kTokenAccountsMax && layer_kind_of(layer->account) == 0 &&
        find(layer->account) == nullptr) {
      return Refused{.limit = LimitKind::kTooMany, .account = layer->account};
    }
    Account& account = this->account(layer->account, need.chain_expires_ms);
    // The life of a token grows with that of the key above it; its account must not end before it.
    if (account.state.expires_ms != 0 && account.state.expires_ms < need.chain_expires_ms) {
      account.state.expires_ms = need.chain_expires_ms;
      account.dirty = true;
    }
    account.roll(starts);
    if (account.budgets != limits.budgets) account.budgets = limits.budgets;
    chain.links[chain.count++] = {&account, &limits};
  }
  return std::nullopt;
}

std::optional<Refused> Ledger::check_budgets(const Need& need, Chain& chain,
                                             std::vector<Alert>& alerts) {
  for (const Chain::Link& link : chain.all()) {
    for (const Budget& budget : link.limits->budgets) {
      if (!budget.hard) continue;
      const auto unit = static_cast<std::size_t>(budget.unit);
      const auto window = static_cast<std::size_t>(budget.window);
      const std::int64_t spent = link.account->state.windows[window].settled[unit];
      const std::int64_t held = link.account->held[window][unit];
      const std::int64_t used = add_up(spent, held);
      const std::int64_t needed = amount_of(need.worst, unit);
      const std::int64_t allowed = std::max<std::int64_t>(budget.amount, 0);
      const bool measured = !need.unbounded || budget.unit == BudgetUnit::kRequests;
      if (add_up(used, needed) <= allowed && (measured || used < allowed)) continue;
      raise(*link.account, budget, kRefusedBit, true, alerts);
      return Refused{.limit = LimitKind::kBudget,
                     .account = link.account->state.account,
                     .budget = budget,
                     .spent = spent,
                     .held = held,
                     .needed = needed};
    }
  }
  return std::nullopt;
}

std::optional<Refused> Ledger::check_rates(const Need& need, Chain& chain) {
  const std::int64_t now_us = clock_.steady_us();
  std::optional<Refused> refused;
  for (const Chain::Link& link : chain.all()) {
    Account& account = *link.account;
    const auto refuse = [&](LimitKind limit, std::int64_t wait_ms) {
      if (refused) return;
      refused = Refused{.limit = limit, .account = account.state.account, .wait_ms = wait_ms};
    };
    if (const auto& limit = link.limits->requests_per_minute) {
      const std::int64_t rate = std::clamp<std::int64_t>(*limit, 0, kRateMax);
      drain(account.requests_used, account.requests_at_us, rate, now_us);
      const std::int64_t wait = wait_for(account.requests_used, need.worst.requests, rate);
      if (wait >= 0) refuse(LimitKind::kRequestRate, wait);
    }
    if (const auto& limit = link.limits->tokens_per_minute) {
      const std::int64_t rate = std::clamp<std::int64_t>(*limit, 0, kRateMax);
      drain(account.tokens_used, account.tokens_at_us, rate, now_us);
      const std::int64_t wait = wait_for(account.tokens_used, need.rate_tokens, rate);
      if (wait >= 0) refuse(LimitKind::kTokenRate, wait);
    }
    const auto& parallel = link.limits->parallel_max;
    if (parallel && account.parallel >= *parallel) refuse(LimitKind::kParallel, 1'000);
  }
  return refused;
}

void Ledger::tell_room(Chain& chain, RateRoom& room) {
  for (const Chain::Link& link : chain.all()) {
    const Account& account = *link.account;
    const auto tell = [](std::optional<RateRoom::One>& place, std::optional<std::int64_t> limit,
                         std::int64_t used) {
      if (limit) keep_tightest(place, std::clamp<std::int64_t>(*limit, 0, kRateMax), used);
    };
    tell(room.requests, link.limits->requests_per_minute, account.requests_used);
    tell(room.tokens, link.limits->tokens_per_minute, account.tokens_used);
  }
}

void Ledger::take_rates(const Need& need, Chain& chain) {
  for (const Chain::Link& link : chain.all()) {
    Account& account = *link.account;
    if (link.limits->requests_per_minute) account.requests_used += need.worst.requests * kMicro;
    if (!link.limits->tokens_per_minute) continue;
    account.tokens_used += need.rate_tokens * kMicro;
    account.tokens_taken += static_cast<std::uint64_t>(need.rate_tokens * kMicro);
  }
}

Ledger::Entry* Ledger::open_entry(std::string_view request_id, std::int64_t at_ms,
                                  const Amounts& held) {
  std::unique_ptr<Entry> entry;
  if (spare_.empty()) {
    entry = std::make_unique<Entry>();
  } else {
    entry = std::move(spare_.back());
    spare_.pop_back();
  }
  entry->request_id = request_id;
  entry->at_ms = at_ms;
  entry->starts = starts_of(at_ms);
  entry->held = held;
  entry->next = first_;
  if (first_ != nullptr) first_->previous = entry.get();
  first_ = entry.get();
  open_count_.fetch_add(1, std::memory_order_relaxed);
  return entry.release();
}

// Puts what an entry holds on its accounts; they have been rolled to its time or later.
void Ledger::hold(Entry& entry) {
  for (std::size_t i = 0; i < entry.count; ++i) {
    Account& account = *entry.accounts[i];
    ++account.open;
    ++account.parallel;
    if (!entry.booked) continue;
    account.dirty = true;
    for (std::size_t w = 0; w < kWindows; ++w) {
      if (account.state.windows[w].start_ms != entry.starts[w]) continue;
      for (std::size_t u = 0; u < kUnits; ++u) {
        account.held[w][u] = add_up(account.held[w][u], amount_of(entry.held, u));
      }
    }
  }
}

std::expected<Ledger::Reservation, Refused> Ledger::reserve(const Need& need, RateRoom& room,
                                                            std::vector<Alert>& alerts) {
  const bool budgeted = has_budgets(need.chain);
  const std::lock_guard lock(mutex_);
  Chain chain;
  std::optional<Refused> refused = gather(need, budgeted, chain);
  if (!refused) refused = check_rates(need, chain);
  if (!refused) refused = check_budgets(need, chain, alerts);
  if (refused) {
    count(refused->limit, refused->account);
    tell_room(chain, room);
    return std::unexpected(std::move(*refused));
  }
  take_rates(need, chain);
  tell_room(chain, room);
  Entry* const entry = open_entry(need.request_id, latest_ms_, need.worst);
  entry->rate_tokens = need.rate_tokens;
  entry->booked = budgeted;
  for (const Chain::Link& link : chain.all()) {
    // Two layers of one name (a token narrowed twice) are one account.
    const auto end = entry->accounts.begin() + static_cast<std::ptrdiff_t>(entry->count);
    if (std::find(entry->accounts.begin(), end, link.account) == end) {
      if (link.limits->tokens_per_minute) entry->rated |= 1u << entry->count;
      entry->taken[entry->count] = link.account->tokens_taken;
      entry->accounts[entry->count++] = link.account;
    }
  }
  hold(*entry);
  counters_.reserved.fetch_add(1, std::memory_order_relaxed);
  return Reservation(this, entry);
}

void Ledger::written(const Reservation& reservation, std::uint64_t intent_seq) {
  if (!reservation) return;
  const std::lock_guard lock(mutex_);
  static_cast<Entry*>(reservation.entry_)->intent_seq = intent_seq;
}

// Puts what a call used in the place of what it reserved of a minute's tokens. What it reserved and
// what has drained since is not given back: it would be given twice. It drains in the order in
// which it was taken, so what others took later lies on top of it.
void Ledger::correct_tokens(Account& account, std::uint64_t taken, std::int64_t reserved,
                            std::int64_t used) {
  const std::int64_t more = add_up(used, -reserved);
  std::int64_t micro = 0;
  if (__builtin_mul_overflow(more, kMicro, &micro)) return;
  if (micro >= 0) {
    account.tokens_used = add_up(account.tokens_used, micro);
    account.tokens_taken += static_cast<std::uint64_t>(micro);
    return;
  }
  const std::uint64_t above = account.tokens_taken - taken;
  const auto level = static_cast<std::uint64_t>(account.tokens_used);
  const std::uint64_t left = level > above ? level - above : 0;
  const std::uint64_t unused = static_cast<std::uint64_t>(-micro);
  account.tokens_used -= static_cast<std::int64_t>(std::min(unused, left));
}

// Takes the entry off its accounts and books what was used, each in the window of the reservation:
// what was begun in a window that is over is no debt of the next one.
void Ledger::close(Entry* entry, const Amounts& actual, std::vector<Alert>* alerts) {
  for (std::size_t i = 0; i < entry->count; ++i) {
    Account& account = *entry->accounts[i];
    --account.open;
    --account.parallel;
    if ((entry->rated & (1u << i)) != 0) {
      correct_tokens(account, entry->taken[i], entry->rate_tokens, actual.tokens);
    }
    if (!entry->booked) continue;
    account.dirty = true;
    for (std::size_t w = 0; w < kWindows; ++w) {
      if (account.state.windows[w].start_ms != entry->starts[w]) continue;
      for (std::size_t u = 0; u < kUnits; ++u) {
        account.held[w][u] -= amount_of(entry->held, u);
        std::int64_t& settled = account.state.windows[w].settled[u];
        settled = add_up(settled, amount_of(actual, u));
      }
    }
    if (alerts != nullptr) look_for_alerts(account, *alerts);
  }
  if (entry->booked) {
    closed_.emplace_back(std::move(entry->request_id), entry->intent_seq);
    if (closed_.size() % kClosedMax == 0) purge_closed(recorder_.durable_seq());
    // A journal that is stuck that long: after a crash some calls would count twice, not too
    // little.
    if (closed_.size() > kClosedMax * 8)
      closed_.erase(closed_.begin(), closed_.begin() + kClosedMax);
  }
  (entry->previous != nullptr ? entry->previous->next : first_) = entry->next;
  if (entry->next != nullptr) entry->next->previous = entry->previous;
  *entry = Entry();
  spare_.emplace_back(entry);
  open_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Ledger::settle(Reservation reservation, const Amounts& actual, std::vector<Alert>& alerts) {
  if (!reservation) return;
  auto* const entry = static_cast<Entry*>(std::exchange(reservation.entry_, nullptr));
  const std::lock_guard lock(mutex_);
  counters_.settled.fetch_add(1, std::memory_order_relaxed);
  if (entry->booked &&
      (actual.tokens > entry->held.tokens || actual.nano_usd > entry->held.nano_usd)) {
    counters_.overran.fetch_add(1, std::memory_order_relaxed);
  }
  now_ms();
  close(entry, actual, &alerts);
}

void Ledger::release(Reservation reservation) {
  if (!reservation) return;
  auto* const entry = static_cast<Entry*>(std::exchange(reservation.entry_, nullptr));
  const std::lock_guard lock(mutex_);
  counters_.released.fetch_add(1, std::memory_order_relaxed);
  close(entry, Amounts(), nullptr);
}

void Ledger::stand(Reservation reservation, std::vector<Alert>& alerts) {
  if (!reservation) return;
  auto* const entry = static_cast<Entry*>(std::exchange(reservation.entry_, nullptr));
  const std::lock_guard lock(mutex_);
  counters_.stood.fetch_add(1, std::memory_order_relaxed);
  const Amounts all = entry->held;
  close(entry, all, &alerts);
}

void Ledger::raise(Account& account, const Budget& budget, std::size_t bit, bool refused,
                   std::vector<Alert>& alerts) {
  const auto unit = static_cast<std::size_t>(budget.unit);
  WindowSums& window = account.state.windows[static_cast<std::size_t>(budget.window)];
  const std::uint8_t mask = alert_bit(budget.hard, bit);
  if ((window.alerted[unit] & mask) != 0) return;
  window.alerted[unit] |= mask;
  account.dirty = true;
  counters_.alerts[layer_kind_of(account.state.account)].fetch_add(1, std::memory_order_relaxed);
  alerts.push_back({.account = account.state.account,
                    .budget = budget,
                    .spent = window.settled[unit],
                    .threshold = refused ? 100 : kThresholds[bit],
                    .refused = refused,
                    .window_start = UtcTime(std::chrono::milliseconds(window.start_ms))});
}

void Ledger::look_for_alerts(Account& account, std::vector<Alert>& alerts) {
  for (const Budget& budget : account.budgets) {
    const auto unit = static_cast<std::size_t>(budget.unit);
    const WindowSums& window = account.state.windows[static_cast<std::size_t>(budget.window)];
    const __int128 spent = window.settled[unit];
    if (spent == 0) continue;
    for (std::size_t bit = 0; bit < kThresholds.size(); ++bit) {
      if (spent * 100 < static_cast<__int128>(budget.amount) * kThresholds[bit]) break;
      raise(account, budget, bit, false, alerts);
    }
  }
}

std::vector<AccountView> Ledger::show(std::string_view account_or_empty,
                                      std::size_t accounts_max) const {
  const std::lock_guard lock(mutex_);
  std::vector<AccountView> found;
  const auto add = [&](const Account& account) {
    found.push_back({account.state, account.held, account.budgets, account.parallel});
  };
  if (!account_or_empty.empty()) {
    if (const Account* const one = find(account_or_empty)) add(*one);
    return found;
  }
  for (const auto& [name, account] : accounts_) {
    if (found.size() == accounts_max) break;
    add(*account);
  }
  return found;
}

}  // namespace sallyport::meter
