// SPDX-License-Identifier: Apache-2.0
// What did the call use, and what did it cost? On the way in it makes sure that a chat stream tells
// its usage (a splice, recorded like any other); on the way back it reads the figures and takes out
// what the caller did not ask for. Trusts: read_body (x.body is checked JSON). Writes x.usage,
// x.cost_usd, x.price_estimated, x.usage_*.
#pragma once

#include "base/published.h"
#include "exchange/stage.h"
#include "meter/prices.h"

namespace sallyport::meter {

class Metering final : public Stage {
 public:
  explicit Metering(const Published<Prices>& prices) : prices_(prices) {}  // outlives the stage
  const char* name() const override { return "metering"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;
  void answer(Exchange& x) override;
  void finish(Exchange& x) override;

 private:
  Published<Prices>::Reader prices_;
};

}  // namespace sallyport::meter
