// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sallyport::meter {

struct Config {
  std::string prices = "builtin";  // or a path to a price table (docs/prices.md)
};

}  // namespace sallyport::meter
