// SPDX-License-Identifier: Apache-2.0
#include "admin/session_routes.h"

#include <memory>
#include <string>
#include <utility>

#include "admin/envelope.h"
#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

std::string sessions_json(const std::vector<Sessions::Listed>& sessions) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("data").begin_array();
  for (const Sessions::Listed& one : sessions) {
    json.begin_object()
        .field("id", one.id)
        .field("who", one.session.who)
        .field("role", name(one.session.role))
        .field("since", std::string_view(format_utc(one.session.until - Sessions::kLife)))
        .field("until", std::string_view(format_utc(one.session.until)))
        .end_object();
  }
  json.end_array().end_object();
  return body;
}

class SessionRoutes {
 public:
  explicit SessionRoutes(Access& access) : access_(access) {}
  net::ServerResponse list(const AdminRequest&) const {
    return json_answer(200, sessions_json(access_.sessions().list()));
  }
  net::ServerResponse revoke(const AdminRequest& request) const;

 private:
  Access& access_;
};

net::ServerResponse SessionRoutes::revoke(const AdminRequest& request) const {
  if (auto bad = bad_json_request(request.http)) return std::move(*bad);
  const auto body = JsonValue::parse(request.http.body);
  const auto id = body ? body->at("id") : std::nullopt, who = body ? body->at("who") : std::nullopt;
  const auto text = id ? id->string() : who ? who->string() : std::nullopt;
  if (!text || text->empty() || body->members().size() != 1) {
    return error_answer(400, "invalid_body", "Send {\"id\":\"...\"} or {\"who\":\"...\"}.");
  }
  const std::vector<Sessions::Listed> ended =
      access_.sessions().end(id ? *text : std::string_view(), id ? std::string_view() : *text);
  if (ended.empty()) return error_answer(404, "session_not_found", "There is no such session.");
  std::string answer = sessions_json(ended);
  request.told->before = answer;
  return json_answer(200, std::move(answer));
}

}  // namespace

void add_session_routes(Routes& routes, Access& access) {
  const auto sessions = std::make_shared<SessionRoutes>(access);
  routes.add({.method = "GET",
              .path = "/admin/v1/sessions",
              .least = Role::kAdmin,
              .summary = "Who is logged in with a browser: "
                         "`{\"data\":[{\"id\",\"who\",\"role\",\"since\",\"until\"}]}`.",
              .handle = handler(sessions, &SessionRoutes::list)});
  routes.add({.method = "POST",
              .path = "/admin/v1/sessions/revoke",
              .least = Role::kAdmin,
              .act = "admin.session_revoke",
              .summary = "Ends one session, `{\"id\"}`, or all of a person, `{\"who\"}`: out with "
                         "the next request. Answers with those that ended.",
              .handle = handler(sessions, &SessionRoutes::revoke)});
}

}  // namespace sallyport::admin
