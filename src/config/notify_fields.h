// SPDX-License-Identifier: Apache-2.0
// The part of the table of fields (fields.h) that is about receivers of records. What each type of
// sink has under `options` stands in its own table (notify/sink_table.h) and in docs/sinks.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace sallyport::config {

std::vector<Field> notify_fields();

// What is wrong with one entry, "options.index: missing"; nothing if it is right. `token_unread`:
// the file names a token that was not looked up.
std::optional<std::string> sink_problem(const notify::SinkConfig& sink, bool token_unread);

}  // namespace sallyport::config
