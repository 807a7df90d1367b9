// SPDX-License-Identifier: Apache-2.0
// For tests only: keys that sign, their public halves as JWK or PEM, and tokens of any shape.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "base/text.h"

namespace sallyport::keys {

class SignerForTest {
 public:
  static SignerForTest rsa(unsigned bits = 2048) { return SignerForTest(EVP_RSA_gen(bits)); }
  static SignerForTest p256() { return SignerForTest(EVP_EC_gen("P-256")); }
  static SignerForTest p384() { return SignerForTest(EVP_EC_gen("P-384")); }
  static SignerForTest ed25519() {
    return SignerForTest(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  }

  // "RS256", "PS256", "ES256" (raw r||s), "EdDSA"; the key must fit.
  std::string sign(std::string_view alg, std::string_view text) const {
    const std::string signature = raw(alg == "PS256", alg != "EdDSA", text);
    return alg == "ES256" ? jose(signature) : signature;
  }
  // ECDSA in DER.
  std::string sign_der(std::string_view text) const { return raw(false, true, text); }

  std::string token(std::string_view alg, std::string_view header, std::string_view claims) const {
    const std::string input = base64url_encode(header) + "." + base64url_encode(claims);
    return input + "." + base64url_encode(sign(alg, input));
  }

  // The public members, without braces: more can be added in front.
  std::string jwk_members() const {
    if (EVP_PKEY_is_a(key_.get(), "RSA")) {
      return R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
             number(OSSL_PKEY_PARAM_RSA_E) + "\"";
    }
    if (EVP_PKEY_is_a(key_.get(), "EC")) {
      const std::string crv = EVP_PKEY_get_bits(key_.get()) == 256 ? "P-256" : "P-384";
      return R"("kty":"EC","crv":")" + crv + R"(","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X) +
             R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y) + "\"";
    }
    std::array<unsigned char, 32> point{};
    std::size_t size = point.size();
    EVP_PKEY_get_raw_public_key(key_.get(), point.data(), &size);
    return R"("kty":"OKP","crv":"Ed25519","x":")" +
           base64url_encode({reinterpret_cast<char*>(point.data()), size}) + "\"";
  }
  std::string jwk(std::string_view kid, std::string_view more = {}) const {
    return "{\"kid\":\"" + std::string(kid) + "\"," + std::string(more) + jwk_members() + "}";
  }
  std::string public_pem() const {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
    PEM_write_bio_PUBKEY(bio.get(), key_.get());
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
  }

 private:
  explicit SignerForTest(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {}

  std::string number(const char* name) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(BN_num_bytes(value)), '\0');
    if (EVP_PKEY_is_a(key_.get(), "EC")) {
      bytes.resize(static_cast<std::size_t>(EVP_PKEY_get_bits(key_.get()) / 8));
    }
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()),
                 static_cast<int>(bytes.size()));
    BN_free(value);
    return base64url_encode(bytes);
  }

  std::string raw(bool pss, bool digest, std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context.get(), &options, digest ? EVP_sha256() : nullptr, nullptr,
                       key_.get());
    if (pss) {
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string out(2048, '\0');
    std::size_t size = out.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    out.resize(size);
    return out;
  }

  // r||s out of DER: 30 len 02 len r 02 len s, all lengths below 128.
  static std::string jose(std::string_view der) {
    std::string out;
    der.remove_prefix(2);
    for (int half = 0; half < 2; ++half) {
      const auto size = static_cast<std::size_t>(der[1]);
      std::string_view value = der.substr(2, size);
      while (value.size() > 32) value.remove_prefix(1);
      out += std::string(32 - value.size(), '\0') + std::string(value);
      der.remove_prefix(2 + size);
    }
    return out;
  }

  std::shared_ptr<EVP_PKEY> key_;
};

inline std::string hmac_sha256_for_test(std::string_view key, std::string_view text) {
  std::array<unsigned char, 32> mac{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return std::string(reinterpret_cast<char*>(mac.data()), size);
}

}  // namespace sallyport::keys
