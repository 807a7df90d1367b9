// SPDX-License-Identifier: Apache-2.0
#include "cli/record_wing.h"

#include <utility>

#include "admin/audit_routes.h"
#include "admin/proof_routes.h"
#include "admin/sink_routes.h"
#include "cli/courier_start.h"
#include "cli/sink_start.h"

namespace sallyport::cli {

RecordWing::RecordWing(Ground ground, std::unique_ptr<Sealing> sealing, Record record,
                       const Geography& places)
    : ground_(ground),
      sealing_(std::move(sealing)),
      record_(std::move(record)),
      traffic_(record_.port()),
      recorder_(traffic_, places) {}

Opened<std::unique_ptr<RecordWing>> RecordWing::open(const config::Config& config, Ground ground,
                                                     const Geography& places) {
  auto sealing = Sealing::open(config, ground.files, Sealing::Missing::kMake);
  if (!sealing) return cannot("open what the log is sealed with", sealing.error());
  Sealer* const sealer = *sealing ? &(*sealing)->sealer() : nullptr;
  Result<Record> record = open_record(config.audit, ground.clock, ground.files, sealer);
  if (!record) return cannot("open the journal", record.error());
  std::unique_ptr<RecordWing> wing(
      new RecordWing(ground, std::move(*sealing), std::move(*record), places));
  if (config.audit.enabled) wing->journal_ = config.audit.path;

  auto sinks = open_sinks(config, ground.files, wing->recorder_, ground.resolver, ground.clock,
                          &wing->metrics_, sealer);
  if (!sinks) return cannot("set up the receivers of records", sinks.error());
  wing->sinks_ = std::move(*sinks);
  auto courier = open_courier(wing->record_, ground.clock, ground.resolver, ground.work.disk,
                              [&w = *wing] { return w.sinks_->needed_seq(); });
  if (!courier) return cannot("set up the witnesses of the log", courier.error());
  wing->courier_ = std::move(*courier);
  if (!wing->enabled()) return wing;

  auto columns = audit::ColumnBuilder::open(ground.files, config.audit.path, {.sealer = sealer});
  if (!columns) return cannot("open the journal's columns", columns.error());
  wing->columns_ = std::move(*columns);
  if (wing->sealing_) wing->erasure_ = wing->make_erasure(config.audit.seal_keep);
  return wing;
}

std::unique_ptr<admin::Erasure> RecordWing::make_erasure(std::chrono::milliseconds keep) {
  vault::SubjectKeys& keys = sealing_->keys();
  return std::make_unique<admin::Erasure>(admin::Erasure::Parts{
      .forget_key = [&keys](const std::string& key) { return keys.forget_subject(key); },
      .forget_days_before = [&keys](UtcTime time) { return keys.forget_days_before(time); },
      .oldest_day = [&keys] { return keys.oldest_day(); },
      .wipe_traces = [&keys] { return keys.wipe_traces(); },
      .columns = *columns_,
      .recorder = recorder_,
      .clock = ground_.clock,
      .loop = ground_.house,
      .offload = ground_.work.disk,
      .keep = keep});
}

void RecordWing::start(std::vector<const MetricSource*> metrics) {
  metrics_ = std::move(metrics);
  if (columns_) columns_->start([this] { return recorder_.durable_seq(); });
  sinks_->start();
  if (courier_) ground_.house.spawn(courier_->run(ground_.house));
  if (erasure_) ground_.house.spawn(erasure_->run());
}

void RecordWing::Told::collect(MetricSink& sink) const {
  wing_.traffic_.collect(sink);
  if (!wing_.columns_) return;
  const audit::ColumnBuilder::Counters counters = wing_.columns_->counters();
  const std::uint64_t durable = wing_.recorder_.durable_seq();
  const std::uint64_t behind = durable < counters.next_seq ? 0 : durable - counters.next_seq + 1;
  sink.counter("sallyport_columns_records", "Records taken into the columns since the start.", {},
               static_cast<double>(counters.rows));
  sink.gauge("sallyport_columns_behind", "Durable records that the columns do not hold yet.", {},
             static_cast<double>(behind));
  sink.counter("sallyport_columns_files", "Files of columns made since the start.", {},
               static_cast<double>(counters.files));
  sink.counter("sallyport_columns_rebuilt", "Files of columns that were damaged or old.", {},
               static_cast<double>(counters.rebuilt));
  sink.gauge("sallyport_columns_live_records", "Records of the unfinished file.", {},
             static_cast<double>(counters.live_rows));
}

void RecordWing::add_routes(admin::Routes& routes, const meter::Ledger& ledger) {
  admin::add_sink_routes(routes, {*sinks_, ground_.house});
  if (columns_) {
    admin::add_audit_routes(routes, {.columns = *columns_,
                                     .clock = ground_.clock,
                                     .loop = ground_.house,
                                     .questions = ground_.work.questions,
                                     .budgets = admin::budget_lines_of(ledger)});
  }
  if (erasure_) admin::add_erasure_routes(routes, *erasure_);
  if (auto* keeper = record_.keeper()) {
    admin::add_proof_routes(routes,
                            {*keeper, recorder_, ground_.clock, ground_.house, ground_.work.disk,
                             ground_.work.questions, [this] { return sinks_->needed_seq(); }});
  }
}

void RecordWing::stop() {
  record_.stop();
  if (columns_) columns_->stop();
  sinks_->stop();
}

}  // namespace sallyport::cli
