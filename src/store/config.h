// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace sallyport::store {

struct Config {
  std::string type = "sqlite";                           // the only one in this version
  std::string path = "/var/lib/sallyport/sallyport.db";  // SQLite, WAL
};

}  // namespace sallyport::store
