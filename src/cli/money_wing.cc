// SPDX-License-Identifier: Apache-2.0
#include "cli/money_wing.h"

#include <utility>

#include "cli/usage_read_back.h"
#include "meter/budgets.h"

namespace sallyport::cli {

MoneyWing::MoneyWing(Ground ground, RecordWing& record, std::shared_ptr<const meter::Prices> prices,
                     std::unique_ptr<store::SqliteLedger> store)
    : ground_(ground),
      record_(record),
      prices_(std::move(prices)),
      store_(std::move(store)),
      ledger_(ground.clock, record.recorder()),
      own_usage_(ground.clock.now()) {}

Opened<std::unique_ptr<MoneyWing>> MoneyWing::open(const config::Config& config, Ground ground,
                                                   RecordWing& record) {
  auto prices = meter::Prices::load(config.meter);
  if (!prices) return cannot("load the prices", prices.error());
  auto store = store::SqliteLedger::open(config.store);
  if (!store) return cannot("open the store", store.error());
  std::unique_ptr<MoneyWing> wing(
      new MoneyWing(ground, record, std::move(*prices), std::move(*store)));
  const Result<void> sums =
      start_ledger(wing->ledger_, *wing->store_, record.journal(), ground.files);
  if (!sums) return cannot("bring back what was spent", sums.error());
  wing->checkpoints_.emplace(wing->ledger_, *wing->store_, record.recorder());
  read_back_usage(wing->own_usage_, config.audit, ground.clock);
  return wing;
}

std::unique_ptr<Stage> MoneyWing::budgets(const config::Config& config, const ProviderUsage* spend,
                                          InputCount* counting) {
  return std::make_unique<meter::Budgets>(config.meter,
                                          meter::BudgetParts{.ledger = ledger_,
                                                             .prices = prices_,
                                                             .counts = meter::exact_counts(),
                                                             .recorder = record_.recorder(),
                                                             .clock = ground_.clock,
                                                             .provider_usage = spend,
                                                             .scan = &ground_.work.scan,
                                                             .provider_count = counting});
}

void MoneyWing::stop() { checkpoints_->stop(); }

}  // namespace sallyport::cli
