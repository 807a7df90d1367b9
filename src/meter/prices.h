// SPDX-License-Identifier: Apache-2.0
// What a call costs, from a table that operators can replace (docs/prices.md). A model that is not
// in the table has no known cost: null in the record, never 0.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "exchange/exchange.h"
#include "meter/config.h"

namespace sallyport::meter {

struct Price {                                  // USD
  std::optional<double> input, cached, output;  // per 1,000,000 tokens
  std::optional<double> audio_input;            // of the input tokens, those that are sound
  std::optional<double> image_input;            // those that are pictures; without: as text
  std::optional<double> minute;                 // of audio
  std::optional<double> characters;             // per 1,000,000
  std::optional<double> flex, priority;         // factor on all of it for that service tier
};

class Prices {
 public:
  static Result<std::shared_ptr<const Prices>> load(const Config& config);
  // kInvalid names what is wrong: unknown fields, negative prices and models that stand twice too.
  static Result<std::shared_ptr<const Prices>> parse(std::string_view json);

  // By exact name, else by the name without a date ("gpt-4o-2024-08-06", "gpt-4-0613").
  const Price* find(std::string_view model) const;

  // Nothing when the model, or the price of something that was used, is unknown.
  std::optional<double> cost_usd(std::string_view model, const Usage& usage) const;

 private:
  std::map<std::string, Price, std::less<>> prices_;
};

}  // namespace sallyport::meter
