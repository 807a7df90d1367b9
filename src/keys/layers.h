// SPDX-License-Identifier: Apache-2.0
// The tree above the keys: organisation > project > principal. A layer narrows what everything
// below it may do and spend; revoking it kills everything below without touching a row of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
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
std::string layer_account(std::string_view path);      // "project:acme/support"
std::string_view layer_parent(std::string_view path);  // "acme" of "acme/support"; empty: none
inline constexpr std::string_view kLayerPathForm =
    "1 to 3 names of 1 to 64 characters of A-Z a-z 0-9 _ . -, separated by '/'";

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

// "active", "expired" or "revoked", of the layer alone: what a list shows.
std::string_view status(const LayerInfo& layer, UtcTime now);

// What can be said about a spec without knowing the tree: kInvalid with a sentence that says what.
Result<void> check_layer_spec(const LayerSpec& spec);

struct PutLayer {
  LayerInfo layer;
  std::optional<LayerInfo> before;    // none: it is new
  std::vector<std::string> warnings;  // what it states beyond its parent, and will not get
};

// What a layer gives to those below it.
struct Gives {
  std::string path;
  const Restrictions* restrictions = nullptr;  // outlives the question
  std::optional<UtcTime> expires_at = {};
};
// Where a child, which ends at `child_end`, states more than the layers above it have, the nearest
// first; it never gets it. One sentence for each member, with the nearest layer that has less;
// silence where patterns cannot be compared.
std::vector<std::string> wider_than(const Restrictions& child, std::optional<UtcTime> child_end,
                                    std::span<const Gives> layers);

}  // namespace sallyport::keys
