// SPDX-License-Identifier: Apache-2.0
// What the commands about keys, layers and admin tokens make of the house's answers.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "cli/commands.h"
#include "cli/server_ask.h"
#include "cli/socket_client.h"

namespace sallyport::cli {

inline constexpr std::string_view kListKeys = "sallyport keys list --all";

int exit_of_unasked(const Error& error);
int unreadable(const Invocation& call);
// The server's own words, and their exit code.
int complain_of(const Invocation& call, const SocketReply& reply, std::string_view hint = {});
std::string text_or(const JsonValue& object, std::string_view member, std::string_view none = "-");
int no_such_key(const Invocation& call);
int no_such_mapping(const Invocation& call);

// The answer's `warnings`, one line each on stderr.
void tell_warnings(const Invocation& call, const JsonValue& answer);
// What is not durable or not recorded; kOk if it is both.
int tell_in_force(const Invocation& call, const JsonValue& answer);

// The answer to an act that ended or paused keys: one line each on stderr (`sentence` has a place
// for the name and one for the kid), and what is not durable or not recorded. `already` is the
// sentence of a key that was so before, and kConflict the exit if all were; null: not told apart.
int tell_ended(const Invocation& call, const SocketReply& reply, const char* sentence,
               const char* already = nullptr);

struct Column {
  const char *title, *member;
  int width = 0;  // in characters; the last one takes what it needs
  const char* none = "";
};
struct ListWords {
  std::string_view empty;  // on stderr, where there are no rows
  std::string_view hint;   // where the house refuses
};
// What `target` answers: its `data` as a table, or all of it with --json.
int print_list(const Invocation& call, const std::string& target, std::span<const Column> columns,
               ListWords words);

// keys revoke --mapping NAME
int revoke_mapping(const Invocation& call);

}  // namespace sallyport::cli
