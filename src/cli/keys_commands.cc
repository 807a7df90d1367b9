// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <ostream>

#include "admin/key_json.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/commands.h"
#include "cli/house.h"
#include "cli/key_answers.h"
#include "cli/restriction_options.h"

namespace sallyport::cli {
namespace {

constexpr const char* kListed[] = {"name",     "kid",     "status",      "expires_at",
                                   "ended_by", "mapping", "last_used_at"};

std::optional<std::string> maybe_text(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  const auto text = value ? value->string() : std::nullopt;
  if (!text) return std::nullopt;
  return std::string(*text);
}

std::string list_of(const JsonValue& object, std::string_view member) {
  std::string out;
  const auto value = object.at(member);
  if (!value) return "all";
  for (const JsonValue& item : value->items()) {
    out += (out.empty() ? "" : ", ") + std::string(item.string().value_or("?"));
  }
  return out.empty() ? "all" : out;
}

Result<keys::KeySpec> spec_of(const Invocation& call) {
  keys::KeySpec spec;
  spec.name = call.value("name");
  spec.owner = call.value("owner");
  if (call.has("life")) {
    spec.life = parse_duration(call.value("life"));
    if (!spec.life) return fail(Code::kInvalid, "--life must be a duration such as 8h");
  }
  Result<Restrictions> restrictions = restrictions_of(call);
  if (!restrictions) return std::unexpected(restrictions.error());
  spec.restrictions = std::move(*restrictions);
  spec.layer = call.value("layer");
  spec.derive = call.has("derive");
  spec.scope.modules = call.all("allow-module");
  spec.scope.purposes = call.all("allow-purpose");
  if (call.has("module")) spec.scope.module = call.value("module");
  if (call.has("purpose")) spec.scope.purpose = call.value("purpose");
  if (call.has("upstream")) spec.scope.upstream = call.value("upstream");
  spec.scope.may_name_organization = call.has("may-name-organization");
  return spec;
}

// What restricts the key beyond endpoints and models.
void print_restrictions(const Invocation& call, const JsonValue& key) {
  Restrictions restrictions;
  for (const auto& [member, value] : key.members()) {
    if (member == "endpoints" || member == "models") continue;
    (void)read_restriction(member, value, restrictions);  // most members are something else
  }
  for (const auto& [member, value] : restriction_lines(restrictions)) {
    call.out << fmt::format("{:<12} {}\n", member, value);
  }
}

std::string key_target(const Invocation& call, std::string_view verb = {}) {
  return "/admin/v1/keys/" + call.value("key") + std::string(verb);
}

// Where the names are that a spec refers to.
std::string_view hint_for(const keys::KeySpec& spec) {
  if (spec.scope.upstream) return "sallyport upstream list";
  return spec.layer.empty() ? "" : "sallyport layers list";
}

// Of the key itself: one that its layers ended is listed, since its holder wonders.
bool alive(const JsonValue& key) {
  const std::string status = text_or(key, "status");
  return status != "revoked" && status != "expired";
}

}  // namespace

int keys_create(const Invocation& call, const Programs&) {
  const auto spec = spec_of(call);
  if (!spec) return complain(call, kUsage, "usage", spec.error().what);
  const auto reply = ask_house(call, "POST", "/admin/v1/keys", admin::write_key_spec(*spec));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status == 409) {
    return complain_of(call, *reply, "revoke it first, or take another name");
  }
  if (reply->status != 201) return complain_of(call, *reply, hint_for(*spec));
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto key = JsonValue::parse(reply->body);
  if (!key) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  call.out << text_or(*key, "key") << "\n";
  tell_warnings(call, *key);
  if (!call.quiet) {
    call.err << fmt::format("created {} (kid {}), expires {}\nthe key is shown only this once\n",
                            text_or(*key, "name"), text_or(*key, "kid"),
                            text_or(*key, "expires_at"));
  }
  return kOk;
}

