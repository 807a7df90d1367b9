// SPDX-License-Identifier: Apache-2.0
// Who pays for a call on the data API.
#pragma once

#include <string>

namespace sallyport::sim {

// A key that nobody made here (where any is accepted) has an id that follows from its text.
struct Caller {
  std::string key_id = {};  // empty: a federated token has no key
  std::string project = {};
  std::string user = {};  // a person or a service account
};

}  // namespace sallyport::sim
