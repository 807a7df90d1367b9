// SPDX-License-Identifier: Apache-2.0
// Stage: may this caller ask this endpoint, in this form? Decides on the head alone, before a byte
// of the body is read. Trusts `identify` (x.principal) and `http` (x.path is in normal form).
// Writes x.module and x.purpose.
#pragma once

#include "exchange/stage.h"

namespace sallyport::policy {

class Scope final : public Stage {
 public:
  const char* name() const override { return "scope"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;

  // The same decision for callers that are not coroutines.
  std::optional<Refusal> decide(Exchange& x) const;
};

}  // namespace sallyport::policy
