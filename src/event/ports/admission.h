// SPDX-License-Identifier: Apache-2.0
// May this address talk at all? Asked by `http` before a head is parsed; answered by `policy`.
#pragma once

#include "base/clock.h"
#include "base/ip_address.h"

namespace sallyport {

class Admission {
 public:
  virtual ~Admission() = default;
  virtual bool blocked(const IpAddress& source, UtcTime now) const = 0;  // any thread; cheap
};

}  // namespace sallyport
