// SPDX-License-Identifier: Apache-2.0
// Answers of the admin API: JSON, never cached; errors in the provider's envelope with a stable
// code.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace sallyport::admin {

net::ServerResponse json_answer(int status, std::string body);
net::ServerResponse text_answer(int status, std::string_view type, std::string body);
// `param` names the member or header that is wrong, or is empty.
net::ServerResponse error_answer(int status, std::string_view code, std::string_view message,
                                 std::string_view param = {});

// Why this body is no JSON that a handler should read (415), or nothing; its size was judged
// before. A form of another page cannot have the type application/json without asking first, and
// nobody answers that question.
std::optional<net::ServerResponse> bad_json_request(const net::ServerRequest& request);

}  // namespace sallyport::admin
