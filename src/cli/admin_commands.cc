// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/house.h"
#include "keys/key_info.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kTokens = "/admin/v1/tokens";
constexpr std::string_view kSessions = "/admin/v1/sessions";

Exit exit_of_status(int status) {
  switch (status) {
    case 400:
      return kUsage;
    case 401:
    case 403:
      return kNotPermitted;
    case 404:
      return kNotFound;
    case 409:
      return kConflict;
    default:
      return status >= 500 ? kUnreachable : kFailed;
  }
}

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return std::string(value ? value->string().value_or("") : "");
}

// The server's own words, and their exit code.
int complain_of(const Invocation& call, const SocketReply& reply) {
  std::string message = "the server answered " + std::to_string(reply.status);
  std::string code = "unexpected_answer";
  const auto body = JsonValue::parse(reply.body);
  if (const auto error = body ? body->at("error") : std::nullopt) {
    message = text_of(*error, "message");
    code = text_of(*error, "code");
  }
  return complain(call, exit_of_status(reply.status), code, message, "sallyport admin token list");
}

int ask_failed(const Error& error) {
  return error.code == Code::kDenied ? kNotPermitted : exit_of(error);
}

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
  if (!reply) return ask_failed(reply.error());
  if (reply->status != 201) return complain_of(call, *reply);
  const auto made = JsonValue::parse(reply->body);
  if (!made) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
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
  const auto reply = ask_house(call, "GET", kTokens);
  if (!reply) return ask_failed(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto body = JsonValue::parse(reply->body);
  const auto data = body ? body->at("data") : std::nullopt;
  if (!data) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  call.out << fmt::format("{:<24} {:<12} {:<9} {:<8} {:<24} {}\n", "NAME", "ID", "ROLE", "STATUS",
                          "EXPIRES", "CREATED BY");
  for (const JsonValue& token : data->items()) {
    call.out << fmt::format("{:<24} {:<12} {:<9} {:<8} {:<24} {}\n", text_of(token, "name"),
                            text_of(token, "id"), text_of(token, "role"), text_of(token, "status"),
                            text_of(token, "expires_at"), text_of(token, "created_by"));
  }
  return kOk;
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
  if (!reply) return ask_failed(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  if (call.json) call.out << reply->body << "\n";
  const auto done = JsonValue::parse(reply->body);
  if (!done) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
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
  const auto reply = ask_house(call, "GET", kSessions);
  if (!reply) return ask_failed(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto body = JsonValue::parse(reply->body);
  const auto data = body ? body->at("data") : std::nullopt;
  if (!data) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  call.out << fmt::format("{:<40} {:<16} {:<9} {:<24} {}\n", "WHO", "ID", "ROLE", "SINCE", "UNTIL");
  for (const JsonValue& one : data->items()) {
    call.out << fmt::format("{:<40} {:<16} {:<9} {:<24} {}\n", text_of(one, "who"),
                            text_of(one, "id"), text_of(one, "role"), text_of(one, "since"),
                            text_of(one, "until"));
  }
  return kOk;
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
  if (!reply) return ask_failed(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  if (call.json) call.out << reply->body << "\n";
  const auto done = JsonValue::parse(reply->body);
  const auto data = done ? done->at("data") : std::nullopt;
  if (!data) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
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
