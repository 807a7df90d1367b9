// SPDX-License-Identifier: Apache-2.0
// Stage: is what the body asks for within the limits of every layer: hosted tools, streaming? Runs
// behind read_body (x.body, x.stream) and only looks. Where a limit is in force and the body does
// not show what it is about, the answer is no. The length of the answer is kept by meter/budgets.h,
// which writes a maximum in where none is named.
#pragma once

#include "exchange/stage.h"

namespace sallyport::policy {

class BodyLimits final : public Stage {
 public:
  const char* name() const override { return "body_limits"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

  // The same decision for callers that are not coroutines.
  std::optional<Refusal> decide(Exchange& x) const;
};

}  // namespace sallyport::policy
