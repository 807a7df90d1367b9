// SPDX-License-Identifier: Apache-2.0
// One condition on one field, as people write it: "status=4xx", "ip=203.0.113.0/24", "geo!=VN",
// "model=gpt-4o*", "cost_usd>=0.5", "error=null". Holds for a field that is null only where it says
// so: "= null", and every "!=".
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/columns.h"
#include "base/result.h"

namespace sallyport::audit {

inline constexpr std::size_t kConditionsMax = 32;  // of one question

struct Condition {
  std::vector<Column> columns;  // holds when it holds for one of them; more than one: of words only
  // Of columns of words; must give the same answer each time.
  std::function<bool(std::optional<std::string_view>)> word = {};
  // Of columns of numbers: within, both included; turned around by `inverted`.
  std::int64_t low = INT64_MIN + 1, high = INT64_MAX;
  bool null_holds = false;
  bool inverted = false;

  bool holds(std::optional<std::int64_t> number) const {
    if (!number) return null_holds;
    return (*number >= low && *number <= high) != inverted;
  }
  bool holds(const Event& event) const;
};

// kInvalid tells what is wrong with it.
Result<Condition> parse_condition(std::string_view text);
Condition word_is(Column column, std::string word);

}  // namespace sallyport::audit
