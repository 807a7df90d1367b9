// SPDX-License-Identifier: Apache-2.0
// What the ledger counts, as metrics. Labels are the kind of layer and the kind of limit only:
// accounts are as many as there are keys.
#pragma once

#include "event/ports/metrics.h"
#include "meter/ledger.h"

namespace sallyport::meter {

class BudgetMetrics final : public MetricSource {
 public:
  explicit BudgetMetrics(const Ledger& ledger) : ledger_(ledger) {}  // outlives it
  void collect(MetricSink& sink) const override;

 private:
  const Ledger& ledger_;
};

}  // namespace sallyport::meter
