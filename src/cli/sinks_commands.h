// SPDX-License-Identifier: Apache-2.0
// The rows of the command table that are about receivers of records.
#pragma once

#include <vector>

#include "cli/commands.h"

namespace sallyport::cli {

std::vector<Command> sinks_commands();

int sinks_list(const Invocation& call, const Programs& programs);
int sinks_test(const Invocation& call, const Programs& programs);
int sinks_replay(const Invocation& call, const Programs& programs);
int sinks_resume(const Invocation& call, const Programs& programs);

}  // namespace sallyport::cli
