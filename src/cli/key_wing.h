// SPDX-License-Identifier: Apache-2.0
// Keys and everybody who makes, ends, renews or brings them.
#pragma once

#include <memory>
#include <optional>

#include "cli/ends_start.h"
#include "cli/ground.h"
#include "cli/record_wing.h"
#include "cli/strangers.h"
#include "config/config.h"
#include "event/ports/setting_store.h"
#include "keys/key_delivery.h"
#include "keys/key_ring.h"
#include "keys/rotation_schedule.h"
#include "store/sqlite_keys.h"

namespace sallyport::cli {

class KeyWing {
 public:
  // What ended in the record although the store never heard of it is in force again. What is
  // passed outlives it.
  static Opened<std::unique_ptr<KeyWing>> open(const config::Config& config, Ground ground,
                                               RecordWing& record, SettingStore& settings);

  keys::KeyRing& ring() { return *ring_; }
  Strangers& strangers() { return *strangers_; }
  const keys::KeyDelivery& delivery() const { return *delivery_; }

  void start();  // issuers' keys are kept fresh, keys are rotated by schedule
  void stop();   // after the record: how far its ends are in the store

 private:
  explicit KeyWing(Ground ground) : ground_(ground) {}

  Ground ground_;
  std::unique_ptr<store::SqliteKeys> store_;
  std::unique_ptr<keys::KeyRing> ring_;
  std::optional<EndsMark> ends_;  // none: there is no journal
  std::unique_ptr<Strangers> strangers_;
  std::unique_ptr<keys::KeyDelivery> delivery_;
  std::optional<keys::RotationSchedule> rotation_;
};

}  // namespace sallyport::cli
