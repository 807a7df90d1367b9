// SPDX-License-Identifier: Apache-2.0
// For commands about what lives in the running server: one question over its admin socket, the
// answer as JSON, and what goes wrong told to the operator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/load.h"

namespace sallyport::cli {

// The configuration without its secrets; problems are told.
std::optional<config::Loaded> load_quietly(const Invocation& call);

// The answer's JSON; what goes wrong is told and its exit code left in `code`.
std::optional<JsonValue> ask_server(const Invocation& call, std::string_view method,
                                    const std::string& target, std::string_view body, int& code,
                                    int patience_s = kPatienceS);

// Empty or 0 where there is no such member.
std::string text_of(const JsonValue& object, std::string_view member);
std::int64_t number_of(const JsonValue& object, std::string_view member);

void print_json(const Invocation& call, const JsonValue& value);

}  // namespace sallyport::cli
