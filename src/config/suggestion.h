// SPDX-License-Identifier: Apache-2.0
// "Did you mean": the known word nearest to a mistyped one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::config {

// Insertions, deletions, replacements and swaps of neighbours between two short words (cut at 64
// bytes).
int edit_distance(std::string_view a, std::string_view b);

// Nothing when no word is near enough to be a typing error (more than a third of its letters
// differ).
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

}  // namespace sallyport::config
