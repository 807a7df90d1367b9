// SPDX-License-Identifier: Apache-2.0
// /admin/v1/sessions: who is logged in with a browser; ending sessions of others. A person who
// left, or whose browser was stolen, is out with the next request, not after eight hours.
#pragma once

#include "admin/access.h"
#include "admin/routes.h"

namespace sallyport::admin {

// `access` outlives the routes.
void add_session_routes(Routes& routes, Access& access);

}  // namespace sallyport::admin
