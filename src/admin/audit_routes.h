// SPDX-License-Identifier: Apache-2.0
// The four questions of an incident and sums over the record, for whoever may look. Answered from
// columns on a thread of their own: neither the house's loop nor the journal waits for them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "admin/routes.h"
#include "audit/ask.h"
#include "audit/column_builder.h"
#include "base/clock.h"
#include "meter/ledger.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

inline constexpr int kAuditQuestionsMax = 8;  // waiting or under way; beyond it 429

// All outlive the routes.
struct AuditRouteParts {
  audit::ColumnBuilder& columns;
  const Clock& clock;
  net::Loop& loop;
  net::Offload& questions;  // of their own
  std::function<std::vector<audit::BudgetLine>(const std::string& key)> budgets = {};
};
void add_audit_routes(Routes& routes, AuditRouteParts parts);

// What a key may spend and has spent. `ledger` outlives it.
std::function<std::vector<audit::BudgetLine>(const std::string& key)> budget_lines_of(
    const meter::Ledger& ledger);

}  // namespace sallyport::admin
