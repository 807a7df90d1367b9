// SPDX-License-Identifier: Apache-2.0
// Where on the network is an address? Asked by `keys` for bindings and where records are made;
// answered by `geo`, from files of the operator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip_address.h"

namespace sallyport {

struct Location {
  std::optional<std::string> country;  // ISO 3166-1 alpha-2
  std::optional<std::int64_t> asn;     // autonomous system number
  std::optional<std::string> network;  // its name, at most 64 bytes
};

class Geography {
 public:
  virtual ~Geography() = default;
  virtual Location locate(const IpAddress& address) const = 0;  // any thread; no disk, no lock
};

}  // namespace sallyport
