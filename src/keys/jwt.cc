// SPDX-License-Identifier: Apache-2.0
#include "keys/jwt.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kKidBytesMax = 256;
constexpr std::size_t kSignatureBytesMax = PublicKey::kRsaBitsMax / 8;
constexpr double kLatestSecond = 253'402'300'799;  // the end of the year 9999
constexpr JsonLimits kLimits{.depth_max = kJwtDepthMax, .keys_max = kJwtMembersMax};

// Each of these brings a key, a rule or another reading of the payload with it.
constexpr std::string_view kForbidden[] = {"jku", "x5u", "x5c", "crit", "b64", "zip", "cty",
                                           "enc", "epk", "apu", "apv",  "p2s", "p2c"};

// A part of the token: base64url of one JSON object.
std::optional<JsonValue> object_of(std::string_view part) {
  const auto json = base64url_decode(part);
  if (!json || !check_json(*json, kLimits)) return std::nullopt;
  Result<JsonValue> value = JsonValue::parse(*json);
  if (!value) return std::nullopt;
  return std::move(*value);
}

bool type_fits(const JsonValue& header, std::string_view wanted) {
  const auto typ = header.at("typ");
  if (!typ) return wanted.empty();
  const auto text = typ->string();
  if (!text) return false;
  if (!wanted.empty()) return equal_ascii_nocase(*text, wanted);
  return equal_ascii_nocase(*text, "JWT") || equal_ascii_nocase(*text, "at+jwt");
}

// A header member, whatever the case of its name: another reader may not care about case.
bool has_member(const JsonValue& header, std::string_view name) {
  return std::ranges::any_of(
      header.members(), [&](const auto& member) { return equal_ascii_nocase(member.first, name); });
}

std::optional<std::string> scalar_text(const JsonValue& value) {
  if (const auto text = value.string()) return std::string(*text);
  if (const auto number = value.integer()) return std::to_string(*number);
  if (const auto truth = value.boolean()) return *truth ? "true" : "false";
  return std::nullopt;
}

}  // namespace

const char* name(JwtFault fault) {
  switch (fault) {
    case JwtFault::kNone:
      return "none";
    case JwtFault::kMalformed:
      return "jwt_malformed";
    case JwtFault::kHeader:
      return "jwt_header";
    case JwtFault::kAlgorithm:
      return "jwt_algorithm";
    case JwtFault::kUnknownKey:
      return "jwt_unknown_key";
    case JwtFault::kSignature:
      return "jwt_signature";
    case JwtFault::kIssuer:
      return "jwt_issuer";
    case JwtFault::kAudience:
      return "jwt_audience";
    case JwtFault::kClaims:
      return "jwt_claims";
    case JwtFault::kExpired:
      return "jwt_expired";
    case JwtFault::kNotYetValid:
      return "jwt_not_yet_valid";
  }
  return "jwt_malformed";
}

