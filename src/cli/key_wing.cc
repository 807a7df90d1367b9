// SPDX-License-Identifier: Apache-2.0
#include "cli/key_wing.h"

#include <utility>

#include "cli/ledger_start.h"

namespace sallyport::cli {

Opened<std::unique_ptr<KeyWing>> KeyWing::open(const config::Config& config, Ground ground,
                                               RecordWing& record, SettingStore& settings) {
  Recorder& recorder = record.recorder();
  std::unique_ptr<KeyWing> wing(new KeyWing(ground));
  auto store = store::SqliteKeys::open(config.store);
  if (!store) return cannot("open the store", store.error());
  wing->store_ = std::move(*store);
  auto ring = keys::KeyRing::open(config.keys, *wing->store_, ground.clock);
  if (!ring) return cannot("load the keys", ring.error());
  wing->ring_ = std::move(*ring);
  const Result<void> kept = budgets_kept(config.audit, *wing->ring_, ground.clock.now());
  if (!kept) {
    return std::unexpected(Failed{.step = "start", .why = kept.error(), .misconfigured = true});
  }
  if (record.enabled()) {
    const auto ended =
        replay_ends(*wing->ring_, settings, *record.journal(), ground.files, ground.clock.now());
    if (!ended) return cannot("bring back what was revoked", ended.error());
    wing->ends_.emplace(*wing->ring_, settings, recorder);
  }
  auto strangers = Strangers::make(config, {.ring = *wing->ring_,
                                            .recorder = recorder,
                                            .resolver = ground.resolver,
                                            .verify = ground.work.scan,
                                            .mint = ground.work.mint,
                                            .urgent = ground.work.urgent,
                                            .clock = ground.clock});
  if (!strangers) return cannot("set up the exchange of identities", strangers.error());
  wing->strangers_ = std::move(*strangers);
  auto delivery = keys::KeyDelivery::make(config.keys.deliver,
                                          {ground.resolver, ground.work.disk, ground.clock});
  if (!delivery) return cannot("set up keys.deliver", delivery.error());
  wing->delivery_ = std::move(*delivery);
  wing->rotation_.emplace(config.keys.rotate,
                          keys::RotationSchedule::Parts{*wing->ring_, *wing->delivery_,
                                                        ground.work.disk, recorder, ground.clock});
  return wing;
}

void KeyWing::start() {
  ground_.house.spawn(strangers_->keep_fresh(ground_.house));
  ground_.house.spawn(rotation_->run(ground_.house));
}

void KeyWing::stop() {
  if (ends_) ends_->stop();
}

}  // namespace sallyport::cli
