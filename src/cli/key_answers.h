// SPDX-License-Identifier: Apache-2.0
// What the commands about keys make of the house's answers.
#pragma once

#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/socket_client.h"

namespace sallyport::cli {

int exit_of_unasked(const Error& error);
// The server's own words, and their exit code.
int complain_of(const Invocation& call, const SocketReply& reply, std::string_view hint = {});
std::string text_of(const JsonValue& object, std::string_view member, std::string_view none = "-");
int no_such_key(const Invocation& call);
int no_such_mapping(const Invocation& call);

// The answer to an act that ended or paused keys: one line each on stderr (`sentence` has a place
// for the name and one for the kid), and what is not durable or not recorded.
int tell_ended(const Invocation& call, const SocketReply& reply, const char* sentence);

// keys revoke --mapping NAME
int revoke_mapping(const Invocation& call);

}  // namespace sallyport::cli
