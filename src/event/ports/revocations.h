// SPDX-License-Identifier: Apache-2.0
// Live streams hear here that their key died (revoked or expired) while they were under way.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace sallyport {

class Revocations {
 public:
  virtual ~Revocations() = default;
  virtual std::uint64_t version() const = 0;  // moves with every change of the key ring; cheap
  virtual bool alive(std::string_view kid, UtcTime now) const = 0;  // any thread; takes a lock
};

}  // namespace sallyport
