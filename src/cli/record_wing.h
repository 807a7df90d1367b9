// SPDX-License-Identifier: Apache-2.0
// The record and all that is made from it: journal, tree and its witnesses, columns, receivers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/erasure.h"
#include "admin/routes.h"
#include "audit/column_builder.h"
#include "audit/log_courier.h"
#include "cli/ground.h"
#include "cli/sealing.h"
#include "cli/serving.h"
#include "config/config.h"
#include "event/ports/geography.h"
#include "event/ports/metrics.h"
#include "geo/placed_recorder.h"
#include "meter/ledger.h"
#include "meter/traffic.h"
#include "notify/sink_runner.h"

namespace sallyport::cli {

class RecordWing {
 public:
  // `places` outlives it: each record says from where.
  static Opened<std::unique_ptr<RecordWing>> open(const config::Config& config, Ground ground,
                                                  const Geography& places);

  Recorder& recorder() { return recorder_; }
  const Record& record() const { return record_; }
  bool enabled() const { return journal_.has_value(); }
  const std::optional<std::string>& journal() const { return journal_; }  // its folder
  const notify::Sinks& sinks() const { return *sinks_; }
  // Calls by key, and how far the columns are.
  const MetricSource& traffic() const { return told_; }

  // `metrics` is what the receivers that want metrics are given.
  void start(std::vector<const MetricSource*> metrics);
  void add_routes(admin::Routes& routes, const meter::Ledger& ledger);
  // The last records are durable and signed; what was not sent is sent after the next start.
  void stop();

 private:
  class Told final : public MetricSource {
   public:
    explicit Told(const RecordWing& wing) : wing_(wing) {}
    void collect(MetricSink& sink) const override;

   private:
    const RecordWing& wing_;
  };

  RecordWing(Ground ground, std::unique_ptr<Sealing> sealing, Record record,
             const Geography& places);

  std::unique_ptr<admin::Erasure> make_erasure(std::chrono::milliseconds keep);

  Ground ground_;
  std::unique_ptr<Sealing> sealing_;  // null: all lies open in the log
  Record record_;
  meter::Traffic traffic_;
  geo::PlacedRecorder recorder_;
  std::optional<std::string> journal_;
  std::vector<const MetricSource*> metrics_;
  std::unique_ptr<notify::Sinks> sinks_;
  std::unique_ptr<audit::LogCourier> courier_;     // null: nobody to bring checkpoints to
  std::unique_ptr<audit::ColumnBuilder> columns_;  // null: there is no journal
  std::unique_ptr<admin::Erasure> erasure_;        // null: nothing lies sealed
  const Told told_{*this};
};

}  // namespace sallyport::cli
