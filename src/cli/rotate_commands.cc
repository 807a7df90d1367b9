// SPDX-License-Identifier: Apache-2.0
// `keys rotate`, `keys which`, and revoking one derived token.
#include <fmt/format.h>
#include <string.h>

#include <ostream>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/house.h"
#include "cli/secret_input.h"
#include "keys/derived_token.h"
#include "keys/key_info.h"

namespace sallyport::cli {
namespace {

Exit exit_of_status(int status) {
  if (status == 400) return kUsage;
  if (status == 401 || status == 403) return kNotPermitted;
  if (status == 404) return kNotFound;
  if (status == 409) return kConflict;
  return status >= 500 ? kUnreachable : kFailed;
}

int exit_of_unasked(const Error& error) {
  return error.code == Code::kDenied ? kNotPermitted : exit_of(error);
}

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return std::string(value ? value->string().value_or("") : "");
}

bool truth_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value && value->boolean().value_or(false);
}

int complain_of(const Invocation& call, const SocketReply& reply) {
  std::string message = "the server answered " + std::to_string(reply.status);
  std::string code = "unexpected_answer";
  const auto body = JsonValue::parse(reply.body);
  if (const auto error = body ? body->at("error") : std::nullopt) {
    message = text_of(*error, "message");
    code = text_of(*error, "code");
  }
  return complain(call, exit_of_status(reply.status), code, message, "sallyport keys list --all");
}

int unreadable(const Invocation& call) {
  return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
}

// Six attempts of 10 s, and half a minute between them (keys/key_delivery.h).
constexpr int kDeliveryPatienceS = 120;

std::string rotate_body(const Invocation& call) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (call.has("incident")) json.field("overlap", "0s");
  if (call.has("overlap")) json.field("overlap", call.value("overlap"));
  if (call.has("life")) json.field("life", call.value("life"));
  if (call.has("rotation-id")) json.field("rotation_id", call.value("rotation-id"));
  if (call.has("why")) json.field("why", call.value("why"));
  if (call.has("deliver")) json.field("deliver", true);
  json.end_object();
  return body;
}

void tell_rotation(const Invocation& call, const JsonValue& body) {
  const auto old = body.at("old"), successor = body.at("successor");
  if (call.quiet || !old || !successor) return;
  call.err << fmt::format("{} is now kid {}, expires {}; the old kid {} ends {}\nrotation id {}\n",
                          text_of(*successor, "name"), text_of(*successor, "kid"),
                          text_of(*successor, "expires_at"), text_of(*old, "kid"),
                          text_of(*old, "expires_at"), text_of(body, "rotation_id"));
  if (truth_of(body, "delivered")) {
    call.err << "the new key was delivered to its target\n";
  } else if (truth_of(body, "repeated")) {
    call.err << "this rotation was done before: the key was shown then, and is not shown again\n";
  } else {
    call.err << "the key is shown only this once\n";
  }
  const auto durable = body.at("durable");
  if (durable && durable->boolean() == false) {
    call.err << "the end of the old key is in force, but the store did not take it yet: keep the "
                "server running until it does; see its log\n";
  }
}

}  // namespace

int keys_rotate(const Invocation& call, const Programs&) {
  if (!keys::valid_key_name(call.value("key"))) {
    return complain(call, kNotFound, "key_not_found", "there is no such key");
  }
  if (call.has("incident") && call.has("overlap")) {
    return complain(call, kUsage, "usage", "--incident means an overlap of zero");
  }
  const auto reply =
      ask_house(call, "POST", "/admin/v1/keys/" + call.value("key") + "/rotate", rotate_body(call),
                call.has("deliver") ? kDeliveryPatienceS : kPatienceS);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 201 && reply->status != 200) return complain_of(call, *reply);
  const auto body = JsonValue::parse(reply->body);
  if (!body) return unreadable(call);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const std::string key = text_of(*body, "key");
  if (!key.empty()) call.out << key << "\n";
  tell_rotation(call, *body);
  return kOk;
}

int keys_which(const Invocation& call, const Programs&) {
  const std::optional<Secret> secret = read_secret_line(call);
  if (!secret) {
    return complain(call, kUsage, "usage", "no secret was given",
                    "one line on stdin; never as an argument");
  }
  std::string question;
  question.reserve(2 * keys::kDerivedBytesMax);  // one buffer, so that one wipe is enough
  JsonWriter(question).begin_object().field("secret", secret->reveal()).end_object();
  const auto reply = ask_house(call, "POST", "/admin/v1/keys/which", question);
  explicit_bzero(question.data(), question.size());
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  const auto body = JsonValue::parse(reply->body);
  if (!body) return unreadable(call);
  const bool ours = truth_of(*body, "ours");
  if (call.json) {
    call.out << reply->body << "\n";
    return ours ? kOk : kFailed;
  }
  if (!ours) {
    const std::string claimed = text_of(*body, "claimed_kid");
    call.err << "not ours";
    if (!claimed.empty()) call.err << ": it only looks like kid " << claimed;
    call.err << "\n";
    return kFailed;
  }
  call.out << fmt::format("{:<8} {}\n", "kid", text_of(*body, "kid"));
  const std::string tid = text_of(*body, "tid");
  if (!tid.empty()) call.out << fmt::format("{:<8} {}\n", "token", tid);
  if (const auto key = body->at("key")) {
    for (const char* member : {"name", "status", "layer", "owner", "expires_at"}) {
      const std::string text = text_of(*key, member);
      if (!text.empty()) call.out << fmt::format("{:<8} {}\n", member, text);
    }
  }
  return kOk;
}

int revoke_token(const Invocation& call) {
  if (!keys::valid_key_name(call.value("key"))) {
    return complain(call, kNotFound, "key_not_found", "there is no such key");
  }
  if (!keys::is_tid(call.value("token"))) {
    return complain(call, kUsage, "usage", "--token is the 16 characters behind the kid");
  }
  std::string body;
  JsonWriter(body).begin_object().field("why", call.value("why")).end_object();
  const auto reply = ask_house(
      call, "POST",
      "/admin/v1/keys/" + call.value("key") + "/tokens/" + call.value("token") + "/revoke", body);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  const auto done = JsonValue::parse(reply->body);
  if (!done) return unreadable(call);
  if (call.json) call.out << reply->body << "\n";
  if (!call.quiet && !call.json) {
    call.err << fmt::format("revoked token {} of kid {}; it is dead now, and for good\n",
                            text_of(*done, "tid"), text_of(*done, "kid"));
  }
  if (!truth_of(*done, "durable")) {
    return complain(call, kUnreachable, "not_durable",
                    "the token is dead in the running server, but the store did not take it yet",
                    "keep the server running until the store answers; see its log");
  }
  if (!truth_of(*done, "recorded")) {
    return complain(call, kFailed, "not_recorded",
                    "the token is revoked, but the journal could not record it");
  }
  return kOk;
}

}  // namespace sallyport::cli
