// SPDX-License-Identifier: Apache-2.0
// What was spent, what is held back and what is allowed, by account; and the reset of one. What is
// allowed is what keys and layers state now, also of accounts that no call has used yet.
#pragma once

#include "admin/routes.h"
#include "base/clock.h"
#include "event/ports/recorder.h"
#include "meter/ledger.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct BudgetRouteParts {
  meter::Ledger& ledger;
  Recorder& recorder;
  const Clock& clock;
  net::Loop& loop;
  net::Offload& offload;  // waits for the journal
};
void add_budget_routes(Routes& routes, BudgetRouteParts parts);

}  // namespace sallyport::admin
