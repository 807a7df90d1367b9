// SPDX-License-Identifier: Apache-2.0
// What one field alone cannot know: fields that need or exclude each other.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "config/problem.h"

namespace sallyport::config {

// With the field's own place, else that of the nearest section that stands in the file.
Problem problem_at(const Positions& where, std::string field, std::string message);

// `secrets`: references to secrets were followed; otherwise those fields are empty on purpose.
void check_together(const Config& config, const Positions& where, bool secrets,
                    std::vector<Problem>& problems, std::vector<Problem>& warnings);

}  // namespace sallyport::config
