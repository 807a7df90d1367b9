// SPDX-License-Identifier: Apache-2.0
// The part of the table of fields (fields.h) that is about derived tokens, rotation and delivery.
#pragma once

#include <vector>

#include "config/fields.h"

namespace sallyport::config {

std::vector<Field> rotation_fields();

}  // namespace sallyport::config
