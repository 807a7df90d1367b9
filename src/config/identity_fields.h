// SPDX-License-Identifier: Apache-2.0
// The part of the table of fields (fields.h) that is about identities without static keys.
#pragma once

#include <vector>

#include "config/fields.h"

namespace sallyport::config {

std::vector<Field> identity_exchange_fields();
std::vector<Field> leak_report_fields();

}  // namespace sallyport::config
