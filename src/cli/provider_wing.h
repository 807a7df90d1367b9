// SPDX-License-Identifier: Apache-2.0
// The other side: which upstreams there are, and the credentials that open them.
#pragma once

#include <memory>

#include "base/published.h"
#include "cli/ground.h"
#include "config/config.h"
#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"
#include "event/ports/usage.h"
#include "provider/upkeep.h"
#include "store/sqlite_leases.h"
#include "upstream/breaker.h"
#include "upstream/upstreams.h"

namespace sallyport::cli {

class ProviderWing {
 public:
  // What is passed outlives it.
  static Opened<std::unique_ptr<ProviderWing>> open(const config::Config& config, Ground ground,
                                                    Recorder& recorder, SettingStore& settings,
                                                    const OwnUsage& passed);

  provider::Upkeep& upkeep() { return *upkeep_; }
  const Published<upstream::Upstreams>& upstreams() const { return *upstreams_; }

  // The upstreams of another configuration; what outlives a reload (breakers, counters) is kept.
  Result<std::shared_ptr<const upstream::Upstreams>> prepare(const upstream::Config& config) const;
  void take(std::shared_ptr<const upstream::Upstreams> next);

 private:
  ProviderWing() = default;

  std::unique_ptr<store::SqliteLeases> leases_;
  std::unique_ptr<provider::Upkeep> upkeep_;
  upstream::Breaker::Observer tell_breaker_;
  std::shared_ptr<const upstream::Upstreams> current_;
  std::unique_ptr<Published<upstream::Upstreams>> upstreams_;
};

}  // namespace sallyport::cli
