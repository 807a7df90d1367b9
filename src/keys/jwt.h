// SPDX-License-Identifier: Apache-2.0
// A JSON Web Token (RFC 7519) in compact form, read strictly and verified against known keys. The
// caller says which algorithms, issuer and audience count; the token only says which of the
// caller's keys it was signed with. Whatever lets a token bring its own key or rules is refused.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_reader.h"
#include "base/secret.h"
#include "keys/jwk.h"
#include "keys/jwks.h"

namespace sallyport::keys {

inline constexpr std::size_t kJwtBytesMax = 16 * 1024;
inline constexpr std::size_t kJwtDepthMax = 8;      // of the JSON in it
inline constexpr std::size_t kJwtMembersMax = 128;  // in one object
inline constexpr std::chrono::seconds kClockLeeway{60};

// Why a token is not honoured: for the record, never for the caller.
enum class JwtFault {
  kNone,
  kMalformed,   // not three parts of base64url, not JSON, twice the same member, too large
  kHeader,      // a type, or a header member, that changes what the token means
  kAlgorithm,   // none, symmetric, unknown, or not one the caller allows
  kUnknownKey,  // no kid, or none of the known keys
  kSignature,   // also: the key is of another type than the algorithm
  kIssuer,
  kAudience,
  kClaims,  // a required claim is missing or of the wrong type
  kExpired,
  kNotYetValid,  // nbf or iat lies in the future
};
const char* name(JwtFault fault);  // "jwt_malformed", ...

// A token that was read and not yet verified: nothing in it may be believed.
class Jwt {
 public:
  Jwt(Jwt&&) noexcept = default;
  Jwt& operator=(Jwt&&) noexcept = default;
  // Without its signature a token is worth nothing.
  ~Jwt() { wipe(signature_); }

  // `embedded_key`: the header must carry the key itself (a DPoP proof); otherwise it must not.
  // `type`: the header's typ must be this, without case; empty: none, "JWT" or "at+jwt".
  static std::expected<Jwt, JwtFault> parse(std::string_view token, bool embedded_key = false,
                                            std::string_view type = {});

  SignatureAlgorithm algorithm() const { return algorithm_; }
  const std::string& kid() const { return kid_; }  // empty: none
  const std::optional<JsonValue>& embedded_key() const { return embedded_key_; }
  bool signed_by(const PublicKey& key) const {
    return key.verifies(algorithm_, signing_input_, signature_);
  }

  // A claim; a name that begins with '/' is a path into nested objects
  // ("/kubernetes.io/namespace").
  std::optional<JsonValue> claim(std::string_view name) const;
  // A claim that is a text; numbers without fraction and booleans as their JSON text.
  std::optional<std::string> text(std::string_view name) const;
  // The same, or each element of an array of such; empty: missing, or anything else.
  std::vector<std::string> texts(std::string_view name) const;
  // A NumericDate, fractions cut off; nothing: missing or not a date before the year 10000.
  std::optional<UtcTime> time(std::string_view name) const;

  // SHA-256 of the signed part: the same token has no second one, whatever its signature.
  std::string digest() const { return sha256(signing_input_); }

 private:
  Jwt(JsonValue claims) : claims_(std::move(claims)) {}
  SignatureAlgorithm algorithm_{};
  std::string kid_;
  std::optional<JsonValue> embedded_key_;
  JsonValue claims_;
  std::string signing_input_;
  std::string signature_;
};

// What the caller expects of a token.
struct JwtExpectations {
  std::string issuer;
  std::string audience;  // must be one of the token's audiences, exactly
  std::vector<SignatureAlgorithm> algorithms;
};

// Everything but the signature: algorithm, issuer, audience, required claims (iss, aud, sub, exp,
// iat) and times, with kClockLeeway. Cheap, so that a bad token costs no verification.
JwtFault check_jwt(const Jwt& jwt, const JwtExpectations& expected, UtcTime now);

// The known key that the token names, if it may verify the token's algorithm.
const PublicKey* find_key(const Jwt& jwt, const KeySet& keys);

// All of it: check_jwt, find_key, signature.
JwtFault verify_jwt(const Jwt& jwt, const JwtExpectations& expected, const KeySet& keys,
                    UtcTime now);

}  // namespace sallyport::keys
