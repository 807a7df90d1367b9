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

int end(const Invocation& call, std::string_view verb, const char* sentence, const char* already) {
  if (!keys::valid_key_name(call.value("key"))) return no_such_key(call);
  const auto reply = ask_house(
      call, "POST", "/admin/v1/keys/" + call.value("key") + std::string(verb), why_body(call));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListKeys);
  return tell_ended(call, *reply, sentence, already);
}

}  // namespace

int no_such_key(const Invocation& call) {
  return complain(call, kNotFound, "key_not_found", "there is no such key", kListKeys);
}

int no_such_mapping(const Invocation& call) {
  return complain(call, kNotFound, "mapping_not_found", "no key was made through this mapping",
                  "the names stand in keys.identity_exchange");
}

int keys_block(const Invocation& call, const Programs&) {
  return end(call, "/block", "blocked {} (kid {}); dead until  sallyport keys unblock",
             "{} (kid {}) was blocked already");
}

int keys_unblock(const Invocation& call, const Programs&) {
  return end(call, "/unblock", "unblocked {} (kid {})", "{} (kid {}) was not blocked");
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
  if (reply->status == 404) return complain_of(call, *reply, kListKeys);
  if (reply->status != 200) {
    return complain_of(
        call, *reply, call.has("upstream") ? "sallyport upstream list" : "sallyport keys show KEY");
  }
  if (const auto body = JsonValue::parse(reply->body)) tell_warnings(call, *body);
  return tell_ended(call, *reply, "changed {} (kid {})");
}

}  // namespace sallyport::cli
