// SPDX-License-Identifier: Apache-2.0
// /admin/v1/token(s), /admin/v1/me, /admin/v1/logout: who may come in, and who am I.
#pragma once

#include "admin/access.h"
#include "admin/routes.h"
#include "event/ports/recorder.h"

namespace sallyport::admin {

// All outlive the routes.
struct TokenRouteParts {
  Access& access;
  net::Loop& loop;
  net::Offload& offload;
  SettingStore& settings;
  Recorder& recorder;
  const Clock& clock;
};
void add_token_routes(Routes& routes, TokenRouteParts parts);

}  // namespace sallyport::admin
