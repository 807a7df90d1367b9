// SPDX-License-Identifier: Apache-2.0
// What may be changed of a key that is issued, and what it is afterwards. Name, layer, secret and
// derivation stay for the key's whole life: budgets, records and holders hang on them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "keys/key_info.h"

namespace sallyport::keys {

// What is absent stays.
struct KeyChange {
  std::optional<std::string> owner, module, purpose;
  std::optional<std::vector<std::string>> modules, purposes;
  std::optional<std::optional<std::string>> upstream;  // the inner none: any upstream
  std::optional<bool> may_name_organization;
  std::optional<std::optional<UtcTime>> not_before;  // the inner none: at once
  std::optional<UtcTime> expires_at;
  // Member of the written form (event/restrictions.h) -> its JSON, which takes the place of what
  // the key had; "null" lifts it.
  std::map<std::string, std::string, std::less<>> restrictions;

  bool empty() const;
};

struct UpdatedKey {
  KeyInfo before, after;
  std::vector<std::string> warnings;  // what it states beyond its layer, and will not get
};

// The key with the change in it. kInvalid names the member that is wrong. What a change of the end
// may be is the ring's to say; of a key that is being replaced it only comes nearer.
Result<KeyInfo> changed(KeyInfo key, const KeyChange& change);

}  // namespace sallyport::keys
