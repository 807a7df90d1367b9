// SPDX-License-Identifier: Apache-2.0
// Whose request this is: what a valid key says about its holder. An immutable part of a key
// snapshot.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sallyport {

struct Principal {
  std::string api_key_id;  // stable name, outlives rotations
  std::string kid;         // the credential of the day
  UtcTime expires_at{};
  std::vector<std::string> endpoints;   // "POST /v1/responses", "GET /v1/models/*"; empty = all
  std::vector<std::string> models;      // exact, or a prefix that ends in '*'; empty = all
  std::optional<std::string> upstream;  // name of the upstream this key must use
  bool may_name_organization = false;   // OpenAI-Organization / OpenAI-Project of the client pass
  std::vector<std::string> modules;     // what X-Sallyport-Module may say
  std::vector<std::string> purposes;
  std::string module = "unlisted";  // when the client names none
  std::string purpose = "unlisted";
};

}  // namespace sallyport