int keys_list(const Invocation& call, const Programs&) {
  std::string target = "/admin/v1/keys";
  if (call.has("mapping")) {
    if (!keys::valid_key_name(call.value("mapping"))) return no_such_mapping(call);
    target += "?mapping=" + call.value("mapping");
  }
  const auto reply = ask_house(call, "GET", target);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply);
  const auto body = JsonValue::parse(reply->body);
  const auto data = body ? body->at("data") : std::nullopt;
  if (!data) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  if (call.json && call.has("all")) {
    call.out << reply->body << "\n";
    return kOk;
  }
  constexpr auto kLine = "{:<32} {:<12} {:<13} {:<24} {:<24} {}\n";
  std::size_t left_out = 0;
  std::string lines;
  JsonWriter json(lines);
  if (call.json) json.begin_object().key("data").begin_array();
  for (const JsonValue& key : data->items()) {
    if (!call.has("all") && !alive(key)) {
      ++left_out;
      continue;
    }
    if (call.json) {
      json.begin_object();
      for (const char* member : kListed) json.field(member, maybe_text(key, member));
      json.end_object();
    } else {
      lines += fmt::format(kLine, text_or(key, "name"), text_or(key, "kid"), text_or(key, "status"),
                           text_or(key, "expires_at"), text_or(key, "ended_by"),
                           text_or(key, "mapping"));
    }
  }
  if (call.json) {
    json.end_array().end_object();
    call.out << lines << "\n";
    return kOk;
  }
  if (!lines.empty()) {
    call.out << fmt::format(kLine, "name", "kid", "status", "expires", "ended by", "mapping");
  }
  call.out << lines;
  if (!call.quiet && lines.empty())
    call.err << "no keys; make one with  sallyport keys create NAME\n";
  if (!call.quiet && left_out > 0) call.err << left_out << " revoked or expired ones: --all\n";
  return kOk;
}

int keys_show(const Invocation& call, const Programs&) {
  if (!keys::valid_key_name(call.value("key"))) {
    return no_such_key(call);
  }
  const auto reply = ask_house(call, "GET", key_target(call));
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, kListKeys);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto key = JsonValue::parse(reply->body);
  if (!key) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  for (const char* member : {"name", "kid", "status"}) {
    call.out << fmt::format("{:<12} {}\n", member, text_or(*key, member));
  }
  const auto derive = key->at("derive");
  call.out << fmt::format("{:<12} {}\n", "owner", text_or(*key, "owner"));
  call.out << fmt::format("{:<12} {}\n", "derive",
                          derive && derive->boolean() == true ? "yes" : "no");
  for (const char* member :
       {"created_at", "created_by", "not_before", "expires_at", "revoked_at", "revoked_by",
        "revoked_why", "blocked_at", "blocked_by", "blocked_why", "ended_by", "mapping"}) {
    const std::string text = text_or(*key, member, "");
    if (!text.empty()) call.out << fmt::format("{:<12} {}\n", member, text);
  }
  for (const char* member : {"endpoints", "models"}) {
    call.out << fmt::format("{:<12} {}\n", member, list_of(*key, member));
  }
  print_restrictions(call, *key);
  for (const char* member : {"layer", "last_used_at", "upstream", "module", "purpose"}) {
    const std::string text = text_or(*key, member, "");
    if (!text.empty()) call.out << fmt::format("{:<12} {}\n", member, text);
  }
  return kOk;
}

int keys_revoke(const Invocation& call, const Programs&) {
  if (call.has("mapping") == call.has("key") || (call.has("mapping") && call.has("token"))) {
    return complain(call, kUsage, "usage", "name a key, or all of one identity with --mapping");
  }
  if (call.has("mapping")) return revoke_mapping(call);
  if (call.has("token")) return revoke_token(call);
  if (!keys::valid_key_name(call.value("key"))) {
    return no_such_key(call);
  }
  // Asked first only to tell "already revoked"; whatever it says, the revocation is sent.
  const auto before = ask_house(call, "GET", key_target(call));
  if (!before) return exit_of_unasked(before.error());
  std::string body;
  JsonWriter json(body);
  json.begin_object().field("why", call.value("why")).end_object();
  const auto reply = ask_house(call, "POST", key_target(call, "/revoke"), body);
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 200) return complain_of(call, *reply, "sallyport keys list --all");
  const auto was = JsonValue::parse(before->body);
  if (was && text_or(*was, "status") == "revoked") {
    return complain(call, kConflict, "already_revoked",
                    fmt::format("key {} is already revoked ({} by {})", text_or(*was, "name"),
                                text_or(*was, "revoked_at"), text_or(*was, "revoked_by")),
                    "make a successor with  sallyport keys create NAME");
  }
  return tell_ended(call, *reply, "revoked {} (kid {}); it is dead now, and for good");
}

int admin_token(const Invocation& call, const Programs&) {
  const auto reply = ask_house(call, "POST", "/admin/v1/token", "{}");
  if (!reply) return exit_of_unasked(reply.error());
  if (reply->status != 201) return complain_of(call, *reply);
  if (call.json) {
    call.out << reply->body << "\n";
    return kOk;
  }
  const auto body = JsonValue::parse(reply->body);
  if (!body) return complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
  call.out << text_or(*body, "token") << "\n";
  if (!call.quiet) call.err << "the token is shown only this once; the old one is dead\n";
  return kOk;
}

}  // namespace sallyport::cli
