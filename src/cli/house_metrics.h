// SPDX-License-Identifier: Apache-2.0
// What the rooms count and whether they can work, told to the admin listener: the rooms themselves
// know neither metrics nor health pages.
#pragma once

#include "base/published.h"
#include "cli/serving.h"
#include "event/ports/health.h"
#include "event/ports/metrics.h"
#include "http/worker.h"
#include "keys/key_ring.h"
#include "upstream/upstreams.h"

namespace sallyport::cli {

class HouseMetrics final : public MetricSource, public HealthSource {
 public:
  // All outlive it.
  HouseMetrics(const http::Counters& gate, const Record& record, const keys::KeyRing& ring,
               const Published<upstream::Upstreams>& upstreams)
      : gate_(gate), record_(record), ring_(ring), upstreams_(upstreams) {}

  // Both on the house's loop, where the admin listener is and the credentials are kept.
  void collect(MetricSink& sink) const override;
  void report(std::vector<HealthCheck>& checks) const override;

 private:
  void collect_gate(MetricSink& sink) const;
  void collect_journal(MetricSink& sink) const;
  void collect_tree(MetricSink& sink) const;
  void collect_upstreams(MetricSink& sink) const;
  static void collect_credential(MetricSink& sink, const upstream::Upstream& upstream);
  static void report_credential(std::vector<HealthCheck>& checks,
                                const upstream::Upstream& upstream);

  const http::Counters& gate_;
  const Record& record_;
  const keys::KeyRing& ring_;
  const Published<upstream::Upstreams>& upstreams_;
};

}  // namespace sallyport::cli
