// SPDX-License-Identifier: Apache-2.0
// Stage: may this caller use this model? Runs behind read_body (x.model). Two lists count, the
// key's and the installation's; both must allow. Where a list is in force and the model cannot be
// seen, the answer is no.
#pragma once

#include "exchange/stage.h"
#include "policy/config.h"

namespace sallyport::policy {

class Models final : public Stage {
 public:
  explicit Models(const Config& config) : config_(config) {}
  const char* name() const override { return "models"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

  // The same decision for callers that are not coroutines.
  std::optional<Refusal> decide(Exchange& x) const;

 private:
  const Config& config_;  // outlives the stage
};

}  // namespace sallyport::policy
