// SPDX-License-Identifier: Apache-2.0
// Live streams hear here that their key died (revoked or expired) while they were under way.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "event/principal.h"

namespace sallyport {

class Revocations {
 public:
  virtual ~Revocations() = default;
  virtual std::uint64_t version() const = 0;  // moves with every change of the key ring; cheap
  virtual bool alive(std::string_view kid, UtcTime now) const = 0;  // any thread; takes a lock
  // The credential itself: of a derived token more can end than its key.
  virtual bool alive(const Principal& who, UtcTime now) const { return alive(who.kid, now); }
};

}  // namespace sallyport
