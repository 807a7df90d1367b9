// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "event/money.h"
#include "provider/config.h"

namespace sallyport::meter {

struct Config {
  std::string prices = "builtin";  // or a path to a price table (docs/prices.md)

  // USD per 1,000,000 tokens of a model that is not in the table: as dear as the dearest common
  // ones, so that a hard budget holds for a model nobody told us about.
  NanoUsd price_unknown_input{30 * kNanoUsdPerUsd};
  NanoUsd price_unknown_output{120 * kNanoUsdPerUsd};

  // Written into requests that name no maximum while a hard budget applies; 0 reserves the model's
  // own maximum instead and writes nothing.
  std::int64_t output_tokens_default_max = 8'192;

  // What to do with calls whose cost cannot be bounded (batches, fine-tuning, background answers)
  // while a hard budget of money or tokens applies.
  std::string unmeterable = "refuse";  // refuse | pass

  provider::ReconcileConfig reconcile;
};

}  // namespace sallyport::meter
