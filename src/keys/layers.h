// SPDX-License-Identifier: Apache-2.0
// The tree above the keys: organisation > project > principal. A layer narrows what everything
// below it may do and spend; revoking it kills everything below without touching a row of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/restrictions.h"

namespace sallyport::keys {

// By the depth of the path: "acme", "acme/support", "acme/support/user_42".
enum class LayerKind { kOrganisation, kProject, kPrincipal };
std::string_view name(LayerKind kind);
// Nothing for a path that is none: 1 to 3 names of [A-Za-z0-9_.-]{1,64}, separated by '/'.
std::optional<LayerKind> layer_kind(std::string_view path);
std::string layer_account(std::string_view path);  // "project:acme/support"

// What is asked for when a layer is created or changed.
struct LayerSpec {
  std::string path;
  std::string owner;
  std::optional<UtcTime> expires_at;  // nothing below works after that
  Restrictions restrictions;
};

struct LayerInfo {
  std::string path;
  std::string owner;
  bool revoked = false;
  std::uint64_t version = 0;  // one count for keys and layers; set by the store; only grows
  UtcTime created_at{};
  std::string created_by;
  std::optional<UtcTime> expires_at;
  // Keys created, and derived tokens dated, before this moment are dead: everything issued before
  // an incident goes in one step. Only ever moves forward.
  std::optional<UtcTime> issued_before;
  std::optional<UtcTime> revoked_at;
  std::optional<std::string> revoked_by, revoked_why;
  Restrictions restrictions;
};

}  // namespace sallyport::keys
