// SPDX-License-Identifier: Apache-2.0
// The whole program: the house it stands on, the gate and the way of a request, the doors for
// operators. The watch (detect, respond, notify) joins behind the journal when its rooms are built.
#include <memory>

#include "admin/admin_api.h"
#include "admin/budget_routes.h"
#include "admin/litellm_routes.h"
#include "admin/litellm_spend.h"
#include "admin/proof_routes.h"
#include "admin/sink_routes.h"
#include "admin/upstream_routes.h"
#include "audit/journal.h"
#include "cli/commands.h"
#include "cli/courier_start.h"
#include "cli/house_metrics.h"
#include "cli/ledger_start.h"
#include "cli/serving.h"
#include "cli/sink_start.h"
#include "cli/strangers.h"
#include "cli/usage_read_back.h"
#include "exchange/record.h"
#include "geo/location_table.h"
#include "geo/placed_recorder.h"
#include "http/gate.h"
#include "http/read_body.h"
#include "keys/identify.h"
#include "keys/key_delivery.h"
#include "keys/rotation_schedule.h"
#include "meter/budget_metrics.h"
#include "meter/budgets.h"
#include "meter/metering.h"
#include "meter/own_usage.h"
#include "policy/body_limits.h"
#include "policy/models.h"
#include "policy/scope.h"
#include "provider/upkeep.h"
#include "store/sqlite_keys.h"
#include "store/sqlite_leases.h"
#include "store/sqlite_ledger.h"
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
  net::Offload disk(2);    // what blocks on the disk on behalf of the house
  net::Offload urgent(1);  // the ends of keys, whatever else waits for the disk
  net::Offload mint(2);    // keys that strangers ask for: what they keep busy is theirs alone
  net::Offload news(1);    // hears what other processes change, whatever the disk is busy with
  net::Offload scan(2);    // what would hold up a gate thread: checking megabytes
  BodyMemory body_memory(config->http.body_memory_max);
  net::Resolver resolver;
  http::Counters gate_counters;

  auto settings = store::SqliteSettings::open(config->store);
  if (!settings) return serving.cannot("open the store", settings.error());
  auto key_store = store::SqliteKeys::open(config->store);
  if (!key_store) return serving.cannot("open the store", key_store.error());
  auto ring = keys::KeyRing::open(config->keys, **key_store, clock);
  if (!ring) return serving.cannot("load the keys", ring.error());
  const Result<void> kept = cli::budgets_kept(config->audit, **ring, clock.now());
  if (!kept) return serving.misconfigured(kept.error());
  auto places = geo::LocationTable::load(config->geo, clock.now());
  if (!places) return serving.cannot("load the location database", places.error());
  audit::PosixFileSystem files;
  auto record = cli::open_record(config->audit, clock, files);
  if (!record) return serving.cannot("open the journal", record.error());
  geo::PlacedRecorder recorder(record->port(), **places);  // each record says from where
  auto prices = meter::Prices::load(config->meter);
  if (!prices) return serving.cannot("load the prices", prices.error());
  Published<meter::Prices> price_table(*prices);
  auto ledger_store = store::SqliteLedger::open(config->store);
  if (!ledger_store) return serving.cannot("open the store", ledger_store.error());
  meter::Ledger ledger(clock, recorder);
  const auto journal = config->audit.enabled ? std::optional(config->audit.path) : std::nullopt;
  auto sinks = cli::open_sinks(*config, files, recorder, resolver, clock);
  if (!sinks) return serving.cannot("set up the receivers of records", sinks.error());
  const auto needed = [&] { return (*sinks)->needed_seq(); };
  auto courier = cli::open_courier(*record, clock, resolver, disk, needed);
  if (!courier) return serving.cannot("set up the witnesses of the log", courier.error());
  const Result<void> sums = cli::start_ledger(ledger, **ledger_store, journal, files);
  if (!sums) return serving.cannot("bring back what was spent", sums.error());
  cli::LedgerCheckpoints checkpoints(ledger, **ledger_store, recorder);
  meter::OwnUsageSums own_usage(clock.now());
  cli::read_back_usage(own_usage, config->audit, clock);
  auto leases = store::SqliteLeases::open(config->store);
  if (!leases) return serving.cannot("open the store", leases.error());
  auto upkeep = provider::Upkeep::make({.loop = house,
                                        .resolver = resolver,
                                        .disk = disk,
                                        .clock = clock,
                                        .recorder = recorder,
                                        .leases = **leases,
                                        .settings = **settings,
                                        .usage = own_usage},
                                       upstream::credentials_of(config->upstream), config->provider,
                                       config->meter.reconcile);
  if (!upkeep) return serving.cannot("set up the provider's credentials", upkeep.error());
  const auto tell_breaker = cli::breaker_recorder(recorder, clock);
  auto first_upstreams =
      upstream::Upstreams::build(config->upstream, tell_breaker, nullptr, upkeep->get());
  if (!first_upstreams) return serving.cannot("set up the upstreams", first_upstreams.error());
  Published<upstream::Upstreams> upstreams(*first_upstreams);
  const upstream::Upstreams* current = first_upstreams->get();
  auto strangers = cli::Strangers::make(*config, {.ring = **ring,
                                                  .recorder = recorder,
                                                  .resolver = resolver,
                                                  .verify = scan,
                                                  .mint = mint,
                                                  .urgent = urgent,
                                                  .clock = clock});
  if (!strangers) return serving.cannot("set up the exchange of identities", strangers.error());

  auto delivery = keys::KeyDelivery::make(config->keys.deliver, {resolver, disk, clock});
  if (!delivery) return serving.cannot("set up keys.deliver", delivery.error());
  keys::RotationSchedule rotation(config->keys.rotate, {**ring, **delivery, disk, recorder, clock});

  // ---- The gate: the way of a request, in order. Moving a line changes the security of the
  // product: read docs/journey.md first. On the way back the stages act in reverse order.
  const auto way_of = [&](std::shared_ptr<const config::Config> of) -> http::WayMaker {
    return [&, of](net::Loop& loop, http::Way& way) {
      way.keeps = of;
      way.refuse_without_record = of->audit.refuse_on_write_failure;
      way.outcome_synced = of->audit.outcome_synced;
      way.body_memory = &body_memory;
      (*strangers)->add_routes(way.routes);  // what callers without a key may ask
      auto& stages = way.stages;
      auto ask = std::make_unique<upstream::Ask>(loop, resolver, upstreams);
      stages.push_back(
          cli::must(keys::Identify::make(of->keys, **ring, clock, places->get(),
                                         (*strangers)->proofs())));  // whose request is this?
      stages.push_back(std::make_unique<policy::Scope>());           // may they ask this endpoint?
      stages.push_back(std::make_unique<http::ReadBody>(way.config, scan,
                                                        body_memory));  // whole, valid, bounded
      stages.push_back(std::make_unique<policy::Models>(of->policy));   // may they use this model?
      stages.push_back(std::make_unique<policy::BodyLimits>());         // hosted tools, streaming
      stages.push_back(own_usage.stage());                // sums for the reconciliation
      stages.push_back(std::make_unique<meter::Budgets>(  // can they pay for it?
          of->meter, meter::BudgetParts{.ledger = ledger,
                                        .prices = price_table,
                                        .counts = meter::exact_counts(),
                                        .recorder = recorder,
                                        .clock = clock,
                                        .provider_usage = (*upkeep)->spend(),
                                        .scan = &scan,
                                        .provider_count = ask.get()}));
      stages.push_back(std::make_unique<meter::Metering>(price_table));  // what did it use?
      if (of->audit.enabled) stages.push_back(std::make_unique<RecordIntent>(recorder, clock));
      stages.push_back(std::move(ask));
    };
  };
  const http::House hall{.clock = clock,
                         .recorder = config->audit.enabled ? &recorder : nullptr,
                         .revocations = ring->get(),
                         .counters = gate_counters};
  http::Gate gate(config->http, hall, way_of(config));

  // ---- The doors of the house: health, metrics, keys; never on the data port.
  const cli::HouseMetrics metrics(gate_counters, *record, **ring, upstreams);
  const meter::BudgetMetrics budget_metrics(ledger);
  const auto rooms = [&](admin::Routes& routes) {
    admin::add_budget_routes(routes, {ledger, recorder, clock, house, disk});
    admin::add_upstream_routes(routes, {**upkeep, clock});
    admin::add_sink_routes(routes, {**sinks, house});
    if (auto* keeper = record->keeper()) {
      admin::add_proof_routes(routes, {*keeper, recorder, clock, house, disk, needed});
    }
    if (config->admin.compatible_with.empty()) return;
    admin::add_litellm_routes(routes, {.loop = house,
                                       .offload = disk,
                                       .keys = **ring,
                                       .clock = clock,
                                       .acts = admin::KeyActs(**ring, recorder, clock),
                                       .rotation = admin::RotationActs(**ring, recorder, clock),
                                       .journal = journal.value_or(""),
                                       .spent = admin::spend_of(ledger),
                                       .urgent = &urgent});
  };
  auto admin =
      admin::AdminApi::make(config->admin, {.loop = house,
                                            .offload = disk,
                                            .keys = **ring,
                                            .recorder = recorder,
                                            .settings = **settings,
                                            .clock = clock,
                                            .metrics = {&metrics, &budget_metrics, sinks->get()},
                                            .health = {&metrics},
                                            .version = std::string(cli::kVersion),
                                            .resolver = &resolver,
                                            .delivery = delivery->get(),
                                            .urgent = &urgent,
                                            .more = {rooms}});
  if (!admin) return serving.cannot("open the admin listener", admin.error());
  const Result<void> doors = serving.open_doors(house, **admin, **settings);
  if (!doors) return serving.cannot("open the admin listener", doors.error());
  const Result<void> opened = gate.start();
  if (!opened) return serving.cannot("open the gate", opened.error());

  // ---- Until told to stop. SIGHUP brings a new configuration; a bad one changes nothing.
  const auto reload = [&] {
    std::shared_ptr<const config::Config> fresh = serving.reload();
    if (!fresh) return;
    auto next = upstream::Upstreams::build(fresh->upstream, tell_breaker, current, upkeep->get());
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
  (*upkeep)->start();
  (*sinks)->start();
  house.spawn((*strangers)->keep_fresh(house));
  house.spawn(rotation.run(house));
  if (*courier) house.spawn((*courier)->run(house));
  if (!call.has("check")) serving.run(house, signals, news, **ring, reload);  // until a signal
  (*upkeep)->stop();
  gate.stop();  // drains, then cuts
  scan.stop();  // nothing may speak to the gate's loops any more
  mint.stop();
  urgent.stop();
  disk.stop();
  news.stop();
  house.drop_tasks();  // before what they speak to
  record->stop();      // the last records are durable before the process ends
  (*sinks)->stop();    // what they have not sent, they send after the next start
  checkpoints.stop();  // and what was spent with them
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
