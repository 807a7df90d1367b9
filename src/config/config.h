// SPDX-License-Identifier: Apache-2.0
// What the whole program may be told: one struct per room, filled from sallyport.yaml by load.h.
// The defaults stand in the rooms' own config.h; the names, units and limits of the file in
// fields.cc.
#pragma once

#include "admin/config.h"
#include "audit/config.h"
#include "geo/config.h"
#include "http/config.h"
#include "keys/config.h"
#include "meter/config.h"
#include "notify/config.h"
#include "policy/config.h"
#include "provider/config.h"
#include "store/config.h"
#include "upstream/config.h"

namespace sallyport::config {

// Moves, does not copy: it holds secrets. Threads share it as shared_ptr<const Config>.
struct Config {
  http::Config http;
  keys::Config keys;
  policy::Config policy;
  geo::Config geo;
  meter::Config meter;
  upstream::Config upstream;
  provider::Config provider;
  audit::Config audit;
  notify::Config notify;
  store::Config store;
  admin::Config admin;
};

}  // namespace sallyport::config
