// SPDX-License-Identifier: Apache-2.0
#include "keys/key_info.h"

#include <algorithm>

#include "keys/layers.h"

namespace sallyport::keys {
namespace {

// Text of a person: no control characters, so that a list of them can be kept one a line.
bool plain(std::string_view text, std::size_t bytes_max) {
  return text.size() <= bytes_max && std::ranges::all_of(text, [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte >= 0x20 && byte != 0x7f;
         });
}

Result<void> check_words(const std::vector<std::string>& words, const char* what,
                         bool (*valid)(std::string_view)) {
  if (words.size() > kScopeWordsMax) {
    return fail(Code::kInvalid, std::string("more than 256 entries in ") + what);
  }
  for (const std::string& word : words) {
    if (!valid(word)) return fail(Code::kInvalid, std::string("not a valid entry of ") + what);
  }
  return {};
}

Result<void> check_scope(const KeyScope& scope) {
  const Result<void> checks[] = {
      check_words(scope.modules, "modules", valid_label),
      check_words(scope.purposes, "purposes", valid_label),
  };
  for (const Result<void>& check : checks) {
    if (!check) return check;
  }
  if (!valid_label(scope.module)) return fail(Code::kInvalid, "not a valid module");
  if (!valid_label(scope.purpose)) return fail(Code::kInvalid, "not a valid purpose");
  if (scope.upstream && !valid_key_name(*scope.upstream)) {
    return fail(Code::kInvalid, "not a valid name of an upstream");
  }
  return {};
}

}  // namespace

std::string_view name(KeyState state) {
  switch (state) {
    case KeyState::kActive:
      return "active";
    case KeyState::kRetiring:
      return "retiring";
    case KeyState::kRevoked:
      return "revoked";
  }
  return "revoked";
}

std::optional<KeyState> parse_key_state(std::string_view text) {
  for (const KeyState state : {KeyState::kActive, KeyState::kRetiring, KeyState::kRevoked}) {
    if (text == name(state)) return state;
  }
  return std::nullopt;
}

std::string_view status(const KeyInfo& key, UtcTime now) {
  if (key.state == KeyState::kRevoked) return "revoked";
  if (now >= key.expires_at) return "expired";
  if (key.blocked_at) return "blocked";
  if (key.not_before && now < *key.not_before) return "not_yet_valid";
  return name(key.state);
}

bool valid_key_name(std::string_view name) {
  // Of dots alone: a path of the admin API could not name it, so it could never be revoked by name.
  if (name.find_first_not_of('.') == std::string_view::npos) return false;
  return name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                  c == '_' || c == '.' || c == '-';
         });
}

bool valid_label(std::string_view text) { return !text.empty() && plain(text, kTextBytesMax); }

Result<void> check_restrictions(const Restrictions& restrictions) {
  if (restrictions.empty()) return {};
  const Result<Restrictions> read = parse_restrictions(restrictions_json(restrictions));
  if (!read) return std::unexpected(read.error());
  return {};
}

Result<void> check_spec(const KeySpec& spec) {
  if (!valid_key_name(spec.name)) {
    return fail(Code::kInvalid, "a name is 1 to 64 characters of A-Z a-z 0-9 _ . -");
  }
  if (!spec.owner.empty() && !valid_label(spec.owner))
    return fail(Code::kInvalid, "not a valid owner");
  if (spec.life && spec.life->count() <= 0) {
    return fail(Code::kInvalid, "the life of a key must be above zero");
  }
  if (!spec.layer.empty() && !layer_kind(spec.layer)) {
    return fail(Code::kInvalid, std::string("layer is ") + std::string(kLayerPathForm));
  }
  if (!spec.mapping.empty() && !valid_label(spec.mapping)) {
    return fail(Code::kInvalid, "not a valid mapping");
  }
  const Result<void> restricted = check_restrictions(spec.restrictions);
  if (!restricted) return restricted;
  return check_scope(spec.scope);
}

}  // namespace sallyport::keys
