// SPDX-License-Identifier: Apache-2.0
#include "admin/role.h"

namespace sallyport::admin {

std::string_view name(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kOperator:
      return "operator";
    case Role::kAdmin:
      return "admin";
  }
  return "unknown";
}

std::optional<Role> parse_role(std::string_view text) {
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    if (text == name(role)) return role;
  }
  return std::nullopt;
}

}  // namespace sallyport::admin
