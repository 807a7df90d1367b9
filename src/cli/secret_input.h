// SPDX-License-Identifier: Apache-2.0
// Secrets that a person or a script hands to a command: on stdin or in the environment, never as an
// argument, where every user of the machine could read them.
#pragma once

#include <optional>
#include <string>

#include "base/secret.h"
#include "cli/commands.h"

namespace sallyport::cli {

// One line of stdin, without blanks around it; nothing if it is empty, too long to be a key or a
// token of ours, or more than one line.
std::optional<Secret> read_secret_line(const Invocation& call);
std::optional<Secret> read_secret_variable(const std::string& name);

}  // namespace sallyport::cli
