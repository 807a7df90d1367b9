// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace sallyport::policy {

struct Config {
  std::vector<std::string> models_allow;  // exact or prefix with *; empty = all
};

}  // namespace sallyport::policy
