// SPDX-License-Identifier: Apache-2.0
// How the ledger comes back after a stop or a crash: a checkpoint, then the journal after it.
//
// A checkpoint is complete up to a record: everything that was reserved or settled before that
// record was submitted is in its sums. What comes after it in the journal may be in the sums too,
// since a call changes the sums before its record is written. Such calls are told apart by their
// request id: they stand in the checkpoint as open, or as closed.
#include <chrono>
#include <utility>

#include "base/json_reader.h"
#include "meter/ledger.h"
#include "meter/ledger_parts.h"

namespace sallyport::meter {
namespace {

// A record does not tell when its token ends; no token lives longer than this.
constexpr std::int64_t kTokenLifeMs = 31ll * 86'400'000;

std::int64_t ms_of(UtcTime time) { return time.time_since_epoch().count(); }

Amounts held_by(const Event& event) {
  return {.nano_usd = std::max<std::int64_t>(event.reserved_usd.value_or(NanoUsd{}).nano, 0),
          .tokens = std::max<std::int64_t>(event.reserved_tokens.value_or(0), 0),
          .requests = 1};
}

// Without charged_* the whole reservation stands; a failed call that was charged nothing was
// released.
Amounts used_by(const Event& event, const Amounts& held) {
  if (!event.charged_tokens && !event.charged_usd) return held;
  Amounts used{.nano_usd = event.charged_usd.value_or(NanoUsd{held.nano_usd}).nano,
               .tokens = event.charged_tokens.value_or(held.tokens),
               .requests = 1};
  const bool failed = !event.status || *event.status >= 400;
  if (failed && used.nano_usd == 0 && used.tokens == 0) used.requests = 0;
  return used;
}

template <std::size_t N, class Name>
std::optional<std::size_t> index_of(std::string_view text, Name name_of) {
  for (std::size_t i = 0; i < N; ++i) {
    if (name_of(i) == text) return i;
  }
  return std::nullopt;
}

}  // namespace

std::vector<std::string> accounts_of(const Event& event) {
  std::vector<std::string> accounts;
  if (event.tid) accounts.push_back("token:" + event.kid.value_or("") + "." + *event.tid);
  if (event.api_key_id) accounts.push_back("key:" + *event.api_key_id);
  if (!event.layer) return accounts;
  constexpr std::string_view kByDepth[] = {"organisation:", "project:", "principal:"};
  std::string_view path = *event.layer;
  while (!path.empty()) {
    const auto depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
    if (depth >= std::size(kByDepth)) break;
    accounts.push_back(std::string(kByDepth[depth]) + std::string(path));
    const std::size_t slash = path.rfind('/');
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
  return accounts;
}

void Ledger::load(const LedgerState& state) {
  const std::lock_guard lock(mutex_);
  latest_ms_ = std::max(latest_ms_, state.latest_ms);
  for (const AccountState& saved : state.accounts) {
    account(saved.account, saved.expires_ms).state = saved;
  }
  for (const OpenState& open : state.open) {
    Entry* const entry = open_entry(open.request_id, open.at_ms, open.held);
    entry->booked = true;
    for (const std::string& name : open.accounts) {
      if (entry->count == kChainMax) break;
      Account& one = account(name, open.at_ms + kTokenLifeMs);
      one.roll(entry->starts);
      entry->accounts[entry->count++] = &one;
    }
    hold(*entry);
    replayed_.emplace(open.request_id, entry);
  }
  known_closed_.insert(state.closed.begin(), state.closed.end());
}

void Ledger::replay(const Event& event) {
  if (event.kind == Kind::kAction && event.action == "budget_alert") {
    const std::lock_guard lock(mutex_);
    replay_alert(event);
    return;
  }
  if (event.kind == Kind::kAdmin && event.action == kResetAction) {
    const std::lock_guard lock(mutex_);
    replay_reset(event);
    return;
  }
  if (!event.reserved_tokens || event.request_id.empty()) return;
  const std::lock_guard lock(mutex_);
  // The log's time never goes back; what the clock said is what the ledger went by.
  latest_ms_ = std::max(latest_ms_, ms_of(event.timestamp_utc) - event.time_raised_ms.value_or(0));
  if (known_closed_.contains(event.request_id)) return;
  if (event.kind == Kind::kIntent) replay_intent(event);
  if (event.kind == Kind::kRequest) replay_outcome(event);
}

void Ledger::replay_intent(const Event& event) {
  if (replayed_.contains(event.request_id)) return;
  Entry* const entry = open_entry(event.request_id, latest_ms_, held_by(event));
  entry->booked = true;
  entry->intent_seq = event.seq;
  for (const std::string& name : accounts_of(event)) {
    Account& one = account(name, latest_ms_ + kTokenLifeMs);
    one.roll(entry->starts);
    entry->accounts[entry->count++] = &one;
  }
  hold(*entry);
  replayed_.emplace(event.request_id, entry);
}

void Ledger::replay_outcome(const Event& event) {
  const auto found = replayed_.find(event.request_id);
  if (found == replayed_.end()) return;  // refused before it was an intent: nothing was held
  Entry* const entry = found->second;
  replayed_.erase(found);
  close(entry, used_by(event, entry->held), nullptr);
  closed_.clear();  // its records are read and stay read
}

// A threshold that was told is not told again.
void Ledger::replay_alert(const Event& event) {
  const auto detail =
      event.detail ? JsonValue::parse(*event.detail) : Result<JsonValue>(fail(Code::kInvalid, ""));
  if (!detail) return;
  const auto text = [&](std::string_view key) {
    const auto member = detail->at(key);
    return member ? std::string(member->string().value_or("")) : std::string();
  };
  const auto unit = index_of<kUnits>(
      text("unit"), [](std::size_t i) { return name(static_cast<BudgetUnit>(i)); });
  const auto window = index_of<kWindows>(
      text("window"), [](std::size_t i) { return name(static_cast<BudgetWindow>(i)); });
  const auto start = parse_utc(text("window_start"));
  const auto hard = detail->at("hard");
  const auto threshold = detail->at("threshold");
  const auto refused = detail->at("refused");
  const std::string account_name = text("account");
  if (!unit || !window || !start || !hard || !threshold || account_name.empty()) return;
  Account& account = this->account(account_name, latest_ms_ + kTokenLifeMs);
  WindowSums& sums = account.state.windows[*window];
  if (ms_of(*start) > sums.start_ms) {
    sums = WindowSums{.start_ms = ms_of(*start)};
    account.held[*window] = {};
  }
  if (sums.start_ms != ms_of(*start)) return;
  std::size_t bit = kRefusedBit;
  if (!refused || !refused->boolean().value_or(false)) {
    const auto at = std::find(kThresholds.begin(), kThresholds.end(), threshold->integer());
    if (at == kThresholds.end()) return;
    bit = static_cast<std::size_t>(at - kThresholds.begin());
  }
  sums.alerted[*unit] |= alert_bit(hard->boolean().value_or(false), bit);
  account.dirty = true;
}

void Ledger::finish_replay() {
  const std::lock_guard lock(mutex_);
  now_ms();
  for (const auto& [request_id, entry] : replayed_) close(entry, entry->held, nullptr);
  replayed_.clear();
  known_closed_.clear();
  closed_.clear();
}

// Calls whose intent is at or before `seq` need not be told apart any more: a start does not read
// their intent, and an outcome without one is nothing.
void Ledger::purge_closed(std::uint64_t seq) {
  std::erase_if(closed_, [&](const auto& one) { return one.second != 0 && one.second <= seq; });
}

void Ledger::forget_expired(LedgerState& state) {
  for (auto at = accounts_.begin(); at != accounts_.end();) {
    const Account& account = *at->second;
    const std::int64_t expires = account.state.expires_ms;
    if (expires == 0 || expires > latest_ms_ || account.open > 0) {
      ++at;
      continue;
    }
    state.forgotten.push_back(at->first);
    --token_accounts_;
    account_count_.fetch_sub(1, std::memory_order_relaxed);
    at = accounts_.erase(at);
  }
}

LedgerState Ledger::checkpoint(std::uint64_t seq) {
  LedgerState state;
  state.seq = seq;
  const std::lock_guard lock(mutex_);
  state.latest_ms = latest_ms_;
  if (token_accounts_ > 0) forget_expired(state);
  state.forgotten.insert(state.forgotten.end(), forgotten_.begin(), forgotten_.end());
  forgotten_.clear();
  for (const auto& [name, account] : accounts_) {
    if (!std::exchange(account->dirty, false)) continue;
    state.accounts.push_back(account->state);
  }
  for (const Entry* entry = first_; entry != nullptr; entry = entry->next) {
    if (!entry->booked) continue;
    OpenState open{entry->request_id, entry->at_ms, entry->held, {}};
    for (std::size_t i = 0; i < entry->count; ++i) {
      open.accounts.push_back(entry->accounts[i]->state.account);
    }
    state.open.push_back(std::move(open));
  }
  purge_closed(seq);
  // Some were over before anybody knew the place of their intent. By the next checkpoint it is in
  // the journal for long.
  constexpr std::uint64_t kAged = UINT64_MAX;
  std::erase_if(closed_, [](const auto& one) { return one.second == kAged; });
  for (auto& [request_id, intent_seq] : closed_) {
    if (intent_seq == 0) intent_seq = kAged;
    state.closed.push_back(request_id);
  }
  return state;
}

void Ledger::not_saved(const LedgerState& state) {
  const std::lock_guard lock(mutex_);
  for (const AccountState& one : state.accounts) {
    if (Account* const account = find(one.account)) account->dirty = true;
  }
  forgotten_.insert(forgotten_.end(), state.forgotten.begin(), state.forgotten.end());
}

}  // namespace sallyport::meter
