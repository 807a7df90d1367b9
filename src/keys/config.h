// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "base/secret.h"

namespace sallyport::keys {

struct Config {
  bool required = true;  // false: an open gate, for measurements only; doctor says so
  Secret pepper;         // 32 bytes or more; keys the MACs at rest
  std::chrono::milliseconds life = std::chrono::hours(8);
  std::chrono::milliseconds life_max = std::chrono::hours(24);
};

}  // namespace sallyport::keys
