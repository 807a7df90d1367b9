// SPDX-License-Identifier: Apache-2.0
// Help, completions and the manual page of the command line, all from the table of commands.
#pragma once

#include <string>

#include "cli/commands.h"

namespace sallyport::cli {

std::string overview();                       // all commands, one line each
std::string help_of(const Command& command);  // examples first
std::string help_of_noun(
    std::string_view noun);  // "keys": its verbs; empty if there is no such noun
std::string exit_codes_text();
std::string bash_completion();
std::string zsh_completion();
std::string commands_page();  // docs/commands.md; a test fails when the file is stale

int print_version(const Invocation& call, const Programs& programs);
int print_completion(const Invocation& call, const Programs& programs);
int print_help(const Invocation& call, const Programs& programs);

}  // namespace sallyport::cli
