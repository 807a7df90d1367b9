// SPDX-License-Identifier: Apache-2.0
// `sallyport keys update|block|unblock`, and the end of all keys of one identity.
#include <fmt/format.h>

#include <ostream>
#include <utility>

#include "base/json_writer.h"
#include "cli/house.h"
#include "cli/key_answers.h"
#include "cli/restriction_options.h"
#include "event/restrictions.h"
#include "keys/key_info.h"

namespace sallyport::cli {
namespace {

std::string why_body(const Invocation& call) {
  std::string body;
  JsonWriter(body).begin_object().field("why", call.value("why")).end_object();
  return body;
}

void write_list(JsonWriter& json, const Invocation& call, std::string_view option,
                std::string_view member) {
  if (!call.has(option)) return;
  json.key(member).begin_array();
  for (const std::string& word : call.all(option)) json.value(word);
  json.end_array();
}

// The options as a PATCH: members that are absent stay, null lifts.
Result<std::string> change_of(const Invocation& call) {
  Result<Restrictions> restrictions = restrictions_of(call);
  if (!restrictions) return std::unexpected(restrictions.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  for (const char* option : {"owner", "module", "purpose", "life", "upstream"}) {
    if (call.has(option)) json.field(option, call.value(option));
  }
  if (call.has("until")) json.field("expires_at", call.value("until"));
  if (call.has("any-upstream")) json.key("upstream").null();
  write_list(json, call, "allow-module", "modules");
  write_list(json, call, "allow-purpose", "purposes");
  write_restrictions(json, *restrictions);
  for (const std::string& member : call.all("lift")) json.key(member).null();
  json.end_object();
  if (body == "{}") return fail(Code::kInvalid, "say what is to be changed");
  const Result<JsonValue> once = JsonValue::parse(body);  // refuses members that stand twice
  if (!once) return fail(Code::kInvalid, "one member is both set and lifted");
  return body;
}

int end(const Invocation& call, std::string_view verb, const char* sentence) {
  if (!keys::valid_key_name(call.value("key"))) return no_such_key(call);
  const auto reply = ask_house(
      call, "POST", "/admin/v1/keys/" + call.value("key") + std::string(verb), why_body(call));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, "sallyport keys list --all");
  return tell_ended(call, *reply, sentence);
}

}  // namespace

int no_such_key(const Invocation& call) {
  return complain(call, kNotFound, "key_not_found", "there is no such key");
}

int no_such_mapping(const Invocation& call) {
  return complain(call, kNotFound, "mapping_not_found", "no key was made through this mapping",
                  "the names stand in keys.identity_exchange");
}

int tell_ended(const Invocation& call, const SocketReply& reply, const char* sentence) {
  if (call.json) call.out << reply.body << "\n";
  const auto done = JsonValue::parse(reply.body);
  if (!done) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  const auto data = done->at("data");
  for (const JsonValue& key : data ? data->items() : std::vector<JsonValue>{}) {
    if (call.quiet || call.json) break;
    call.err << fmt::format(fmt::runtime(sentence), text_of(key, "name"), text_of(key, "kid"))
             << "\n";
  }
  const auto durable = done->at("durable"), recorded = done->at("recorded");
  if (durable && durable->boolean() == false) {
    return complain(call, kUnreachable, "not_durable",
                    "it is in force in the running server, but the store did not take it yet",
                    "keep the server running until the store answers; see its log");
  }
  if (recorded && recorded->boolean() == false) {
    return complain(call, kFailed, "not_recorded", "it is done, but the journal took no record");
  }
  return kOk;
}

int keys_block(const Invocation& call, const Programs&) {
  return end(call, "/block", "blocked {} (kid {}); dead until  sallyport keys unblock");
}

int keys_unblock(const Invocation& call, const Programs&) {
  return end(call, "/unblock", "unblocked {} (kid {})");
}

int revoke_mapping(const Invocation& call) {
  if (!keys::valid_key_name(call.value("mapping"))) return no_such_mapping(call);
  const auto reply = ask_house(
      call, "POST", "/admin/v1/mappings/" + call.value("mapping") + "/revoke", why_body(call));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  const auto done = JsonValue::parse(reply->body);
  const auto data = done ? done->at("data") : std::nullopt;
  if (data && data->items().empty() && !call.quiet && !call.json) {
    call.err << "no key of this mapping was alive\n";
  }
  return tell_ended(call, *reply, "revoked {} (kid {}); it is dead now, and for good");
}

int keys_update(const Invocation& call, const Programs&) {
  if (!keys::valid_key_name(call.value("key"))) return no_such_key(call);
  const Result<std::string> change = change_of(call);
  if (!change) return complain(call, kUsage, "usage", change.error().what);
  const auto reply = ask_house(call, "PATCH", "/admin/v1/keys/" + call.value("key"), *change);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, "sallyport keys show KEY");
  const auto body = JsonValue::parse(reply->body);
  const auto warnings = body ? body->at("warnings") : std::nullopt;
  for (const JsonValue& warning : warnings ? warnings->items() : std::vector<JsonValue>{}) {
    if (call.quiet || call.json) break;
    call.err << "warning: " << warning.string().value_or("") << "\n";
  }
  return tell_ended(call, *reply, "changed {} (kid {})");
}

}  // namespace sallyport::cli
