// SPDX-License-Identifier: Apache-2.0
// What calls cost and who may spend it: prices, the ledger with its budgets, sums of what passed.
#pragma once

#include <memory>
#include <optional>

#include "base/published.h"
#include "cli/ground.h"
#include "cli/ledger_start.h"
#include "cli/record_wing.h"
#include "config/config.h"
#include "event/ports/provider_usage.h"
#include "exchange/input_count.h"
#include "exchange/stage.h"
#include "meter/budget_metrics.h"
#include "meter/ledger.h"
#include "meter/own_usage.h"
#include "meter/prices.h"
#include "store/sqlite_ledger.h"

namespace sallyport::cli {

class MoneyWing {
 public:
  // Brings back what was spent. `record` outlives it.
  static Opened<std::unique_ptr<MoneyWing>> open(const config::Config& config, Ground ground,
                                                 RecordWing& record);

  meter::Ledger& ledger() { return ledger_; }
  Published<meter::Prices>& prices() { return prices_; }
  meter::OwnUsageSums& own_usage() { return own_usage_; }
  const MetricSource& metrics() const { return metrics_; }

  // The stage that asks whether a call can be paid for. `spend`: the provider's own word, may be
  // null. `counting` lives as long as the stage.
  std::unique_ptr<Stage> budgets(const config::Config& config, const ProviderUsage* spend,
                                 InputCount* counting);

  void stop();  // after the record: the last checkpoint has all of it

 private:
  MoneyWing(Ground ground, RecordWing& record, std::shared_ptr<const meter::Prices> prices,
            std::unique_ptr<store::SqliteLedger> store);

  Ground ground_;
  RecordWing& record_;
  Published<meter::Prices> prices_;
  std::unique_ptr<store::SqliteLedger> store_;
  meter::Ledger ledger_;
  std::optional<LedgerCheckpoints> checkpoints_;
  meter::OwnUsageSums own_usage_;
  meter::BudgetMetrics metrics_{ledger_};
};

}  // namespace sallyport::cli
