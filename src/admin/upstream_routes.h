// SPDX-License-Identifier: Apache-2.0
// The public documents of our own identity, /admin/v1/upstreams and /admin/v1/usage/reconciliation:
// the credentials shown to providers, their renewal, and the provider's usage beside ours. All on
// the house's loop, where the upkeep lives.
#pragma once

#include "admin/routes.h"
#include "base/clock.h"
#include "provider/upkeep.h"

namespace sallyport::admin {

// Both outlive the routes.
struct UpstreamRouteParts {
  provider::Upkeep& upkeep;
  const Clock& clock;
};
void add_upstream_routes(Routes& routes, UpstreamRouteParts parts);

}  // namespace sallyport::admin
