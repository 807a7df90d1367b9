// SPDX-License-Identifier: Apache-2.0
// Stage: may this caller use this model? Runs behind read_body (x.model). The lists of every layer
// of the key and the installation's count; all must allow. Where a list is in force and the model
// cannot be seen, the answer is no. On the way back the list of models is cut down to those the
// caller may use (x.answer.body).
#pragma once

#include "exchange/stage.h"
#include "policy/config.h"

namespace sallyport::policy {

class Models final : public Stage {
 public:
  explicit Models(const Config& config) : config_(config) {}
  const char* name() const override { return "models"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

  void answer(Exchange& x) override;

  // The same decision for callers that are not coroutines.
  std::optional<Refusal> decide(Exchange& x) const;

 private:
  const Config& config_;  // outlives the stage
};

}  // namespace sallyport::policy
