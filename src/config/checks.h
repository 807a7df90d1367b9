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

using Positions = std::map<std::string, std::pair<int, int>>;  // field or section -> line, column

// `secrets`: references to secrets were followed; otherwise those fields are empty on purpose.
void check_together(const Config& config, const Positions& where, bool secrets,
                    std::vector<Problem>& problems, std::vector<Problem>& warnings);

}  // namespace sallyport::config
