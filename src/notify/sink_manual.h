// SPDX-License-Identifier: Apache-2.0
// The generated part of docs/sinks.md, from the table of sinks and that of formats.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::notify {

inline constexpr std::string_view kManualBegin = "<!-- from the table of sinks -->\n";
inline constexpr std::string_view kManualEnd = "<!-- end of the table -->\n";

std::string sinks_manual();

}  // namespace sallyport::notify
