// SPDX-License-Identifier: Apache-2.0
// Bindings: what a caller must show beside the secret, so that a stolen key alone is worth little.
#pragma once

#include <optional>

#include "event/ports/geography.h"
#include "event/restrictions.h"
#include "keys/key_fault.h"

namespace sallyport::keys {

// One request against the restrictions of every layer of its key; the location is looked up once
// at most. `shown` outlives it.
class Bindings {
 public:
  explicit Bindings(const Presented& shown) : shown_(shown) {}

  // kNone, or the first binding that is not satisfied.
  KeyFault fault(const Restrictions& restrictions);

 private:
  const Location& location();

  const Presented& shown_;
  std::optional<Location> location_;
};

}  // namespace sallyport::keys
