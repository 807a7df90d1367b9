// SPDX-License-Identifier: Apache-2.0
// What the ledger is made of inside; for its own two files (ledger.cc, ledger_replay.cc) only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "meter/ledger.h"

namespace sallyport::meter {

using Starts = std::array<std::int64_t, kWindows>;

struct Ledger::Account {
  AccountState state;
  std::array<std::array<std::int64_t, kUnits>, kWindows> held{};
  std::vector<Budget> budgets;  // as last seen
  bool dirty = false;
  std::uint32_t open = 0;  // entries that refer to it
  std::int64_t parallel = 0;
  // How much of a minute's allowance is used, in millionths; it drains with time (`at_us`, steady).
  std::int64_t requests_used = 0, requests_at_us = 0;
  std::int64_t tokens_used = 0, tokens_at_us = 0;
  std::uint64_t tokens_taken = 0;  // all that was ever added to tokens_used; may begin again

  // New windows begin empty. Time never goes back, so a closed window never opens again.
  void roll(const Starts& starts) {
    for (std::size_t w = 0; w < kWindows; ++w) {
      if (state.windows[w].start_ms >= starts[w]) continue;
      state.windows[w] = WindowSums{.start_ms = starts[w]};
      held[w] = {};
    }
  }
};

// An open reservation.
struct Ledger::Entry {
  std::string request_id;
  Starts starts{};
  Amounts held;
  std::int64_t rate_tokens = 0;
  std::int64_t at_ms = 0;
  std::uint64_t intent_seq = 0;  // 0: not known to be written
  bool booked = false;           // on budgets; false: rates only
  std::size_t count = 0;
  std::array<Account*, kChainMax> accounts{};
  std::uint32_t rated = 0;  // a bit for each of them that has a limit of tokens a minute
  std::array<std::uint64_t, kChainMax> taken{};  // tokens_taken of each, right after this call's
  Entry* previous = nullptr;
  Entry* next = nullptr;
};

// The accounts of one call with the limits of their layers, innermost first.
struct Ledger::Chain {
  struct Link {
    Account* account = nullptr;
    const Limits* limits = nullptr;
  };
  std::array<Link, kChainMax> links{};
  std::size_t count = 0;
  std::span<Link> all() { return {links.data(), count}; }
};

inline std::int64_t amount_of(const Amounts& amounts, std::size_t unit) {
  return unit == 0 ? amounts.nano_usd : unit == 1 ? amounts.tokens : amounts.requests;
}

// Sums stop at the largest number instead of beginning again.
inline std::int64_t add_up(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a > 0 ? std::numeric_limits<std::int64_t>::max()
               : std::numeric_limits<std::int64_t>::min();
}

Starts starts_of(std::int64_t at_ms);

// Where a threshold is remembered: soft ones in the low half of the byte, hard ones in the high.
inline constexpr std::array<int, 3> kThresholds{50, 80, 100};
inline constexpr std::size_t kRefusedBit = 3;
inline std::uint8_t alert_bit(bool hard, std::size_t bit) {
  return static_cast<std::uint8_t>(1u << (bit + (hard ? 4 : 0)));
}

}  // namespace sallyport::meter
