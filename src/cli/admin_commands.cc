// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/house.h"
#include "cli/key_answers.h"
#include "keys/key_info.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kTokens = "/admin/v1/tokens";
constexpr std::string_view kSessions = "/admin/v1/sessions";
constexpr std::string_view kListTokens = "sallyport admin token list";
constexpr std::string_view kListSessions = "sallyport admin sessions list";

int create(const Invocation& call) {
  if (!call.has("name") || !call.has("role")) {
    return complain(call, kUsage, "usage", "--name and --role must be given",
                    "sallyport admin token create --name ci --role operator --life 8h");
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("name", call.value("name")).field("role", call.value("role"));
  if (call.has("life")) json.field("life", call.value("life"));
  json.end_object();
  const auto reply = ask_house(call, "POST", kTokens, body);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 201) return complain_of(call, *reply, kListTokens);
  const auto made = JsonValue::parse(reply->body);
  if (!made) return unreadable(call);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  call.out << text_of(*made, "token") << "\n";
  if (!call.quiet) {
    call.err << fmt::format("{} may act as {} until {}; the token is shown only this once\n",
                            text_of(*made, "name"), text_of(*made, "role"),
                            text_of(*made, "expires_at"));
  }
  return kOk;
}

int list(const Invocation& call) {
  constexpr Column kColumns[] = {{"NAME", "name", 24},          {"ID", "id", 12},
                                 {"ROLE", "role", 9},           {"STATUS", "status", 8},
                                 {"EXPIRES", "expires_at", 24}, {"CREATED BY", "created_by"}};
  return print_list(call, std::string(kTokens), kColumns,
                    {"no named tokens; make one with  sallyport admin token create", {}});
}

int revoke(const Invocation& call) {
  const std::string token = call.value("token");
  if (token.empty()) {
    return complain(call, kUsage, "usage", "name the token to revoke",
                    "sallyport admin token revoke NAME");
  }
  if (!keys::valid_key_name(token)) {
    return complain(call, kNotFound, "token_not_found", "there is no such admin token");
  }
  const auto reply = ask_house(call, "POST", fmt::format("{}/{}/revoke", kTokens, token), "{}");
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListTokens);
  if (call.json) call.out << reply->body << "\n";
  const auto done = JsonValue::parse(reply->body);
  if (!done) return unreadable(call);
  const auto durable = done->at("durable"), recorded = done->at("recorded");
  if (durable && durable->boolean() == false) {
    return complain(call, kUnreachable, "not_durable",
                    "the token is dead in the running server, but the store did not take it yet",
                    "keep the server running until the store answers; see its log");
  }
  if (recorded && recorded->boolean() == false) {
    return complain(call, kFailed, "not_recorded",
                    "the token is revoked, but the journal could not record it");
  }
  if (!call.quiet && !call.json) call.err << fmt::format("revoked {}\n", text_of(*done, "name"));
  return kOk;
}

int list_sessions(const Invocation& call) {
  constexpr Column kColumns[] = {{"WHO", "who", 40},
                                 {"ID", "id", 16},
                                 {"ROLE", "role", 9},
                                 {"SINCE", "since", 24},
                                 {"UNTIL", "until"}};
  return print_list(call, std::string(kSessions), kColumns, {"nobody is logged in", {}});
}

int revoke_sessions(const Invocation& call) {
  const std::string whose = call.value("session");
  if (whose.empty()) {
    return complain(call, kUsage, "usage", "name the session or the person",
                    "sallyport admin sessions revoke oidc:alice@example.com");
  }
  // People are named with their issuer's prefix, sessions by hexadecimal digits alone.
  std::string body;
  JsonWriter(body).begin_object().field(whose.contains(':') ? "who" : "id", whose).end_object();
  const auto reply = ask_house(call, "POST", std::string(kSessions) + "/revoke", body);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListSessions);
  if (call.json) call.out << reply->body << "\n";
  const auto done = JsonValue::parse(reply->body);
  const auto data = done ? done->at("data") : std::nullopt;
  if (!data) return unreadable(call);
  for (const JsonValue& one : data->items()) {
    if (call.quiet || call.json) break;
    call.err << fmt::format("ended {} of {}\n", text_of(one, "id"), text_of(one, "who"));
  }
  return kOk;
}

}  // namespace

int admin_sessions(const Invocation& call, const Programs&) {
  return call.value("act") == "revoke" ? revoke_sessions(call) : list_sessions(call);
}

int admin_tokens(const Invocation& call, const Programs& programs) {
  const std::string act = call.value("act", "replace");
  if (act == "create") return create(call);
  if (act == "list") return list(call);
  if (act == "revoke") return revoke(call);
  return admin_token(call, programs);
}

}  // namespace sallyport::cli
