// SPDX-License-Identifier: Apache-2.0
// What somebody who is let in may do. Each role may do all that the ones before it may.
#pragma once

#include <optional>
#include <string_view>

namespace sallyport::admin {

enum class Role {
  kViewer,    // reads
  kOperator,  // acts on keys, blocks and incidents
  kAdmin,     // decides who else may
};

std::string_view name(Role role);
std::optional<Role> parse_role(std::string_view text);

}  // namespace sallyport::admin
