// SPDX-License-Identifier: Apache-2.0
// Whose request this is: what a valid key says about its holder. An immutable part of a key
// snapshot.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/restrictions.h"

namespace sallyport {

// One node of the tree organisation > project > principal > key > derived token, as a request sees
// it: a chain from the innermost outwards.
struct Layer {
  std::shared_ptr<const Layer> parent;  // null: the outermost
  // The name under which spending is booked; unique in the installation and stable over rotations:
  // "organisation:acme", "project:acme/support", "principal:acme/support/user_42",
  // "key:user_42_readonly", "token:<kid>.<tid>" (whoever makes a token chooses its tid).
  std::string account;
  Restrictions restrictions;
};

struct Principal {
  std::string api_key_id;                   // stable name, outlives rotations
  std::string kid;                          // the credential of the day
  std::optional<std::string> tid = {};      // of a derived token
  std::optional<UtcTime> dated_at = {};     // of a derived token: when its maker says he made it
  UtcTime expires_at{};                     // the earliest end of the whole chain
  std::shared_ptr<const Layer> layer = {};  // innermost; null only for an open gate
  std::string layer_path = {};          // "acme/support/user_42"; empty: the key hangs on no layer
  std::optional<std::string> upstream;  // name of the upstream this key must use
  bool may_name_organization = false;   // OpenAI-Organization / OpenAI-Project of the client pass
  std::vector<std::string> modules;     // what X-Sallyport-Module may say
  std::vector<std::string> purposes;
  std::string module = "unlisted";  // when the client names none
  std::string purpose = "unlisted";
};

// Calls `visit(const Restrictions&)` from the innermost layer outwards until it answers false.
// True if every one was satisfied.
template <typename Visit>
bool every_layer(const Principal& principal, Visit visit) {
  for (const Layer* layer = principal.layer.get(); layer != nullptr; layer = layer->parent.get()) {
    if (!visit(layer->restrictions)) return false;
  }
  return true;
}

}  // namespace sallyport
