// SPDX-License-Identifier: Apache-2.0
// The token reader on any bytes: what it accepts is exactly three parts in their one spelling,
// brings no key of its own, and never verifies under a key that did not sign it. Key sets get the
// same bytes.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "keys/jwt.h"

namespace {

using namespace sallyport;
using namespace sallyport::keys;

void require(bool condition) {
  if (!condition) std::abort();
}

// Nobody has the private half: the point was published in RFC 7515, A.3.
const KeySet& published_key() {
  static const auto set = KeySet::parse_jwks(
      R"({"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  require(set.has_value());
  return **set;
}

void check(std::string_view text, bool embedded_key) {
  const auto jwt = Jwt::parse(text, embedded_key, embedded_key ? "dpop+jwt" : "");
  if (!jwt) return;
  require(text.size() <= kJwtBytesMax);
  std::size_t dots = 0;
  for (const char c : text) dots += c == '.' ? 1 : 0;
  require(dots == 2);
  const std::string_view claims =
      text.substr(text.find('.') + 1, text.rfind('.') - text.find('.') - 1);
  const auto decoded = base64url_decode(claims);
  require(decoded && base64url_encode(*decoded) == claims && check_json(*decoded).has_value());
  require(jwt->embedded_key().has_value() == embedded_key);
  for (const char* const name : {"iss", "aud", "sub", "/a/b", "/", ""}) {
    const auto values = jwt->texts(name);
    if (const auto one = jwt->text(name)) require(values.size() == 1 && values[0] == *one);
  }
  const JwtExpectations expected{.issuer = jwt->text("iss").value_or("x"),
                                 .audience = "gate",
                                 .algorithms = {jwt->algorithm()}};
  require(verify_jwt(*jwt, expected, published_key(), UtcTime{}) != JwtFault::kNone);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, false);
  check(text, true);
  // "header|claims" in the clear, so that the fuzzer need not learn base64 first.
  const std::size_t bar = text.find('|');
  if (bar != std::string_view::npos) {
    const std::string token = base64url_encode(text.substr(0, bar)) + "." +
                              base64url_encode(text.substr(bar + 1)) + "." +
                              base64url_encode(std::string(64, 's'));
    check(token, false);
    check(token, true);
  }
  const auto set = KeySet::parse_jwks(text);
  if (set) require((*set)->size() > 0 && (*set)->size() <= kKeySetKeysMax);
  (void)KeySet::parse_github(text);
  return 0;
}
