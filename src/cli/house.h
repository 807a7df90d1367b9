// SPDX-License-Identifier: Apache-2.0
// Who answers a command: the running server over its admin socket, or, when none runs, this process
// itself with store, keys and journal opened for one question. Both give the admin API's answer, so
// that a command looks the same either way.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/config.h"

namespace sallyport::cli {

// Loads the configuration and asks. What goes wrong is told on call.err; the error's `what` is then
// empty and its code decides the exit.
Result<SocketReply> ask_house(const Invocation& call, std::string_view method,
                              std::string_view target, std::string_view json_body = {},
                              int patience_s = kPatienceS);

// Without a server. kDenied: a server has the journal, or the files belong to another user.
Result<SocketReply> ask_own_house(const config::Config& config, std::string_view method,
                                  std::string_view target, std::string_view json_body);

// Those that a key may be bound to.
std::vector<std::string> upstream_names(const config::Config& config);

}  // namespace sallyport::cli
