// SPDX-License-Identifier: Apache-2.0
// LiteLLM's routes for keys and spending, for scripts that move over (docs/moving-from-litellm.md).
// A thin layer over the same acts, roles and records as our own routes; with an admin token only:
// no gateway key can mint, whatever it may do at the gate.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "admin/key_acts.h"
#include "admin/rotation_acts.h"
#include "admin/routes.h"
#include "base/clock.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct LitellmParts {
  net::Loop& loop;
  net::Offload& offload;
  keys::KeyRing& keys;
  const Clock& clock;
  KeyActs acts;
  RotationActs rotation;
  std::string journal = {};  // audit::Config::path; empty: nothing is recorded, nothing to read
  // What was spent under a key's name, in USD; empty: nobody knows.
  std::function<std::optional<double>(const std::string& key_name)> spent = {};
  net::Offload* urgent = nullptr;  // for the ends of keys; null: `offload`
};
void add_litellm_routes(Routes& routes, LitellmParts parts);

}  // namespace sallyport::admin
