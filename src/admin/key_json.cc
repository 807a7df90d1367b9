// SPDX-License-Identifier: Apache-2.0
#include "admin/key_json.h"

#include <utility>
#include <vector>

#include "base/json_reader.h"
#include "keys/key_format.h"

namespace sallyport::admin {
namespace {

std::unexpected<Error> wrong(std::string_view member, std::string_view what) {
  return fail(Code::kInvalid, std::string(member) + " must be " + std::string(what));
}

Result<void> read_texts(std::string_view member, const JsonValue& value,
                        std::vector<std::string>& into) {
  if (!value.is_array()) return wrong(member, "a list of texts");
  for (const JsonValue& item : value.items()) {
    const auto text = item.string();
    if (!text) return wrong(member, "a list of texts");
    if (into.size() >= keys::kScopeWordsMax) return wrong(member, "shorter");
    into.emplace_back(*text);
  }
  return {};
}

Result<void> read_text(std::string_view member, const JsonValue& value, std::string& into) {
  const auto text = value.string();
  if (!text) return wrong(member, "text");
  into = *text;
  return {};
}

Result<void> read_member(std::string_view member, const JsonValue& value, keys::KeySpec& spec) {
  if (member == "name") return read_text(member, value, spec.name);
  if (member == "owner") return read_text(member, value, spec.owner);
  if (member == "module") return read_text(member, value, spec.scope.module);
  if (member == "purpose") return read_text(member, value, spec.scope.purpose);
  if (member == "layer") return read_text(member, value, spec.layer);
  if (member == "modules") return read_texts(member, value, spec.scope.modules);
  if (member == "purposes") return read_texts(member, value, spec.scope.purposes);
  if (member == "upstream") return read_text(member, value, spec.scope.upstream.emplace());
  if (member == "life") {
    const auto text = value.string();
    spec.life = text ? parse_duration(*text) : std::nullopt;
    if (!spec.life) return wrong(member, "a duration such as \"8h\"");
    return {};
  }
  if (member == "not_before") {
    const auto text = value.string();
    spec.not_before = text ? parse_utc(*text) : std::nullopt;
    if (!spec.not_before) return wrong(member, "a time such as \"2026-01-31T08:00:00Z\"");
    return {};
  }
  if (member == "derive") {
    const auto truth = value.boolean();
    if (!truth) return wrong(member, "true or false");
    spec.derive = *truth;
    return {};
  }
  if (member == "may_name_organization") {
    const auto truth = value.boolean();
    if (!truth) return wrong(member, "true or false");
    spec.scope.may_name_organization = *truth;
    return {};
  }
  const Result<void> read = read_restriction(member, value, spec.restrictions);
  if (!read) return fail(Code::kInvalid, read.error().what);
  return {};
}

void write_texts(JsonWriter& json, std::string_view member, const std::vector<std::string>& texts) {
  json.key(member).begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

void write_scope(JsonWriter& json, const keys::KeyScope& scope) {
  write_texts(json, "modules", scope.modules);
  write_texts(json, "purposes", scope.purposes);
  json.field("module", scope.module).field("purpose", scope.purpose);
}

std::optional<std::string> utc(const std::optional<UtcTime>& time) {
  if (!time) return std::nullopt;
  return format_utc(*time);
}

}  // namespace

Result<keys::KeySpec> parse_key_spec(std::string_view json) {
  const Result<JsonValue> document = JsonValue::parse(json);
  if (!document || !document->is_object())
    return fail(Code::kInvalid, "the body is not a JSON object");
  keys::KeySpec spec;
  for (const auto& [member, value] : document->members()) {
    if (const Result<void> read = read_member(member, value, spec); !read) {
      return std::unexpected(read.error());
    }
  }
  if (spec.name.empty()) return fail(Code::kInvalid, "name is missing");
  return spec;
}

std::string write_key_spec(const keys::KeySpec& spec) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("name", spec.name).field("owner", spec.owner);
  if (spec.life) json.field("life", format_duration(*spec.life));
  if (spec.not_before) json.field("not_before", format_utc(*spec.not_before));
  write_scope(json, spec.scope);
  if (spec.scope.upstream) json.field("upstream", *spec.scope.upstream);
  if (!spec.layer.empty()) json.field("layer", spec.layer);
  if (spec.derive) json.field("derive", true);
  json.field("may_name_organization", spec.scope.may_name_organization);
  write_restrictions(json, spec.restrictions);
  json.end_object();
  return out;
}

void write_key_members(JsonWriter& json, const keys::KeyInfo& key, UtcTime now) {
  json.field("name", key.name)
      .field("kid", key.kid)
      .field("redacted", keys::redacted_key(key.kid))
      .field("status", keys::status(key, now))
      .field("owner", key.owner)
      .field("created_at", format_utc(key.created_at))
      .field("created_by", key.created_by)
      .field("not_before", utc(key.not_before))
      .field("expires_at", format_utc(key.expires_at))
      .field("revoked_at", utc(key.revoked_at))
      .field("revoked_by", key.revoked_by)
      .field("revoked_why", key.revoked_why)
      .field("replaced_by", key.replaced_by);
  write_scope(json, key.scope);
  json.field("upstream", key.scope.upstream)
      .field("may_name_organization", key.scope.may_name_organization)
      .field("layer", key.layer.empty() ? std::nullopt : std::optional(key.layer))
      .field("derive", key.derive)
      .field("last_used_at", utc(key.last_used_at));
  // Readers find these two always; an empty list restricts nothing.
  if (key.restrictions.endpoints.empty()) json.key("endpoints").begin_array().end_array();
  if (key.restrictions.models.empty()) json.key("models").begin_array().end_array();
  write_restrictions(json, key.restrictions);
}

std::string key_json(const keys::KeyInfo& key, UtcTime now) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_key_members(json, key, now);
  json.end_object();
  return out;
}

}  // namespace sallyport::admin
