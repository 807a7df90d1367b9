// SPDX-License-Identifier: Apache-2.0
// The whole program: the house it stands on, the gate and the way of a request, the doors for
// operators. The watch (detect, respond, notify) joins behind the journal when its rooms are built.
#include <memory>

#include "admin/admin_api.h"
#include "audit/journal.h"
#include "cli/commands.h"
#include "cli/house_metrics.h"
#include "cli/serving.h"
#include "exchange/record.h"
#include "http/gate.h"
#include "http/read_body.h"
#include "keys/identify.h"
#include "meter/metering.h"
#include "policy/models.h"
#include "policy/scope.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_settings.h"
#include "upstream/ask.h"

namespace sallyport {
namespace {

int serve(const cli::Invocation& call) {
  const cli::Signals signals;  // blocked before any thread starts, read on the house's loop
  net::Loop house;  // the main thread's: signals, upkeep, and the doors, which serving holds
  cli::Serving serving(
      call);  // configuration, messages, and with --quickstart what a first start needs
  if (!serving.configured()) return cli::kUsage;
  std::shared_ptr<const config::Config> config = serving.config();

  // ---- The house: what everything else stands on. Each part outlives those below it.
  const SystemClock clock;
  net::Offload disk(1);  // what blocks on the disk on behalf of the house
  net::Offload scan(2);  // what would hold up a gate thread: checking megabytes
  BodyMemory body_memory(config->http.body_memory_max);
  net::Resolver resolver;
  http::Counters gate_counters;

  auto settings = store::SqliteSettings::open(config->store);
  if (!settings) return serving.cannot("open the store", settings.error());
  auto key_store = store::SqliteKeys::open(config->store);
  if (!key_store) return serving.cannot("open the store", key_store.error());
  auto ring = keys::KeyRing::open(config->keys, **key_store, clock);
  if (!ring) return serving.cannot("load the keys", ring.error());
  audit::PosixFileSystem files;
  auto record = cli::open_record(config->audit, clock, files);
  if (!record) return serving.cannot("open the journal", record.error());
  Recorder& recorder = record->port();
  auto prices = meter::Prices::load(config->meter);
  if (!prices) return serving.cannot("load the prices", prices.error());
  Published<meter::Prices> price_table(*prices);
  const auto tell_breaker = cli::breaker_recorder(recorder, clock);
  auto first_upstreams = upstream::Upstreams::build(config->upstream, tell_breaker, nullptr);
  if (!first_upstreams) return serving.cannot("set up the upstreams", first_upstreams.error());
  Published<upstream::Upstreams> upstreams(*first_upstreams);
  const upstream::Upstreams* current = first_upstreams->get();

  // ---- The gate: the way of a request, in order. Moving a line changes the security of the
  // product: read docs/journey.md first. On the way back the stages act in reverse order.
  const auto way_of = [&](std::shared_ptr<const config::Config> of) -> http::WayMaker {
    return [&, of](net::Loop& loop, http::Way& way) {
      way.keeps = of;
      way.refuse_without_record = of->audit.refuse_on_write_failure;
      way.outcome_synced = of->audit.outcome_synced;
      auto& stages = way.stages;
      stages.push_back(
          cli::must(keys::Identify::make(of->keys, **ring, clock)));  // whose request is this?
      stages.push_back(std::make_unique<policy::Scope>());            // may they ask this endpoint?
      stages.push_back(std::make_unique<http::ReadBody>(way.config, scan,
                                                        body_memory));   // whole, valid, bounded
      stages.push_back(std::make_unique<policy::Models>(of->policy));    // may they use this model?
      stages.push_back(std::make_unique<meter::Metering>(price_table));  // what will it cost?
      if (of->audit.enabled) stages.push_back(std::make_unique<RecordIntent>(recorder, clock));
      stages.push_back(std::make_unique<upstream::Ask>(loop, resolver, upstreams));
    };
  };
  const http::House hall{.clock = clock,
                         .recorder = config->audit.enabled ? &recorder : nullptr,
                         .revocations = ring->get(),
                         .counters = gate_counters};
  http::Gate gate(config->http, hall, way_of(config));

  // ---- The doors of the house: health, metrics, keys; never on the data port.
  const cli::HouseMetrics metrics(gate_counters, *record, **ring, upstreams);
  auto admin = admin::AdminApi::make(config->admin, {.loop = house,
                                                     .offload = disk,
                                                     .keys = **ring,
                                                     .recorder = recorder,
                                                     .settings = **settings,
                                                     .clock = clock,
                                                     .metrics = {&metrics},
                                                     .health = {&metrics},
                                                     .version = std::string(cli::kVersion)});
  if (!admin) return serving.cannot("open the admin listener", admin.error());
  const Result<void> doors = serving.open_doors(house, **admin, **settings);
  if (!doors) return serving.cannot("open the admin listener", doors.error());
  const Result<void> opened = gate.start();
  if (!opened) return serving.cannot("open the gate", opened.error());

  // ---- Until told to stop. SIGHUP brings a new configuration; a bad one changes nothing.
  const auto reload = [&] {
    std::shared_ptr<const config::Config> fresh = serving.reload();
    if (!fresh) return;
    auto next = upstream::Upstreams::build(fresh->upstream, tell_breaker, current);
    auto table = meter::Prices::load(fresh->meter);
    if (!next) return serving.keep("upstream", next.error());
    if (!table) return serving.keep("meter.prices", table.error());
    const Result<void> taken = gate.reload(fresh->http, way_of(fresh));
    if (!taken) return serving.keep("http", taken.error());
    const Result<void> lives = (*ring)->take(fresh->keys);
    if (!lives) return serving.keep("keys", lives.error());
    body_memory.limit(fresh->http.body_memory_max);
    price_table.publish(*table);
    upstreams.publish(*next);
    current = next->get();
    serving.took();
  };
  serving.welcome(gate.addresses(), admin::KeyActs(**ring, recorder, clock));
  if (!call.has("check")) serving.run(house, signals, disk, **ring, reload);  // until a signal
  gate.stop();                                                                // drains, then cuts
  scan.stop();     // nothing may speak to the gate's loops any more
  record->stop();  // the last records are durable before the process ends
  serving.goodbye();
  return cli::kOk;
}

int demo(const cli::Invocation& call) { return cli::demonstrate(call, serve); }

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  return sallyport::cli::run(
      argc, argv,
      {.serve = sallyport::serve, .sim = sallyport::cli::simulate, .demo = sallyport::demo});
}
