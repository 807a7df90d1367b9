// SPDX-License-Identifier: Apache-2.0
#include "keys/jwk.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kCoordinateBytes = 32;
constexpr std::size_t kExponentBytesMax = 4;
constexpr unsigned long kExponentMin = 65'537;
constexpr std::size_t kPemBytesMax = 4096;

template <auto Function>
struct Free {
  void operator()(auto* object) const { Function(object); }
};
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Free<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Free<OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::unexpected<Error> bad(const char* what) {
  ERR_clear_error();
  return fail(Code::kInvalid, what);
}

// A member in base64url, decoded; nothing if it is missing or has another spelling.
std::optional<std::string> member(const JsonValue& jwk, std::string_view name) {
  const auto value = jwk.at(name);
  const auto text = value ? value->string() : std::nullopt;
  if (!text || text->empty()) return std::nullopt;
  return base64url_decode(*text);
}

SharedKey build(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return SharedKey(key, Free<EVP_PKEY_free>());
}

// Not a point of the curve, or the point at infinity: refused here once, not at each signature.
bool checks_out(EVP_PKEY* key) {
  const KeyContext context(EVP_PKEY_CTX_new(key, nullptr));
  return context && EVP_PKEY_public_check(context.get()) == 1;
}

// r||s of JOSE in DER. Each number in its shortest positive form.
std::string der_signature(std::string_view raw) {
  std::string out;
  for (std::string_view half : {raw.substr(0, kCoordinateBytes), raw.substr(kCoordinateBytes)}) {
    while (half.size() > 1 && half.front() == '\0') half.remove_prefix(1);
    const bool pad = static_cast<unsigned char>(half.front()) >= 0x80;
    out += '\x02';
    out += static_cast<char>(half.size() + (pad ? 1 : 0));
    if (pad) out += '\0';
    out += half;
  }
  return std::string("\x30") + static_cast<char>(out.size()) + out;
}

bool use_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

bool verify(EVP_PKEY* key, bool pss, bool digest, std::string_view text,
            std::string_view signature) {
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by `context`
  const EVP_MD* const hash = digest ? EVP_sha256() : nullptr;
  const bool good = context &&
                    EVP_DigestVerifyInit(context.get(), &options, hash, nullptr, key) == 1 &&
                    (!pss || use_pss(options)) &&
                    EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text),
                                     text.size()) == 1;
  if (!good) ERR_clear_error();
  return good;
}

}  // namespace

std::string_view name(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::kRs256:
      return "RS256";
    case SignatureAlgorithm::kPs256:
      return "PS256";
    case SignatureAlgorithm::kEs256:
      return "ES256";
    case SignatureAlgorithm::kEdDsa:
      return "EdDSA";
  }
  return "";
}

std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view text) {
  using enum SignatureAlgorithm;
  for (const SignatureAlgorithm algorithm : {kRs256, kPs256, kEs256, kEdDsa}) {
    if (text == name(algorithm)) return algorithm;
  }
  return std::nullopt;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    return {};
  return std::string(reinterpret_cast<const char*>(digest.data()), size);
}

Result<PublicKey> PublicKey::from_jwk(const JsonValue& jwk) {
  if (!jwk.is_object()) return bad("a JWK is an object");
  // A private or symmetric key in a public place is a mistake that must not work.
  for (const char* const secret : {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}) {
    if (jwk.at(secret)) return bad("a JWK with private members");
  }
  const auto kty = jwk.at("kty");
  const auto type = kty ? kty->string() : std::nullopt;
  if (type == "RSA") return from_rsa(jwk);
  if (type == "EC") return from_p256(jwk);
  if (type == "OKP") return from_ed25519(jwk);
  return bad("a JWK of another type");
}

Result<PublicKey> PublicKey::from_rsa(const JsonValue& jwk) {
  const auto n = member(jwk, "n");
  const auto e = member(jwk, "e");
  if (!n || !e) return bad("a JWK without n or e");
  // One spelling: no leading zero octets (RFC 7518 2).
  if (n->front() == '\0' || e->front() == '\0' || e->size() > kExponentBytesMax ||
      n->size() > kRsaBitsMax / 8) {
    return bad("a JWK with bad numbers");
  }
  const Number modulus(BN_bin2bn(bytes(*n), static_cast<int>(n->size()), nullptr));
  const Number exponent(BN_bin2bn(bytes(*e), static_cast<int>(e->size()), nullptr));
  if (!modulus || !exponent || BN_num_bits(modulus.get()) < kRsaBitsMin ||
      !BN_is_odd(modulus.get()) || !BN_is_odd(exponent.get()) ||
      BN_get_word(exponent.get()) < kExponentMin) {
    return bad("an RSA key that is too small");
  }
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return bad("OpenSSL does not take the key");
  }
  SharedKey key = build("RSA", builder.get());
  if (!key) return bad("OpenSSL does not take the key");
  const std::string canonical = "{\"e\":\"" + base64url_encode(*e) + "\",\"kty\":\"RSA\",\"n\":\"" +
                                base64url_encode(*n) + "\"}";
  return PublicKey(std::move(key), PublicKeyType::kRsa, base64url_encode(sha256(canonical)));
}

