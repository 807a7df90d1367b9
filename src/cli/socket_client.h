// SPDX-License-Identifier: Apache-2.0
// Asks the running server over its admin socket: one request, one connection, blocking.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::cli {

struct SocketReply {
  int status = 0;
  std::string body;
};

inline constexpr int kPatienceS = 15;  // the server may wait for its journal

// kNotFound: no server listens there. kDenied: the file's permissions forbid it. kExhausted: no
// answer within `patience_s`. kCorrupt: not an answer.
Result<SocketReply> ask_socket(const std::string& socket_path, std::string_view method,
                               std::string_view target, std::string_view json_body = {},
                               int patience_s = kPatienceS);

}  // namespace sallyport::cli
