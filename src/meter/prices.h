// SPDX-License-Identifier: Apache-2.0
// What a call costs, from a table that operators can replace (docs/prices.md). All of it is in
// whole numbers; what is left over of a billionth of a dollar is rounded up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/money.h"
#include "exchange/exchange.h"
#include "meter/config.h"

namespace sallyport::meter {

struct Price {                                       // USD
  std::optional<NanoUsd> input, cached, output;      // per 1,000,000 tokens
  std::optional<NanoUsd> cache_write;                // of the input, put into the cache
  std::optional<NanoUsd> audio_input, audio_output;  // of the tokens, those that are sound
  std::optional<NanoUsd> image_input;                // pictures; without: as text
  std::optional<NanoUsd> minute;                     // of audio
  std::optional<NanoUsd> characters;                 // per 1,000,000
  std::optional<NanoUsd> batch, flex, priority;      // factors; 1 is one whole dollar
  // Long contexts: a call whose whole input is above so many tokens has these rates instead, for
  // all of it. Rows that name the limit name the rates of input and output.
  std::optional<std::int64_t> above_input_tokens;
  std::optional<NanoUsd> input_above, cached_above, output_above;
  std::optional<bool> reasons;  // thinks without showing it; nothing: by its name (may_reason)
  std::string as_of, source;    // when and where the row was taken
  bool estimated = false;       // the configured price of the unknown
};

struct Cost {
  NanoUsd amount;
  bool estimated = false;
};

// What a call may use at most, before it is made.
struct WorstCase {
  std::int64_t input = 0, output = 0;  // tokens
  std::int64_t characters = 0;         // speech
  bool other_input = false;            // sound or pictures may be among the input
  bool other_output = false;           // sound may be among the output
  std::string_view service_tier = {};  // as asked for; empty: none
};

class Prices {
 public:
  static Result<std::shared_ptr<const Prices>> load(const Config& config);
  // kInvalid names what is wrong: unknown fields, negative prices and models that stand twice too.
  // `unknown` is the price of models that are not in the table; without one they have no cost.
  static Result<std::shared_ptr<const Prices>> parse(std::string_view json,
                                                     std::optional<Price> unknown = std::nullopt);

  // By exact name, else by the name without a date ("gpt-4o-2024-08-06", "gpt-4-0613"). Null for a
  // model that is not in the table.
  const Price* find(std::string_view model) const;

  // Nothing when the price of something that was used is unknown: null in the record, never 0.
  std::optional<Cost> cost(std::string_view model, const Usage& usage) const;

  // At the highest rates that may apply: nothing cached, the dearest tier that may be meant.
  // Nothing when a price that may be needed is unknown.
  std::optional<Cost> worst_case(std::string_view model, const WorstCase& use) const;

 private:
  const Price* find_or_unknown(std::string_view model) const;
  std::map<std::string, Price, std::less<>> prices_;
  std::optional<Price> unknown_;
};

}  // namespace sallyport::meter
