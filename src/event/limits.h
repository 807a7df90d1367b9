// SPDX-License-Identifier: Apache-2.0
// How much a layer of the key tree may spend. Money is counted in whole billionths of a US dollar
// ("nano-USD"): exact for every price per token there is, and 9.2 billion dollars fit.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport {

inline constexpr std::int64_t kNanoUsdPerUsd = 1'000'000'000;

enum class BudgetUnit { kNanoUsd, kTokens, kRequests };

// Calendar windows in UTC: a day begins at 00:00, a month on its first day. kTotal never ends: for
// derived tokens and for keys that carry one sum for their whole life.
enum class BudgetWindow { kMinute, kHour, kDay, kMonth, kTotal };

struct Budget {
  BudgetUnit unit = BudgetUnit::kNanoUsd;
  BudgetWindow window = BudgetWindow::kMonth;
  std::int64_t amount = 0;  // 0 allows nothing
  bool hard = true;         // false: alerts only
  friend bool operator==(const Budget&, const Budget&) = default;
};

struct Limits {
  std::vector<Budget> budgets;
  std::optional<std::int64_t> requests_per_minute, tokens_per_minute;  // rates: waiting helps
  std::optional<std::int64_t> parallel_max;                            // requests under way
  bool empty() const {
    return budgets.empty() && !requests_per_minute && !tokens_per_minute && !parallel_max;
  }
  bool any_hard() const {
    for (const Budget& budget : budgets) {
      if (budget.hard) return true;
    }
    return false;
  }
  friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace sallyport