std::expected<Jwt, JwtFault> Jwt::parse(std::string_view token, bool embedded_key,
                                        std::string_view type) {
  const auto refuse = [](JwtFault fault) { return std::unexpected(fault); };
  if (token.size() > kJwtBytesMax) return refuse(JwtFault::kMalformed);
  const std::size_t first = token.find('.');
  const std::size_t second = first == token.npos ? first : token.find('.', first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos) {
    return refuse(JwtFault::kMalformed);
  }
  const auto header = object_of(token.substr(0, first));
  auto claims = object_of(token.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(token.substr(second + 1));
  if (!header || !claims || !signature) return refuse(JwtFault::kMalformed);

  for (const std::string_view forbidden : kForbidden) {
    if (has_member(*header, forbidden)) return refuse(JwtFault::kHeader);
  }
  if (has_member(*header, "jwk") != embedded_key || !type_fits(*header, type)) {
    return refuse(JwtFault::kHeader);
  }
  const auto alg = header->at("alg");
  const auto spelled = alg ? alg->string() : std::nullopt;
  const auto algorithm = spelled ? parse_signature_algorithm(*spelled) : std::nullopt;
  if (!algorithm) return refuse(JwtFault::kAlgorithm);
  if (signature->empty() || signature->size() > kSignatureBytesMax) {
    return refuse(JwtFault::kSignature);
  }

  Jwt jwt(std::move(*claims));
  jwt.algorithm_ = *algorithm;
  if (const auto kid = header->at("kid")) {
    const auto text = kid->string();
    if (!text || text->empty() || text->size() > kKidBytesMax) return refuse(JwtFault::kHeader);
    jwt.kid_ = *text;
  }
  if (embedded_key) jwt.embedded_key_ = header->at("jwk");
  if (embedded_key && !jwt.embedded_key_) return refuse(JwtFault::kHeader);
  jwt.signing_input_ = token.substr(0, second);
  jwt.signature_ = std::move(*signature);
  return jwt;
}

std::optional<JsonValue> Jwt::claim(std::string_view name) const {
  if (!name.starts_with('/')) return claims_.at(name);
  std::optional<JsonValue> value = claims_;
  while (!name.empty() && value) {
    name.remove_prefix(1);
    const std::size_t end = std::min(name.find('/'), name.size());
    value = value->at(name.substr(0, end));
    name.remove_prefix(end);
  }
  return value;
}

std::optional<std::string> Jwt::text(std::string_view name) const {
  const auto value = claim(name);
  return value ? scalar_text(*value) : std::nullopt;
}

std::vector<std::string> Jwt::texts(std::string_view name) const {
  std::vector<std::string> out;
  const auto value = claim(name);
  if (!value) return out;
  if (!value->is_array()) {
    if (auto text = scalar_text(*value)) out.push_back(std::move(*text));
    return out;
  }
  for (const JsonValue& item : value->items()) {
    auto text = scalar_text(item);
    if (!text) return {};  // half an array is another array
    out.push_back(std::move(*text));
  }
  return out;
}

std::optional<UtcTime> Jwt::time(std::string_view name) const {
  const auto value = claims_.at(name);
  const auto seconds = value ? value->number() : std::nullopt;
  if (!seconds || !(*seconds >= 0) || *seconds > kLatestSecond) return std::nullopt;
  return UtcTime(std::chrono::seconds(static_cast<std::int64_t>(std::floor(*seconds))));
}

namespace {

JwtFault check_times(const Jwt& jwt, UtcTime now) {
  const auto exp = jwt.time("exp");
  const auto iat = jwt.time("iat");
  const auto nbf = jwt.time("nbf");
  if (!exp || !iat || *exp <= *iat) return JwtFault::kClaims;
  if (!nbf && jwt.claim("nbf")) return JwtFault::kClaims;
  if (now >= *exp + kClockLeeway) return JwtFault::kExpired;
  if (*iat > now + kClockLeeway) return JwtFault::kNotYetValid;
  if (nbf && *nbf > now + kClockLeeway) return JwtFault::kNotYetValid;
  return JwtFault::kNone;
}

}  // namespace

JwtFault check_jwt(const Jwt& jwt, const JwtExpectations& expected, UtcTime now) {
  const auto string_claim = [&](std::string_view name) {
    const auto value = jwt.claim(name);
    return std::string(value ? value->string().value_or("") : "");
  };
  if (expected.issuer.empty() || string_claim("iss") != expected.issuer) return JwtFault::kIssuer;
  // Behind the issuer: what is told of a token is not the algorithm of a mapping of somebody else.
  if (std::ranges::find(expected.algorithms, jwt.algorithm()) == expected.algorithms.end()) {
    return JwtFault::kAlgorithm;
  }

  const auto aud = jwt.claim("aud");
  if (!aud || expected.audience.empty()) return JwtFault::kAudience;
  bool meant = aud->string() == expected.audience;
  for (const JsonValue& one : aud->items()) {
    if (!one.string()) return JwtFault::kAudience;
    meant = meant || one.string() == expected.audience;
  }
  if (!meant) return JwtFault::kAudience;
  if (string_claim("sub").empty()) return JwtFault::kClaims;
  return check_times(jwt, now);
}

const PublicKey* find_key(const Jwt& jwt, const KeySet& keys) {
  return jwt.kid().empty() ? nullptr : keys.find(jwt.kid(), jwt.algorithm());
}

JwtFault verify_jwt(const Jwt& jwt, const JwtExpectations& expected, const KeySet& keys,
                    UtcTime now) {
  const JwtFault fault = check_jwt(jwt, expected, now);
  if (fault != JwtFault::kNone) return fault;
  const PublicKey* const key = find_key(jwt, keys);
  if (key == nullptr) return JwtFault::kUnknownKey;
  return jwt.signed_by(*key) ? JwtFault::kNone : JwtFault::kSignature;
}

}  // namespace sallyport::keys
