// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.h"

namespace sallyport::cli {

int audit_query(const Invocation& call, const Programs&) {
  return complain(call, kFailed, "not_in_this_build", "audit query is not in this build");
}

int audit_verify(const Invocation& call, const Programs&) {
  return complain(call, kFailed, "not_in_this_build", "audit verify is not in this build");
}

}  // namespace sallyport::cli
