// SPDX-License-Identifier: Apache-2.0
// Public keys of others, as a JWK (RFC 7517) or PEM, and the signatures they verify. What a key may
// verify is decided by its type and the caller's algorithm together, never by what is signed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_reader.h"
#include "base/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace sallyport::keys {

// No symmetric algorithm and no "none" exists here, so nothing can be confused with them.
enum class SignatureAlgorithm { kRs256, kPs256, kEs256, kEdDsa };
std::string_view name(SignatureAlgorithm algorithm);
// The exact spelling of RFC 7518: "RS256", "PS256", "ES256", "EdDSA".
std::optional<SignatureAlgorithm> parse_signature_algorithm(std::string_view text);

enum class PublicKeyType { kRsa, kP256, kEd25519 };

// Immutable; copies share it; any thread may verify with it.
class PublicKey {
 public:
  static constexpr int kRsaBitsMin = 2048;
  static constexpr int kRsaBitsMax = 8192;  // what a verification may cost

  // kInvalid: another type, too small, not a point of the curve, not in the one spelling of RFC
  // 7518, or with private or symmetric members.
  static Result<PublicKey> from_jwk(const JsonValue& jwk);
  // A P-256 key in PEM (SubjectPublicKeyInfo).
  static Result<PublicKey> from_pem(std::string_view pem);

  PublicKeyType type() const { return type_; }
  bool fits(SignatureAlgorithm algorithm) const;

  // False: the signature is wrong, or the algorithm does not fit the key. ES256 signatures are raw
  // r||s of 64 bytes, as JOSE has them.
  bool verifies(SignatureAlgorithm algorithm, std::string_view text,
                std::string_view signature) const;
  // ECDSA on P-256 with SHA-256 over a signature in DER, as everybody but JOSE has it.
  bool verifies_der(std::string_view text, std::string_view signature) const;

  // RFC 7638: base64url SHA-256 of the required members, 43 characters. Only of keys from a JWK.
  const std::string& thumbprint() const { return thumbprint_; }

 private:
  PublicKey(std::shared_ptr<evp_pkey_st> key, PublicKeyType type, std::string thumbprint)
      : key_(std::move(key)), type_(type), thumbprint_(std::move(thumbprint)) {}
  static Result<PublicKey> from_rsa(const JsonValue& jwk);
  static Result<PublicKey> from_p256(const JsonValue& jwk);
  static Result<PublicKey> from_ed25519(const JsonValue& jwk);

  std::shared_ptr<evp_pkey_st> key_;
  PublicKeyType type_;
  std::string thumbprint_;
};

// SHA-256, 32 bytes. Empty only if OpenSSL fails, which matches nothing.
std::string sha256(std::string_view bytes);

}  // namespace sallyport::keys
