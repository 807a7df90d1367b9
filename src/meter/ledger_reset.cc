// SPDX-License-Identifier: Apache-2.0
// An operator gives an account its budgets again: one that was exhausted by mistake, or one whose
// windows a clock far ahead has moved into the future.
//
// A reset takes amounts off and does not set sums to zero, and its record says which: so a start
// may read it after a checkpoint that saw calls settled since. Where the checkpoint has the reset
// itself its id stands among the closed ones, as a call's does, and nothing is taken off twice.
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "meter/ledger.h"
#include "meter/ledger_parts.h"

namespace sallyport::meter {
namespace {

constexpr std::int64_t kAheadMax = 60'000;  // a clock that was corrected by less moved no day

std::string utc_text(std::int64_t ms) { return format_utc(UtcTime(std::chrono::milliseconds(ms))); }

// A time out of a record; 0: none is there.
std::int64_t time_in(const JsonValue& object, std::string_view name) {
  const auto member = object.at(name);
  const auto text = member ? member->string() : std::nullopt;
  const auto time = text ? parse_utc(*text) : std::nullopt;
  return time ? time->time_since_epoch().count() : 0;
}

std::int64_t amount_in(const JsonValue& window, std::size_t unit) {
  const auto member = window.at(name(static_cast<BudgetUnit>(unit)));
  if (!member) return 0;
  if (unit != 0) return std::max<std::int64_t>(member->integer().value_or(0), 0);
  return parse_usd(member->string().value_or("")).value_or(NanoUsd{}).nano;
}

void write_window(JsonWriter& json, const ResetWindow& one, bool before) {
  json.key(name(one.window)).begin_object().field("since", utc_text(one.start_ms));
  for (std::size_t unit = 0; unit < kUnits; ++unit) {
    const std::int64_t amount = before ? std::max<std::int64_t>(one.taken_off[unit], 0) : 0;
    json.key(name(static_cast<BudgetUnit>(unit)));
    unit == 0 ? json.value(usd_text({amount})) : json.value(amount);
  }
  json.end_object();
}

void write_side(JsonWriter& json, const Reset& reset, bool before) {
  json.begin_object().field("account", reset.account);
  json.field("ledger_time", utc_text(before ? reset.time_was_ms : reset.time_ms));
  json.key("windows").begin_object();
  for (const ResetWindow& one : reset.windows) write_window(json, one, before);
  json.end_object().end_object();
}

}  // namespace

void fill_reset(Event& event, const Reset& reset) {
  event.kind = Kind::kAdmin;
  event.action = std::string(kResetAction);
  event.request_id = reset.id;
  std::string detail;
  JsonWriter json(detail);
  json.begin_object().key("before");
  write_side(json, reset, true);
  json.key("after");
  write_side(json, reset, false);
  json.end_object();
  event.detail = std::move(detail);
}

// No account may stay in a window of the future: calls of now would not find it there, and their
// reservations would hold nothing back. What was spent in those windows counts in the present ones.
void Ledger::bring_back_time(std::int64_t at_ms) {
  latest_ms_ = at_ms;
  const Starts now = starts_of(at_ms);
  for (const auto& [name, account] : accounts_) {
    for (std::size_t w = 0; w < kWindows; ++w) {
      std::int64_t& start = account->state.windows[w].start_ms;
      account->dirty |= start > now[w];
      start = std::min(start, now[w]);
      account->held[w] = {};
    }
  }
  for (Entry* entry = first_; entry != nullptr; entry = entry->next) {
    for (std::size_t w = 0; w < kWindows; ++w) {
      entry->starts[w] = std::min(entry->starts[w], now[w]);
    }
    entry->at_ms = std::min(entry->at_ms, at_ms);
    if (!entry->booked) continue;
    for (std::size_t i = 0; i < entry->count; ++i) {
      Account& account = *entry->accounts[i];
      for (std::size_t w = 0; w < kWindows; ++w) {
        if (account.state.windows[w].start_ms != entry->starts[w]) continue;
        for (std::size_t u = 0; u < kUnits; ++u) {
          account.held[w][u] = add_up(account.held[w][u], amount_of(entry->held, u));
        }
      }
    }
  }
}

Result<Reset> Ledger::reset(std::string_view account_name, std::optional<BudgetWindow> only,
                            bool trust_clock, std::string id) {
  const std::int64_t clock_ms = clock_.now().time_since_epoch().count();
  const std::lock_guard lock(mutex_);
  Account* const account = find(account_name);
  if (account == nullptr) {
    return fail(Code::kNotFound, "No call with a budget has used this account yet.");
  }
  Reset reset{.id = std::move(id), .account = account->state.account, .windows = {}};
  reset.time_was_ms = latest_ms_;
  if (latest_ms_ - clock_ms > kAheadMax) {
    if (!trust_clock) {
      return fail(Code::kDenied, "The ledger's time is " + utc_text(latest_ms_) +
                                     ", the clock says " + utc_text(clock_ms) +
                                     ": a clock was ahead, or this one is behind.");
    }
    bring_back_time(clock_ms);
  }
  reset.time_ms = now_ms();
  account->roll(starts_of(latest_ms_));
  for (std::size_t w = 0; w < kWindows; ++w) {
    if (only && static_cast<std::size_t>(*only) != w) continue;
    WindowSums& sums = account->state.windows[w];
    ResetWindow one{.window = static_cast<BudgetWindow>(w), .start_ms = sums.start_ms};
    for (std::size_t u = 0; u < kUnits; ++u) {
      one.taken_off[u] = std::exchange(sums.settled[u], 0);
      one.alerted[u] = std::exchange(sums.alerted[u], std::uint8_t{0});
    }
    reset.windows.push_back(one);
  }
  account->dirty = true;
  closed_.emplace_back(reset.id, 0);
  return reset;
}

void Ledger::undo(const Reset& reset) {
  const std::lock_guard lock(mutex_);
  Account* const account = find(reset.account);
  if (account == nullptr) return;
  for (const ResetWindow& one : reset.windows) {
    WindowSums& sums = account->state.windows[static_cast<std::size_t>(one.window)];
    if (sums.start_ms != one.start_ms) continue;  // that window is over
    for (std::size_t u = 0; u < kUnits; ++u) {
      sums.settled[u] = add_up(sums.settled[u], one.taken_off[u]);
      sums.alerted[u] |= one.alerted[u];
    }
  }
  account->dirty = true;
  closed_.emplace_back(reset.id, 0);  // should its record arrive late after all, it is not read
}

void Ledger::replay_reset(const Event& event) {
  const auto detail =
      event.detail ? JsonValue::parse(*event.detail) : Result<JsonValue>(fail(Code::kInvalid, ""));
  const auto before = detail ? detail->at("before") : std::nullopt;
  const auto after = detail ? detail->at("after") : std::nullopt;
  if (!before || !after) return;
  const std::int64_t time_ms = time_in(*after, "ledger_time");
  const std::int64_t was_ms = time_in(*before, "ledger_time");
  if (was_ms - time_ms > kAheadMax && time_ms > 0 && latest_ms_ > time_ms) {
    bring_back_time(time_ms);
  }
  if (known_closed_.contains(event.request_id)) return;  // the checkpoint has it
  const auto account_name = after->at("account");
  const auto windows = before->at("windows");
  Account* const account = account_name ? find(account_name->string().value_or("")) : nullptr;
  if (account == nullptr || !windows) return;
  latest_ms_ = std::max(latest_ms_, time_ms);
  account->roll(starts_of(latest_ms_));
  for (std::size_t w = 0; w < kWindows; ++w) {
    const auto taken = windows->at(name(static_cast<BudgetWindow>(w)));
    WindowSums& sums = account->state.windows[w];
    if (!taken || time_in(*taken, "since") != sums.start_ms) continue;
    for (std::size_t u = 0; u < kUnits; ++u) {
      sums.settled[u] = std::max<std::int64_t>(add_up(sums.settled[u], -amount_in(*taken, u)), 0);
      sums.alerted[u] = 0;
    }
  }
  account->dirty = true;
}

}  // namespace sallyport::meter
