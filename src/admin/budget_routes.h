// SPDX-License-Identifier: Apache-2.0
// What was spent, what is held back and what is allowed, by account: read only.
#pragma once

#include "admin/routes.h"
#include "meter/ledger.h"

namespace sallyport::admin {

// `ledger` outlives the routes.
void add_budget_routes(Routes& routes, const meter::Ledger& ledger);

}  // namespace sallyport::admin
