// SPDX-License-Identifier: Apache-2.0
// The whole program: the house it stands on, the gate and the way of a request, the doors for
// operators. The watch (detect, respond) joins behind the journal when its rooms are built.
#include <memory>

#include "admin/admin_api.h"
#include "admin/budget_routes.h"
#include "admin/litellm_routes.h"
#include "admin/litellm_spend.h"
#include "admin/upstream_routes.h"
#include "cli/commands.h"
#include "cli/house_metrics.h"
#include "cli/key_wing.h"
#include "cli/money_wing.h"
#include "cli/provider_wing.h"
#include "cli/record_wing.h"
#include "cli/serving.h"
#include "exchange/record.h"
#include "geo/location_table.h"
#include "http/gate.h"
#include "http/read_body.h"
#include "keys/identify.h"
#include "meter/metering.h"
#include "policy/body_limits.h"
#include "policy/models.h"
#include "policy/scope.h"
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
  audit::PosixFileSystem files;
  cli::Workers work;
  net::Resolver resolver;
  const cli::Ground ground{clock, house, work, resolver, files};
  BodyMemory body_memory(config->http.body_memory_max);
  http::Counters gate_counters;
  auto settings = store::SqliteSettings::open(config->store);
  if (!settings) return serving.cannot("open the store", settings.error());
  auto places = geo::LocationTable::load(config->geo, clock.now());
  if (!places) return serving.cannot("load the location database", places.error());

  auto record = cli::RecordWing::open(*config, ground, **places);  // and what is made from it
  if (!record) return serving.cannot(record.error());
  Recorder& recorder = (*record)->recorder();
  auto keys = cli::KeyWing::open(*config, ground, **record, **settings);  // and who makes them
  if (!keys) return serving.cannot(keys.error());
  keys::KeyRing& ring = (*keys)->ring();
  cli::Strangers& strangers = (*keys)->strangers();
  auto money = cli::MoneyWing::open(*config, ground, **record);  // prices, budgets, sums
  if (!money) return serving.cannot(money.error());
  auto provider = cli::ProviderWing::open(*config, ground, recorder, **settings,
                                          (*money)->own_usage());  // upstreams and credentials
  if (!provider) return serving.cannot(provider.error());
  provider::Upkeep& upkeep = (*provider)->upkeep();

  // ---- The gate: the way of a request, in order. Moving a line changes the security of the
  // product: read docs/journey.md first. On the way back the stages act in reverse order.
  const auto way_of = [&](std::shared_ptr<const config::Config> of) -> http::WayMaker {
    return [&, of](net::Loop& loop, http::Way& way) {
      way.keeps = of;
      way.refuse_without_record = of->audit.refuse_on_write_failure;
      way.outcome_synced = of->audit.outcome_synced;
      way.body_memory = &body_memory;
      strangers.add_routes(way.routes);  // what callers without a key may ask
      auto& stages = way.stages;
      auto ask = std::make_unique<upstream::Ask>(loop, resolver, (*provider)->upstreams());
      stages.push_back(cli::must(keys::Identify::make(
          of->keys, ring, clock, places->get(), strangers.proofs())));  // whose request is this?
      stages.push_back(std::make_unique<policy::Scope>());  // may they ask this endpoint?
      stages.push_back(std::make_unique<http::ReadBody>(way.config, work.scan,
                                                        body_memory));  // whole, valid, bounded
      stages.push_back(std::make_unique<policy::Models>(of->policy));   // may they use this model?
      stages.push_back(std::make_unique<policy::BodyLimits>());         // hosted tools, streaming
      stages.push_back((*money)->own_usage().stage());  // sums for the reconciliation
      stages.push_back((*money)->budgets(*of, upkeep.spend(), ask.get()));  // can they pay for it?
      stages.push_back(std::make_unique<meter::Metering>((*money)->prices()));  // what did it use?
      if (of->audit.enabled) stages.push_back(std::make_unique<RecordIntent>(recorder, clock));
      stages.push_back(std::move(ask));
    };
  };
  const http::House hall{.clock = clock,
                         .recorder = config->audit.enabled ? &recorder : nullptr,
                         .revocations = &ring,
                         .counters = gate_counters};
  http::Gate gate(config->http, hall, way_of(config));

  // ---- The doors of the house: health, metrics, keys; never on the data port.
  const cli::HouseMetrics metrics(gate_counters, (*record)->record(), ring,
                                  (*provider)->upstreams());
  const auto rooms = [&](admin::Routes& routes) {
    admin::add_budget_routes(routes, {(*money)->ledger(), recorder, clock, house, work.disk});
    admin::add_upstream_routes(routes, {upkeep, clock});
    (*record)->add_routes(routes, (*money)->ledger());
    if (config->admin.compatible_with.empty()) return;
    admin::add_litellm_routes(routes, {.loop = house,
                                       .offload = work.disk,
                                       .keys = ring,
                                       .clock = clock,
                                       .acts = admin::KeyActs(ring, recorder, clock),
                                       .rotation = admin::RotationActs(ring, recorder, clock),
                                       .journal = (*record)->journal().value_or(""),
                                       .spent = admin::spend_of((*money)->ledger()),
                                       .urgent = &work.urgent});
  };
  const std::vector<const MetricSource*> counted{&metrics, &(*money)->metrics(),
                                                 &(*record)->sinks(), &(*record)->traffic()};
  auto admin = admin::AdminApi::make(config->admin, {.loop = house,
                                                     .offload = work.disk,
                                                     .keys = ring,
                                                     .recorder = recorder,
                                                     .settings = **settings,
                                                     .clock = clock,
                                                     .metrics = counted,
                                                     .health = {&metrics},
                                                     .version = std::string(cli::kVersion),
                                                     .resolver = &resolver,
                                                     .delivery = &(*keys)->delivery(),
                                                     .urgent = &work.urgent,
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
    auto next = (*provider)->prepare(fresh->upstream);
    auto table = meter::Prices::load(fresh->meter);
    if (!next) return serving.keep("upstream", next.error());
    if (!table) return serving.keep("meter.prices", table.error());
    const Result<void> who = strangers.take(*fresh);  // before the ways that have its routes
    if (!who) return serving.keep("keys.identity_exchange", who.error());
    const Result<void> taken = gate.reload(fresh->http, way_of(fresh));
    if (!taken) return serving.keep("http", taken.error());
    const Result<void> lives = ring.take(fresh->keys);
    if (!lives) return serving.keep("keys", lives.error());
    body_memory.limit(fresh->http.body_memory_max);
    (*money)->prices().publish(*table);
    (*provider)->take(*next);
    serving.took();
  };
  serving.welcome(gate.addresses(), admin::KeyActs(ring, recorder, clock));
  upkeep.start();
  (*record)->start(counted);
  (*keys)->start();
  if (!call.has("check")) serving.run(house, signals, work.news, ring, reload);  // until a signal
  upkeep.stop();
  gate.stop();         // drains, then cuts
  work.stop();         // nothing may speak to the loops any more
  house.drop_tasks();  // before what they speak to
  (*record)->stop();   // the last records are durable before the process ends
  (*keys)->stop();     // and what ended with them
  (*money)->stop();    // and what was spent
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
