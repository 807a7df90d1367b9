// SPDX-License-Identifier: Apache-2.0
// /admin/v1/keys: create, list, show, change, pause, revoke; and all keys of one identity mapping.
#pragma once

#include "admin/key_acts.h"
#include "admin/routes.h"
#include "base/clock.h"
#include "keys/key_ring.h"
#include "net/loop.h"
#include "net/offload.h"

namespace sallyport::admin {

// All outlive the routes.
struct KeyRouteParts {
  net::Loop& loop;
  net::Offload& offload;
  keys::KeyRing& keys;
  const Clock& clock;
  KeyActs acts;
  net::Offload* urgent = nullptr;  // for the ends of keys; null: `offload`
};
void add_key_routes(Routes& routes, KeyRouteParts parts);

// What an Error of KeyActs is to the caller of the API: of a creation, and of what is done to keys
// that are there (`invalid` is then the code of a bad request).
net::ServerResponse key_error_answer(const Error& error);
net::ServerResponse key_change_error_answer(const Error& error, std::string_view invalid);

}  // namespace sallyport::admin
