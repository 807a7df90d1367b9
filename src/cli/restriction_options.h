// SPDX-License-Identifier: Apache-2.0
// What a key or a layer takes away, as options of commands: --endpoint, --model, --cidr ...
#pragma once

#include <vector>

#include "base/result.h"
#include "cli/commands.h"
#include "event/restrictions.h"

namespace sallyport::cli {

// For the table of commands.
std::vector<Option> restriction_options();

// `base` with what the call states in its place; an option that is not there changes nothing.
// kInvalid names the option.
Result<Restrictions> restrictions_of(const Invocation& call, Restrictions base = {});

// One line each, "name value", for people; empty for what restricts nothing.
std::vector<std::pair<std::string, std::string>> restriction_lines(const Restrictions& from);

}  // namespace sallyport::cli
