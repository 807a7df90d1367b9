// SPDX-License-Identifier: Apache-2.0
// Keys as LiteLLM's clients ask for them and read them. What we have no counterpart for and what
// would restrict a key is refused by name: a limit that is silently not kept is worse than an
// error.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "event/limits.h"
#include "keys/key_change.h"
#include "keys/key_info.h"

namespace sallyport::admin {

struct LitellmKey {
  keys::KeySpec spec;
  std::vector<std::string> ignored;  // labels that are not kept; told in the answer
};

// The body of /key/generate. kInvalid names the member; without an alias the name is random.
Result<LitellmKey> parse_litellm_key(const JsonValue& body);

// What /key/update asks of a key.
struct LitellmChange {
  keys::KeyChange change;            // empty: nothing but labels
  std::vector<std::string> ignored;  // labels that are not kept
};
// kInvalid names the member; null lifts a limit, as LiteLLM has it. What stays with a key of ours
// (its alias, its team) may be named as it is; everything LiteLLM knows and we do not is an error.
Result<LitellmChange> parse_litellm_change(const JsonValue& body, const keys::KeyInfo& key,
                                           UtcTime now);

// "30s" "30m" "8h" "30d" "2w" "1mo" (30 days); nothing for anything else.
std::optional<std::chrono::milliseconds> parse_litellm_duration(std::string_view text);
// The calendar window of a budget_duration; nothing where there is none of that length.
std::optional<BudgetWindow> parse_litellm_window(std::string_view text);

// A key, its kid or its alias: what the ring can be asked for. Nothing for what cannot be ours.
std::optional<std::string> litellm_key_name(std::string_view shown);

// The members of a key's object. `spend_usd`: null where nobody knows.
void write_litellm_members(JsonWriter& json, const keys::KeyInfo& key,
                           std::optional<double> spend_usd, UtcTime now);

}  // namespace sallyport::admin
