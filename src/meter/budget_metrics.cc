// SPDX-License-Identifier: Apache-2.0
#include "meter/budget_metrics.h"

#include "meter/budget_words.h"

namespace sallyport::meter {
namespace {

double read(const std::atomic<std::uint64_t>& count) {
  return static_cast<double>(count.load(std::memory_order_relaxed));
}

}  // namespace

void BudgetMetrics::collect(MetricSink& sink) const {
  const Ledger::Counters& counters = ledger_.counters();
  for (std::size_t kind = 0; kind < counters.refused.size(); ++kind) {
    const std::string_view layer = layer_kind_name(kind);
    for (std::size_t limit = 0; limit < kLimitKinds; ++limit) {
      sink.counter("sallyport_budget_refusals", "Calls refused, by layer and limit.",
                   {{"layer", layer}, {"limit", denial_of(static_cast<LimitKind>(limit))}},
                   read(counters.refused[kind][limit]));
    }
    sink.counter("sallyport_budget_alerts", "Thresholds of budgets that were passed.",
                 {{"layer", layer}}, read(counters.alerts[kind]));
  }
  sink.counter("sallyport_budget_reservations", "Calls that held something back.", {},
               read(counters.reserved));
  const struct {
    const char* how;
    const std::atomic<std::uint64_t>& count;
  } kEnds[] = {
      {"settled", counters.settled}, {"released", counters.released}, {"stood", counters.stood}};
  for (const auto& end : kEnds) {
    sink.counter(
        "sallyport_budget_settlements",
        "How reservations ended: settled by usage, released unused, or stood as they were.",
        {{"how", end.how}}, read(end.count));
  }
  sink.counter("sallyport_budget_overruns", "Calls that used more than was held back for them.", {},
               read(counters.overran));
  sink.gauge("sallyport_budget_open", "Reservations of calls under way.", {},
             static_cast<double>(ledger_.open_count()));
  sink.gauge("sallyport_budget_accounts", "Accounts in memory.", {},
             static_cast<double>(ledger_.account_count()));
  sink.counter("sallyport_budget_checkpoints", "Checkpoints of the ledger, by outcome.",
               {{"outcome", "saved"}}, read(counters.checkpoints));
  sink.counter("sallyport_budget_checkpoints", "Checkpoints of the ledger, by outcome.",
               {{"outcome", "failed"}}, read(counters.checkpoint_failures));
}

}  // namespace sallyport::meter
