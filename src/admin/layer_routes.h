// SPDX-License-Identifier: Apache-2.0
// /admin/v1/layers: create, change, apply a tree, list, show, revoke, reissue.
#pragma once

#include "admin/layer_acts.h"
#include "admin/routes.h"
#include "base/clock.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct LayerRouteParts {
  net::Loop& loop;
  net::Offload& offload;
  keys::KeyRing& keys;
  const Clock& clock;
  LayerActs acts;
  net::Offload* urgent = nullptr;  // for the ends of layers; null: `offload`
};
void add_layer_routes(Routes& routes, LayerRouteParts parts);

}  // namespace sallyport::admin
