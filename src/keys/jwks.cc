// SPDX-License-Identifier: Apache-2.0
#include "keys/jwks.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"

namespace sallyport::keys {
namespace {

constexpr JsonLimits kLimits{.depth_max = 8, .keys_max = 64};
constexpr std::size_t kNameBytesMax = 256;

// The array `member` of a checked document.
Result<std::vector<JsonValue>> entries(std::string_view json, std::string_view member) {
  if (json.size() > kKeySetBytesMax) return fail(Code::kInvalid, "larger than 256 KiB");
  const Result<void> checked = check_json(json, kLimits);
  if (!checked) return std::unexpected(checked.error());
  const Result<JsonValue> document = JsonValue::parse(json);
  if (!document) return std::unexpected(document.error());
  const auto list = document->at(member);
  if (!list || !list->is_array()) return fail(Code::kInvalid, "no array of keys");
  std::vector<JsonValue> items = list->items();
  if (items.size() > kKeySetKeysMax) return fail(Code::kInvalid, "more than 128 keys");
  return items;
}

std::optional<std::string_view> text(const JsonValue& object, std::string_view name) {
  const auto value = object.at(name);
  return value ? value->string() : std::nullopt;
}

// Meant for signatures, as far as the key says anything. SPIFFE's bundles say "jwt-svid".
bool for_signatures(const JsonValue& jwk) {
  if (jwk.at("use")) {
    const auto use = text(jwk, "use");
    if (use != "sig" && use != "jwt-svid") return false;
  }
  const auto operations = jwk.at("key_ops");
  if (!operations) return true;
  const auto items = operations->items();
  return std::ranges::any_of(items, [](const JsonValue& one) { return one.string() == "verify"; });
}

}  // namespace

Result<void> KeySet::add(std::string_view kid, Result<PublicKey> key,
                         std::optional<SignatureAlgorithm> only) {
  if (!key || (only && !key->fits(*only))) {
    ++left_out_;
    return {};
  }
  const bool fresh = keys_.emplace(std::string(kid), Entry{std::move(*key), only}).second;
  if (!fresh) return fail(Code::kInvalid, "two keys have the same name");
  return {};
}

Result<std::shared_ptr<const KeySet>> KeySet::whole(std::shared_ptr<KeySet> set) {
  if (set->keys_.empty()) return fail(Code::kInvalid, "no key in it can be used");
  return set;
}

Result<std::shared_ptr<const KeySet>> KeySet::parse_jwks(std::string_view json) {
  const auto items = entries(json, "keys");
  if (!items) return std::unexpected(items.error());
  auto set = std::make_shared<KeySet>();
  for (const JsonValue& jwk : *items) {
    const auto kid = text(jwk, "kid");
    const auto alg = text(jwk, "alg");
    const auto only = alg ? parse_signature_algorithm(*alg) : std::nullopt;
    const bool named = kid && !kid->empty() && kid->size() <= kNameBytesMax;
    if (!named || !for_signatures(jwk) || (jwk.at("alg") && !only)) {
      ++set->left_out_;
      continue;
    }
    const Result<void> added = set->add(*kid, PublicKey::from_jwk(jwk), only);
    if (!added) return std::unexpected(added.error());
  }
  return whole(std::move(set));
}

Result<std::shared_ptr<const KeySet>> KeySet::parse_github(std::string_view json) {
  const auto items = entries(json, "public_keys");
  if (!items) return std::unexpected(items.error());
  auto set = std::make_shared<KeySet>();
  for (const JsonValue& one : *items) {
    const auto kid = text(one, "key_identifier");
    const auto pem = text(one, "key");
    if (!kid || kid->empty() || kid->size() > kNameBytesMax || !pem) {
      ++set->left_out_;
      continue;
    }
    const Result<void> added =
        set->add(*kid, PublicKey::from_pem(*pem), SignatureAlgorithm::kEs256);
    if (!added) return std::unexpected(added.error());
  }
  return whole(std::move(set));
}

const PublicKey* KeySet::find(std::string_view kid, SignatureAlgorithm algorithm) const {
  const auto at = keys_.find(kid);
  if (at == keys_.end()) return nullptr;
  const Entry& entry = at->second;
  if (entry.only && *entry.only != algorithm) return nullptr;
  return entry.key.fits(algorithm) ? &entry.key : nullptr;
}

}  // namespace sallyport::keys