Result<PublicKey> PublicKey::from_p256(const JsonValue& jwk) {
  const auto crv = jwk.at("crv");
  if (!crv || crv->string() != "P-256") return bad("a JWK of another curve");
  const auto x = member(jwk, "x");
  const auto y = member(jwk, "y");
  if (!x || !y || x->size() != kCoordinateBytes || y->size() != kCoordinateBytes) {
    return bad("a JWK with bad coordinates");
  }
  const std::string point = "\x04" + *x + *y;
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return bad("OpenSSL does not take the key");
  }
  SharedKey key = build("EC", builder.get());
  if (!key || !checks_out(key.get())) return bad("not a point of the curve");
  const std::string canonical = R"({"crv":"P-256","kty":"EC","x":")" + base64url_encode(*x) +
                                "\",\"y\":\"" + base64url_encode(*y) + "\"}";
  return PublicKey(std::move(key), PublicKeyType::kP256, base64url_encode(sha256(canonical)));
}

Result<PublicKey> PublicKey::from_ed25519(const JsonValue& jwk) {
  const auto crv = jwk.at("crv");
  if (!crv || crv->string() != "Ed25519") return bad("a JWK of another curve");
  const auto x = member(jwk, "x");
  if (!x || x->size() != kCoordinateBytes) return bad("a JWK with a bad point");
  EVP_PKEY* const raw =
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes(*x), x->size());
  if (raw == nullptr) return bad("OpenSSL does not take the key");
  const std::string canonical =
      R"({"crv":"Ed25519","kty":"OKP","x":")" + base64url_encode(*x) + "\"}";
  return PublicKey(SharedKey(raw, Free<EVP_PKEY_free>()), PublicKeyType::kEd25519,
                   base64url_encode(sha256(canonical)));
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return bad("a PEM key that is too large");
  const std::unique_ptr<BIO, Free<BIO_free>> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* const raw = bio ? PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr) : nullptr;
  if (raw == nullptr) return bad("not a public key in PEM");
  SharedKey key(raw, Free<EVP_PKEY_free>());
  std::array<char, 32> group{};
  std::size_t size = 0;
  if (EVP_PKEY_is_a(raw, "EC") != 1 ||
      EVP_PKEY_get_group_name(raw, group.data(), group.size(), &size) != 1 ||
      std::string_view(group.data(), size) != "prime256v1" || !checks_out(raw)) {
    return bad("not a key on P-256");
  }
  return PublicKey(std::move(key), PublicKeyType::kP256, "");
}

bool PublicKey::fits(SignatureAlgorithm algorithm) const {
  switch (algorithm) {
    case SignatureAlgorithm::kRs256:
    case SignatureAlgorithm::kPs256:
      return type_ == PublicKeyType::kRsa;
    case SignatureAlgorithm::kEs256:
      return type_ == PublicKeyType::kP256;
    case SignatureAlgorithm::kEdDsa:
      return type_ == PublicKeyType::kEd25519;
  }
  return false;
}

bool PublicKey::verifies(SignatureAlgorithm algorithm, std::string_view text,
                         std::string_view signature) const {
  if (!fits(algorithm)) return false;
  switch (algorithm) {
    case SignatureAlgorithm::kRs256:
      return verify(key_.get(), false, true, text, signature);
    case SignatureAlgorithm::kPs256:
      return verify(key_.get(), true, true, text, signature);
    case SignatureAlgorithm::kEs256:
      if (signature.size() != 2 * kCoordinateBytes) return false;
      return verifies_der(text, der_signature(signature));
    case SignatureAlgorithm::kEdDsa:
      return verify(key_.get(), false, false, text, signature);
  }
  return false;
}

bool PublicKey::verifies_der(std::string_view text, std::string_view signature) const {
  return type_ == PublicKeyType::kP256 && verify(key_.get(), false, true, text, signature);
}

}  // namespace sallyport::keys
