// SPDX-License-Identifier: Apache-2.0
// LiteLLM's GET /spend/logs out of the journal: what each finished call cost, or sums by day.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "audit/query.h"
#include "base/result.h"
#include "keys/form.h"
#include "meter/ledger.h"

namespace sallyport::admin {

inline constexpr std::size_t kSpendRowsMax = 1'000;        // newest first
inline constexpr std::size_t kSpendSummedMax = 1'000'000;  // records that one answer may add up

struct SpendQuestion {
  audit::QuerySpec spec;
  bool by_day = false;
};
// kInvalid names the parameter. `name_of` was applied to api_key already.
Result<SpendQuestion> parse_spend_question(const keys::Form& query, const std::string& journal);

struct SpendAnswer {
  std::string body;
  bool more = false;  // there is more than the limit lets out
};
// What was spent under a key's name since it was first used, in USD; nothing for a name that never
// spent. `ledger` outlives the answer.
std::function<std::optional<double>(const std::string& key_name)> spend_of(
    const meter::Ledger& ledger);

// Reads the disk: not on a loop.
Result<SpendAnswer> answer_spend(const SpendQuestion& question);

}  // namespace sallyport::admin
