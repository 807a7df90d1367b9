// SPDX-License-Identifier: Apache-2.0
// The part of the table of fields (fields.h) that is about the provable log.
#pragma once

#include <vector>

#include "config/fields.h"

namespace sallyport::config {

std::vector<Field> provable_log_fields();

}  // namespace sallyport::config
