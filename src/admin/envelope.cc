// SPDX-License-Identifier: Apache-2.0
#include "admin/envelope.h"

#include <utility>

#include "base/json_writer.h"
#include "base/random.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

const char* type_of(int status) {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status >= 500) return "server_error";
  return "invalid_request_error";
}

}  // namespace

net::ServerResponse text_answer(int status, std::string_view type, std::string body) {
  net::ServerResponse answer;
  answer.status = status;
  answer.headers = {{"content-type", std::string(type)},
                    {"cache-control", "no-store"},
                    {"x-content-type-options", "nosniff"},
                    {"x-request-id", make_request_id()}};
  answer.body = std::move(body);
  return answer;
}

net::ServerResponse json_answer(int status, std::string body) {
  return text_answer(status, "application/json", std::move(body));
}

net::ServerResponse error_answer(int status, std::string_view code, std::string_view message,
                                 std::string_view param) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("error").begin_object();
  json.field("message", message).field("type", type_of(status)).key("param");
  if (param.empty()) {
    json.null();
  } else {
    json.value(param);
  }
  json.field("code", code).end_object().end_object();
  net::ServerResponse answer = json_answer(status, std::move(body));
  if (status < 500) answer.headers.emplace_back("x-should-retry", "false");
  if (status == 401) answer.headers.emplace_back("www-authenticate", "Bearer");
  return answer;
}

std::optional<net::ServerResponse> bad_json_request(const net::ServerRequest& request) {
  const std::string* type = request.find("content-type");
  const std::string_view essence =
      type == nullptr ? std::string_view()
                      : trim_ows(std::string_view(*type).substr(0, type->find(';')));
  if (!equal_ascii_nocase(essence, "application/json")) {
    return error_answer(415, "unsupported_media_type", "Send application/json.", "content-type");
  }
  return std::nullopt;
}

}  // namespace sallyport::admin
