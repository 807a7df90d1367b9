// SPDX-License-Identifier: Apache-2.0
// What the table of fields says, for people and for editors: `config explain`,
// docs/configuration.md, the JSON Schema, and the effective values for `config check --json`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "config/config.h"

namespace sallyport::config {

std::string json_schema();  // draft 2020-12; `x-reload` marks what needs a restart
std::string manual();       // docs/configuration.md; a test fails when the file is stale

// A field or a whole section; "[]" and indexes may be left out. kNotFound names the nearest field.
Result<std::string> explain(std::string_view path);
Result<std::string> explain_json(std::string_view path);

}  // namespace sallyport::config
