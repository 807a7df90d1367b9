// SPDX-License-Identifier: Apache-2.0
// What rows of several tables have in common.
#pragma once

#include <string>
#include <utility>

#include "event/restrictions.h"

namespace sallyport::store {

// False: what cannot be read must not be taken for "allowed"; the row is damaged.
inline bool read_restrictions(const std::string& json, Restrictions& into) {
  if (json == "{}") return true;  // the most of them
  Result<Restrictions> read = parse_restrictions(json);
  if (read) into = std::move(*read);
  return read.has_value();
}

}  // namespace sallyport::store
