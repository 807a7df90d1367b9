// SPDX-License-Identifier: Apache-2.0
// The tables, as the list of steps that made them. A step that was released is never edited: the
// next change is a new step at the end.
#pragma once

#include <span>
#include <string_view>

namespace sallyport::store {

struct Migration {
  int id;  // 1, 2, 3 ...
  const char* sql;
};

std::span<const Migration> migrations();

}  // namespace sallyport::store
