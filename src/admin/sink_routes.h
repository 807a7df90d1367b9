// SPDX-License-Identifier: Apache-2.0
// /admin/v1/sinks: the receivers of records, how far each is, a test, and going on or back.
#pragma once

#include "admin/routes.h"
#include "net/loop.h"
#include "notify/sink_runner.h"

namespace sallyport::admin {

// Both outlive the routes. `loop`: the one the routes are answered on.
struct SinkRouteParts {
  notify::Sinks& sinks;
  net::Loop& loop;
};
void add_sink_routes(Routes& routes, SinkRouteParts parts);

}  // namespace sallyport::admin
