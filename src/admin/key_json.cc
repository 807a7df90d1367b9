// SPDX-License-Identifier: Apache-2.0
#include "admin/key_json.h"

#include <algorithm>
#include <iterator>
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

Result<void> read_truth(std::string_view member, const JsonValue& value, bool& into) {
  const auto truth = value.boolean();
  if (!truth) return wrong(member, "true or false");
  into = *truth;
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
  if (member == "derive") return read_truth(member, value, spec.derive);
  if (member == "may_name_organization") {
    return read_truth(member, value, spec.scope.may_name_organization);
  }
  const Result<void> read = read_restriction(member, value, spec.restrictions);
  if (!read) return fail(Code::kInvalid, read.error().what);
  return {};
}

// --- A change

constexpr std::string_view kFixed[] = {"name", "kid", "layer", "derive", "mapping"};

template <class T>
Result<void> read_change(std::string_view member, const JsonValue& value, std::optional<T>& into,
                         Result<void> (*read)(std::string_view, const JsonValue&, T&)) {
  return read(member, value, into.emplace());
}

Result<void> read_time(std::string_view member, const JsonValue& value, UtcTime& into) {
  const auto text = value.string();
  const auto time = text ? parse_utc(*text) : std::nullopt;
  if (!time) return wrong(member, "a time such as \"2026-01-31T08:00:00Z\"");
  into = *time;
  return {};
}

// kNotFound: no member of a key beside its restrictions.
Result<void> read_own_member(std::string_view member, const JsonValue& value, UtcTime now,
                             keys::KeyChange& change) {
  if (member == "owner") return read_change(member, value, change.owner, &read_text);
  if (member == "module") return read_change(member, value, change.module, &read_text);
  if (member == "purpose") return read_change(member, value, change.purpose, &read_text);
  if (member == "modules") return read_change(member, value, change.modules, &read_texts);
  if (member == "purposes") return read_change(member, value, change.purposes, &read_texts);
  if (member == "may_name_organization") {
    return read_change(member, value, change.may_name_organization, &read_truth);
  }
  if (member == "expires_at") return read_change(member, value, change.expires_at, &read_time);
  if (member == "upstream") {
    auto& upstream = change.upstream.emplace();
    return value.is_null() ? Result<void>() : read_text(member, value, upstream.emplace());
  }
  if (member == "not_before") {
    auto& not_before = change.not_before.emplace();
    return value.is_null() ? Result<void>() : read_time(member, value, not_before.emplace());
  }
  if (member == "life") {
    const auto text = value.string();
    const auto life = text ? parse_duration(*text) : std::nullopt;
    if (!life) return wrong(member, "a duration such as \"8h\"");
    change.expires_at = now + *life;
    return {};
  }
  return fail(Code::kNotFound, "");
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

Result<keys::KeyChange> parse_key_change(std::string_view text, UtcTime now) {
  const Result<JsonValue> document = JsonValue::parse(text);
  if (!document || !document->is_object()) {
    return fail(Code::kInvalid, "the body is not a JSON object");
  }
  keys::KeyChange change;
  JsonMembers members(text);
  JsonMember raw;
  while (members.next(raw)) {
    const std::string member = json_unescape(raw.key);
    const auto value = document->at(member);
    if (!value) return fail(Code::kInvalid, "the body cannot be read");
    if (std::ranges::find(kFixed, member) != std::end(kFixed)) {
      return fail(Code::kInvalid, member + " does not change; make another key");
    }
    const Result<void> read = read_own_member(member, *value, now, change);
    if (read) continue;
    if (read.error().code != Code::kNotFound) return std::unexpected(read.error());
    change.restrictions.emplace(member, raw.value);
  }
  if (document->at("life") && document->at("expires_at")) {
    return fail(Code::kInvalid, "life and expires_at say the same; send one of them");
  }
  if (change.empty()) return fail(Code::kInvalid, "nothing is to be changed");
  return change;
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

std::string_view key_status(const keys::KeyInfo& key, UtcTime now,
                            const std::optional<keys::DeadLayer>& dead) {
  const std::string_view own = keys::status(key, now);
  return !dead || own == "revoked" || own == "expired" ? own : keys::name(dead->fault);
}

void write_key_members(JsonWriter& json, const keys::KeyInfo& key, UtcTime now,
                       const std::optional<keys::DeadLayer>& dead) {
  json.field("name", key.name)
      .field("kid", key.kid)
      .field("redacted", keys::redacted_key(key.kid))
      .field("status", key_status(key, now, dead))
      .field("ended_by", dead ? std::optional(dead->path) : std::nullopt)
      .field("owner", key.owner)
      .field("created_at", format_utc(key.created_at))
      .field("created_by", key.created_by)
      .field("not_before", utc(key.not_before))
      .field("expires_at", format_utc(key.expires_at))
      .field("revoked_at", utc(key.revoked_at))
      .field("revoked_by", key.revoked_by)
      .field("revoked_why", key.revoked_why)
      .field("blocked_at", utc(key.blocked_at))
      .field("blocked_by", key.blocked_by)
      .field("blocked_why", key.blocked_why)
      .field("replaced_by", key.replaced_by)
      .field("mapping", key.mapping.empty() ? std::nullopt : std::optional(key.mapping));
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

std::string key_json(const keys::KeyInfo& key, UtcTime now,
                     const std::optional<keys::DeadLayer>& dead) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write_key_members(json, key, now, dead);
  json.end_object();
  return out;
}

}  // namespace sallyport::admin
