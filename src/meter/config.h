// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "event/money.h"
#include "provider/config.h"

namespace sallyport::meter {

struct Config {
  std::string prices = "builtin";  // or a path to a price table (docs/prices.md)

  // USD per 1,000,000 tokens of a model that is not in the table: as dear as the dearest that is
  // known (o1-pro), so that a hard budget holds for a model nobody told us about.
  NanoUsd price_unknown_input{150 * kNanoUsdPerUsd};
  NanoUsd price_unknown_output{600 * kNanoUsdPerUsd};

  // Written into requests that name no maximum while a hard budget applies; 0 reserves the model's
  // own maximum instead and writes nothing.
  std::int64_t output_tokens_default_max = 8'192;

  // Who counts the input of a call of /v1/responses before it is made, where a hard budget of money
  // or tokens or a rate of tokens applies: we, or the provider (one more round trip; its count
  // knows stored text too). What the provider does not count in time is counted here.
  std::string count = "local";            // local | provider
  std::int64_t count_timeout_ms = 2'000;  // of the provider's count, connecting included

  // What to do with calls whose cost cannot be bounded (batches, fine-tuning, background answers)
  // while a hard budget of money or tokens applies.
  std::string unmeterable = "refuse";  // refuse | pass

  provider::ReconcileConfig reconcile;
};

}  // namespace sallyport::meter
