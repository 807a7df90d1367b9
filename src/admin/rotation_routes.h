// SPDX-License-Identifier: Apache-2.0
// /admin/v1/keys/{key}/rotate, /admin/v1/keys/{key}/tokens/{tid}/revoke, /admin/v1/keys/which.
#pragma once

#include "admin/rotation_acts.h"
#include "admin/routes.h"
#include "base/clock.h"
#include "keys/key_delivery.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct RotationRouteParts {
  net::Loop& loop;
  net::Offload& offload;
  keys::KeyRing& keys;
  const keys::KeyDelivery* delivery;  // null: nothing is delivered
  const Clock& clock;
  RotationActs acts;
  net::Offload* urgent = nullptr;  // for the ends of tokens; null: `offload`
};
void add_rotation_routes(Routes& routes, RotationRouteParts parts);

}  // namespace sallyport::admin
