// SPDX-License-Identifier: Apache-2.0
// One cookie out of a request.
#pragma once

#include <optional>
#include <string_view>

#include "net/http_server.h"

namespace sallyport::admin {

// Nothing when it is missing, or there twice: one of them was planted, and which cannot be told.
std::optional<std::string_view> find_cookie(const net::ServerRequest& request,
                                            std::string_view name);

}  // namespace sallyport::admin
