// SPDX-License-Identifier: Apache-2.0
// One value of the file into its slot: references resolved, units read, limits checked.
#pragma once

#include <expected>
#include <string>

#include "config/fields.h"
#include "config/references.h"
#include "config/yaml_tree.h"

namespace sallyport::config {

// Nothing on success, else the message for the operator, which never quotes a secret or what a
// reference stands for. `note` receives a warning or stays empty.
std::expected<void, std::string> set_field(const Field& field, const YamlNode& value,
                                           const Surroundings& around, Place place,
                                           std::string& note);

// "a duration such as 60s, 100ms to 10m": what a field takes, for messages and the manual.
std::string describe(const Field& field);

}  // namespace sallyport::config
