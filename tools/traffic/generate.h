// SPDX-License-Identifier: Apache-2.0
// A whole log and its truth from one seed.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "world.h"

namespace sallyport::traffic {

World generate(const Options& options);  // lines in the order of time

using Write = std::function<void(std::string_view bytes)>;
void write_log(const World& world, const Write& write);  // in pieces of about a megabyte

// JSON lines: attacks first, then what is benign.
std::string truth_text(const World& world);

}  // namespace sallyport::traffic
