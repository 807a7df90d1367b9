// SPDX-License-Identifier: Apache-2.0
// The rows of the command table that are about the provider's credentials and usage.
#pragma once

#include <vector>

#include "cli/commands.h"

namespace sallyport::cli {

std::vector<Command> upstream_commands();

int upstream_list(const Invocation& call, const Programs& programs);
int upstream_rotate(const Invocation& call, const Programs& programs);
int upstream_jwks(const Invocation& call, const Programs& programs);
int usage_reconcile(const Invocation& call, const Programs& programs);

}  // namespace sallyport::cli
