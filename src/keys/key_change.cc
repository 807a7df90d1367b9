// SPDX-License-Identifier: Apache-2.0
#include "keys/key_change.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"

namespace sallyport::keys {
namespace {

constexpr std::string_view kLifted = "null";

Result<void> change_restrictions(const decltype(KeyChange::restrictions)& changes,
                                 Restrictions& restrictions) {
  if (changes.empty()) return {};
  Restrictions next;
  const Result<JsonValue> held = JsonValue::parse(restrictions_json(restrictions));
  if (!held) return std::unexpected(held.error());
  for (const auto& [member, value] : held->members()) {
    if (changes.contains(member)) continue;
    const Result<void> kept = read_restriction(member, value, next);
    if (!kept) return kept;
  }
  for (const auto& [member, text] : changes) {
    const Result<JsonValue> value = JsonValue::parse(text == kLifted ? "[]" : text);
    if (!value) return fail(Code::kInvalid, member + " cannot be read");
    // A member that is lifted is read, too, into nothing: its name may be mistyped.
    Restrictions unused;
    const Result<void> read = read_restriction(member, *value, text == kLifted ? unused : next);
    if (!read && (text != kLifted || read.error().code == Code::kNotFound)) {
      return fail(Code::kInvalid, read.error().what);
    }
  }
  restrictions = std::move(next);
  return {};
}

void change_scope(const KeyChange& change, KeyScope& scope) {
  if (change.module) scope.module = *change.module;
  if (change.purpose) scope.purpose = *change.purpose;
  if (change.modules) scope.modules = *change.modules;
  if (change.purposes) scope.purposes = *change.purposes;
  if (change.upstream) scope.upstream = *change.upstream;
  if (change.may_name_organization) scope.may_name_organization = *change.may_name_organization;
}

}  // namespace

bool KeyChange::empty() const {
  return !owner && !module && !purpose && !modules && !purposes && !upstream &&
         !may_name_organization && !not_before && !expires_at && restrictions.empty();
}

Result<KeyInfo> changed(KeyInfo key, const KeyChange& change) {
  if (change.owner) key.owner = *change.owner;
  change_scope(change, key.scope);
  if (change.not_before) key.not_before = *change.not_before;
  if (change.expires_at) {
    const bool retiring = key.state == KeyState::kRetiring;
    key.expires_at = retiring ? std::min(key.expires_at, *change.expires_at) : *change.expires_at;
  }
  const Result<void> restricted = change_restrictions(change.restrictions, key.restrictions);
  if (!restricted) return std::unexpected(restricted.error());
  if (key.not_before && *key.not_before >= key.expires_at) {
    return fail(Code::kInvalid, "not_before: the key would expire before it becomes valid");
  }
  KeySpec spec;  // what a new key would have to be
  spec.name = key.name;
  spec.owner = key.owner;
  spec.scope = key.scope;
  spec.layer = key.layer;
  spec.restrictions = key.restrictions;
  const Result<void> readable = check_spec(spec);
  if (!readable) return std::unexpected(readable.error());
  return key;
}

}  // namespace sallyport::keys
