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
#include "cli/key_answers.h"
#include "cli/secret_input.h"
#include "keys/derived_token.h"
#include "keys/key_info.h"

namespace sallyport::cli {
namespace {

bool truth_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value && value->boolean().value_or(false);
}

constexpr std::string_view kEndAtOnce =
    "sallyport keys revoke KEY  ends it at once, also while the store is silent";

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

// A derived token's own state comes first: it may be dead while its key lives, and the other way.
void tell_whose(const Invocation& call, const JsonValue& body) {
  const auto line = [&](std::string_view word, const std::string& text) {
    if (!text.empty()) call.out << fmt::format("{:<14} {}\n", word, text);
  };
  const auto token = body.at("token");
  line("kid", text_of(body, "kid"));
  line("token", text_of(body, "tid"));
  if (token) {
    line("token status", text_of(*token, "status"));
    line("token expires", text_of(*token, "expires_at"));
  }
  const auto key = body.at("key");
  if (!key) return;
  line("name", text_of(*key, "name"));
  line(token ? "key status" : "status", text_of(*key, "status"));
  line("ended by", text_of(*key, "ended_by"));
  line("layer", text_of(*key, "layer"));
  line("owner", text_of(*key, "owner"));
  line(token ? "key expires" : "expires", text_of(*key, "expires_at"));
}

}  // namespace

int keys_rotate(const Invocation& call, const Programs&) {
  if (!keys::valid_key_name(call.value("key"))) {
    return no_such_key(call);
  }
  if (call.has("incident") && call.has("overlap")) {
    return complain(call, kUsage, "usage", "--incident means an overlap of zero");
  }
  const auto reply =
      ask_house(call, "POST", "/admin/v1/keys/" + call.value("key") + "/rotate", rotate_body(call),
                call.has("deliver") ? kDeliveryPatienceS : kPatienceS);
  if (!reply) {
    // No answer may mean a store that hangs: what ends a stolen key must not wait for it.
    if (call.has("incident") && !call.json) call.err << "hint: " << kEndAtOnce << "\n";
    return exit_of_unasked(reply.error());
  }
  if (reply->status != 201 && reply->status != 200) {
    return complain_of(call, *reply, reply->status >= 500 ? kEndAtOnce : kListKeys);
  }
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
  if (reply->status != 200) return complain_of(call, *reply, kListKeys);
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
  tell_whose(call, *body);
  return kOk;
}

int revoke_token(const Invocation& call) {
  if (!keys::valid_key_name(call.value("key"))) {
    return no_such_key(call);
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
  if (reply->status != 200) return complain_of(call, *reply, kListKeys);
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
