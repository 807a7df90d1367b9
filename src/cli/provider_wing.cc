// SPDX-License-Identifier: Apache-2.0
#include "cli/provider_wing.h"

#include <utility>

#include "cli/serving.h"

namespace sallyport::cli {

Opened<std::unique_ptr<ProviderWing>> ProviderWing::open(const config::Config& config,
                                                         Ground ground, Recorder& recorder,
                                                         SettingStore& settings,
                                                         const OwnUsage& passed) {
  std::unique_ptr<ProviderWing> wing(new ProviderWing);
  auto leases = store::SqliteLeases::open(config.store);
  if (!leases) return cannot("open the store", leases.error());
  wing->leases_ = std::move(*leases);
  auto upkeep = provider::Upkeep::make({.loop = ground.house,
                                        .resolver = ground.resolver,
                                        .disk = ground.work.disk,
                                        .clock = ground.clock,
                                        .recorder = recorder,
                                        .leases = *wing->leases_,
                                        .settings = settings,
                                        .usage = passed},
                                       upstream::credentials_of(config.upstream), config.provider,
                                       config.meter.reconcile);
  if (!upkeep) return cannot("set up the provider's credentials", upkeep.error());
  wing->upkeep_ = std::move(*upkeep);
  wing->tell_breaker_ = breaker_recorder(recorder, ground.clock);
  auto first = wing->prepare(config.upstream);
  if (!first) return cannot("set up the upstreams", first.error());
  wing->current_ = *first;
  wing->upstreams_ = std::make_unique<Published<upstream::Upstreams>>(*first);
  return wing;
}

Result<std::shared_ptr<const upstream::Upstreams>> ProviderWing::prepare(
    const upstream::Config& config) const {
  return upstream::Upstreams::build(config, tell_breaker_, current_.get(), upkeep_.get());
}

void ProviderWing::take(std::shared_ptr<const upstream::Upstreams> next) {
  upstreams_->publish(next);
  current_ = std::move(next);
}

}  // namespace sallyport::cli
