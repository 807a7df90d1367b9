// SPDX-License-Identifier: Apache-2.0
#include "sim/subject_token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <memory>
#include <optional>

#include "base/json_reader.h"
#include "base/text.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t kTokenBytesMax = 16'384;
constexpr std::int64_t kAheadMaxS = 60;  // how far ahead of ours the issuer's clock may be
constexpr std::size_t kCoordinateBytes = 32;

template <auto Function>
struct Free {
  void operator()(auto* object) const { Function(object); }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using EcSignature = std::unique_ptr<ECDSA_SIG, Free<ECDSA_SIG_free>>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Number number_of(std::string_view big_endian) {
  return Number(BN_bin2bn(bytes(big_endian), static_cast<int>(big_endian.size()), nullptr));
}

std::optional<std::string> text_of(const JsonValue& object, std::string_view name) {
  const auto value = object.at(name);
  const auto text = value ? value->string() : std::nullopt;
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<std::int64_t> integer_of(const JsonValue& object, std::string_view name) {
  const auto value = object.at(name);
  return value ? value->integer() : std::nullopt;
}

Key built(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return Key(key);
}

Key rsa_key(const JsonValue& jwk) {
  const auto n = base64url_decode(text_of(jwk, "n").value_or(""));
  const auto e = base64url_decode(text_of(jwk, "e").value_or(""));
  if (!n || !e || n->size() < 256 || n->size() > 1'024 || e->empty() || e->size() > 4)
    return nullptr;
  const Number modulus = number_of(*n);
  const Number exponent = number_of(*e);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  return built("RSA", builder.get());
}

Key p256_key(const JsonValue& jwk) {
  const auto x = base64url_decode(text_of(jwk, "x").value_or(""));
  const auto y = base64url_decode(text_of(jwk, "y").value_or(""));
  const bool sized = x && y && x->size() == kCoordinateBytes && y->size() == kCoordinateBytes;
  if (!sized || text_of(jwk, "crv") != "P-256") return nullptr;
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return nullptr;
  }
  return built("EC", builder.get());
}

// JOSE writes r and s side by side, OpenSSL reads them in DER.
std::optional<std::string> der_of(std::string_view raw) {
  if (raw.size() != 2 * kCoordinateBytes) return std::nullopt;
  const EcSignature pair(ECDSA_SIG_new());
  Number r = number_of(raw.substr(0, kCoordinateBytes));
  Number s = number_of(raw.substr(kCoordinateBytes));
  if (ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return std::nullopt;
  (void)r.release();  // the pair owns both now
  (void)s.release();
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

bool signed_by(const JsonValue& jwk, std::string_view alg, std::string_view text,
               std::string_view signature) {
  const auto type = text_of(jwk, "kty");
  const auto named = text_of(jwk, "alg");
  if (named && *named != alg) return false;
  const bool fits = (alg == "RS256" && type == "RSA") || (alg == "ES256" && type == "EC");
  if (!fits) return false;
  const Key key = alg == "RS256" ? rsa_key(jwk) : p256_key(jwk);
  const auto encoded = alg == "RS256" ? std::optional<std::string>(signature) : der_of(signature);
  const Digest context(EVP_MD_CTX_new());
  const bool good =
      key && encoded &&
      EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
      EVP_DigestVerify(context.get(), bytes(*encoded), encoded->size(), bytes(text), text.size()) ==
          1;
  if (!good) ERR_clear_error();
  return good;
}

bool names_audience(const JsonValue& claims, std::string_view audience) {
  const auto aud = claims.at("aud");
  if (!aud) return false;
  if (aud->string()) return *aud->string() == audience;
  for (const JsonValue& one : aud->items()) {
    if (one.string() == audience) return true;
  }
  return false;
}

Result<JsonValue> part_of(std::string_view encoded) {
  const auto text = base64url_decode(encoded);
  if (!text) return fail(Code::kInvalid, "the token is not a JWT");
  auto parsed = JsonValue::parse(*text);
  if (!parsed || !parsed->is_object()) return fail(Code::kInvalid, "the token is not a JWT");
  return parsed;
}

Result<Subject> check_claims(const JsonValue& claims, const SimIdentityProvider& issuer,
                             std::int64_t now) {
  if (text_of(claims, "iss") != issuer.issuer) return fail(Code::kInvalid, "iss is another issuer");
  if (!names_audience(claims, issuer.audience)) return fail(Code::kInvalid, "aud is another one");
  const auto subject = text_of(claims, "sub");
  if (!subject || subject->empty()) return fail(Code::kInvalid, "there is no sub");
  const auto expires = integer_of(claims, "exp");
  if (!expires) return fail(Code::kInvalid, "there is no exp");
  if (*expires <= now) return fail(Code::kInvalid, "the token has expired");
  const auto issued = integer_of(claims, "iat");
  if (!issued) return fail(Code::kInvalid, "there is no iat");
  if (*issued > now + kAheadMaxS) return fail(Code::kInvalid, "iat lies in the future");
  const auto not_before = integer_of(claims, "nbf");
  if (not_before && *not_before > now + kAheadMaxS) {
    return fail(Code::kInvalid, "nbf lies in the future");
  }
  return Subject{.subject = *subject, .expires = *expires};
}

}  // namespace

Result<Subject> check_subject_token(std::string_view jwt, const SimIdentityProvider& issuer,
                                    std::int64_t now) {
  const std::size_t first = jwt.find('.');
  const std::size_t second = first == std::string_view::npos ? first : jwt.find('.', first + 1);
  if (jwt.size() > kTokenBytesMax || second == std::string_view::npos) {
    return fail(Code::kInvalid, "the token is not a JWT");
  }
  const auto header = part_of(jwt.substr(0, first));
  if (!header) return std::unexpected(header.error());
  const auto claims = part_of(jwt.substr(first + 1, second - first - 1));
  if (!claims) return std::unexpected(claims.error());
  const auto signature = base64url_decode(jwt.substr(second + 1));
  if (!signature) return fail(Code::kInvalid, "the token is not a JWT");

  const auto kid = text_of(*header, "kid");
  if (!kid) return fail(Code::kInvalid, "there is no kid");
  const auto set = JsonValue::parse(issuer.jwks);
  const auto keys = set ? set->at("keys") : std::nullopt;
  if (!keys) return fail(Code::kInvalid, "the issuer has no key set");
  const std::string alg = text_of(*header, "alg").value_or("");
  for (const JsonValue& jwk : keys->items()) {
    if (text_of(jwk, "kid") != *kid) continue;
    if (!signed_by(jwk, alg, jwt.substr(0, second), *signature)) {
      return fail(Code::kInvalid, "the signature does not fit");
    }
    return check_claims(*claims, issuer, now);
  }
  return fail(Code::kInvalid, "no key of the issuer has this kid");
}

}  // namespace sallyport::sim
