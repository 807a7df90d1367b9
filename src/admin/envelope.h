// SPDX-License-Identifier: Apache-2.0
// Answers of the admin API: JSON, never cached; errors in the provider's envelope with a stable
// code.
#pragma once

#include <string>
#include <string_view>

#include "net/http_server.h"

namespace sallyport::admin {

net::ServerResponse json_answer(int status, std::string body);
net::ServerResponse text_answer(int status, std::string_view type, std::string body);
// `param` names the member or header that is wrong, or is empty.
net::ServerResponse error_answer(int status, std::string_view code, std::string_view message,
                                 std::string_view param = {});

}  // namespace sallyport::admin
