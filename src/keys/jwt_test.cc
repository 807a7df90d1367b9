// SPDX-License-Identifier: Apache-2.0
#include "keys/jwt.h"

#include <gtest/gtest.h>

#include <string>

#include "keys/signer_for_test.h"

namespace sallyport::keys {
namespace {

using std::string;

const UtcTime kNow{std::chrono::seconds(1'800'000'000)};

// One of each, made once: RSA keys take a moment.
struct Signers {
  SignerForTest rsa = SignerForTest::rsa(), p256 = SignerForTest::p256(),
                ed = SignerForTest::ed25519(), stranger = SignerForTest::p256();
  std::shared_ptr<const KeySet> keys;
  Signers() {
    const auto set =
        KeySet::parse_jwks("{\"keys\":[" + rsa.jwk("rsa") + "," + p256.jwk("ec") + "," +
                           ed.jwk("ed") + "," + rsa.jwk("only-ps", R"("alg":"PS256",)") + "]}");
    if (set) keys = *set;
  }
};
const Signers& signers() {
  static const Signers all;
  return all;
}

JwtExpectations expected(std::vector<SignatureAlgorithm> algorithms = {
                             SignatureAlgorithm::kRs256, SignatureAlgorithm::kPs256,
                             SignatureAlgorithm::kEs256, SignatureAlgorithm::kEdDsa}) {
  return {.issuer = "https://id.example", .audience = "gate", .algorithms = std::move(algorithms)};
}

string claims(const string& more = R"("exp":1800000600,"iat":1799999990)",
              const string& who = R"("iss":"https://id.example","aud":"gate","sub":"ci",)") {
  return "{" + who + more + "}";
}

string header(const string& alg, const string& kid, const string& more = "") {
  return R"({"alg":")" + alg + R"(","kid":")" + kid + "\"" + more + "}";
}

JwtFault verify(const string& token, const JwtExpectations& wanted = expected(),
                UtcTime now = kNow) {
  const auto jwt = Jwt::parse(token);
  if (!jwt) return jwt.error();
  return verify_jwt(*jwt, wanted, *signers().keys, now);
}

string es256(const string& head, const string& body) {
  return signers().p256.token("ES256", head, body);
}

// ---- Algorithms: what the header says against what the key is.

TEST(Jwt, AlgorithmConfusion) {
  const Signers& s = signers();
  const string rsa_pem = s.rsa.public_pem();
  const auto hmac = [&](const string& head, std::string_view key) {
    const string input = base64url_encode(head) + "." + base64url_encode(claims());
    return input + "." + base64url_encode(hmac_sha256_for_test(key, input));
  };
  const auto with_signature = [&](const string& head, std::string_view signature) {
    return base64url_encode(head) + "." + base64url_encode(claims()) + "." +
           base64url_encode(signature);
  };
  const string ec_input =
      base64url_encode(header("ES256", "ec")) + "." + base64url_encode(claims());
  const struct {
    const char* why;
    string token;
    JwtFault fault;
  } kCases[] = {
      {"RS256", s.rsa.token("RS256", header("RS256", "rsa"), claims()), JwtFault::kNone},
      {"PS256", s.rsa.token("PS256", header("PS256", "rsa"), claims()), JwtFault::kNone},
      {"ES256", es256(header("ES256", "ec"), claims()), JwtFault::kNone},
      {"EdDSA", s.ed.token("EdDSA", header("EdDSA", "ed"), claims()), JwtFault::kNone},

      {"none", with_signature(R"({"alg":"none"})", ""), JwtFault::kAlgorithm},
      {"none with a kid", with_signature(header("none", "ec"), "x"), JwtFault::kAlgorithm},
      {"None", with_signature(header("None", "ec"), "x"), JwtFault::kAlgorithm},
      {"no alg", es256(R"({"kid":"ec"})", claims()), JwtFault::kAlgorithm},
      {"alg of another type", es256(R"({"alg":1,"kid":"ec"})", claims()), JwtFault::kAlgorithm},
      {"alg in lower case", es256(header("es256", "ec"), claims()), JwtFault::kAlgorithm},
      {"HS256 under the RSA key's PEM", hmac(header("HS256", "rsa"), rsa_pem),
       JwtFault::kAlgorithm},
      {"HS256 under nothing", hmac(header("HS256", "rsa"), ""), JwtFault::kAlgorithm},
      {"RS384", s.rsa.token("RS256", header("RS384", "rsa"), claims()), JwtFault::kAlgorithm},
      {"ES256K", es256(header("ES256K", "ec"), claims()), JwtFault::kAlgorithm},
      {"RS256 with an HMAC under the RSA key's PEM", hmac(header("RS256", "rsa"), rsa_pem),
       JwtFault::kSignature},

      {"RS256 naming the EC key", s.rsa.token("RS256", header("RS256", "ec"), claims()),
       JwtFault::kUnknownKey},
      {"ES256 naming the RSA key", es256(header("ES256", "rsa"), claims()), JwtFault::kUnknownKey},
      {"EdDSA naming the EC key", s.ed.token("EdDSA", header("EdDSA", "ec"), claims()),
       JwtFault::kUnknownKey},
      {"RS256 with a key that says PS256",
       s.rsa.token("RS256", header("RS256", "only-ps"), claims()), JwtFault::kUnknownKey},
      {"PS256 with that key", s.rsa.token("PS256", header("PS256", "only-ps"), claims()),
       JwtFault::kNone},
      {"a PSS signature under RS256", s.rsa.token("PS256", header("RS256", "rsa"), claims()),
       JwtFault::kSignature},
      {"a PKCS#1 signature under PS256", s.rsa.token("RS256", header("PS256", "rsa"), claims()),
       JwtFault::kSignature},

      {"an unknown kid", es256(header("ES256", "other"), claims()), JwtFault::kUnknownKey},
      {"no kid", es256(R"({"alg":"ES256"})", claims()), JwtFault::kUnknownKey},
      {"an empty kid", es256(header("ES256", ""), claims()), JwtFault::kHeader},
      {"signed by a stranger", s.stranger.token("ES256", header("ES256", "ec"), claims()),
       JwtFault::kSignature},
      {"ECDSA in DER", ec_input + "." + base64url_encode(s.p256.sign_der(ec_input)),
       JwtFault::kSignature},
      {"ECDSA of zeros", ec_input + "." + base64url_encode(string(64, '\0')), JwtFault::kSignature},
      {"ECDSA of 63 bytes", ec_input + "." + base64url_encode(string(63, 'a')),
       JwtFault::kSignature},
      {"an empty signature", ec_input + ".", JwtFault::kSignature},
      {"a huge signature", ec_input + "." + base64url_encode(string(2000, 'a')),
       JwtFault::kSignature},
  };
  for (const auto& c : kCases) EXPECT_STREQ(name(verify(c.token)), name(c.fault)) << c.why;
}

TEST(Jwt, OnlyTheCallersAlgorithmsCount) {
  const string token = es256(header("ES256", "ec"), claims());
  EXPECT_EQ(verify(token, expected({SignatureAlgorithm::kEs256})), JwtFault::kNone);
  EXPECT_EQ(verify(token, expected({SignatureAlgorithm::kRs256})), JwtFault::kAlgorithm);
  EXPECT_EQ(verify(token, expected({})), JwtFault::kAlgorithm);
}

// ---- Form.

TEST(Jwt, WhatBringsItsOwnKeyOrRulesIsRefused) {
  const string jwk = "{" + signers().stranger.jwk_members() + "}";
  const struct {
    const char* why;
    string more;
    JwtFault fault;
  } kCases[] = {
      {"nothing more", "", JwtFault::kNone},
      {"typ JWT", R"(,"typ":"JWT")", JwtFault::kNone},
      {"typ jwt", R"(,"typ":"jwt")", JwtFault::kNone},
      {"typ at+jwt", R"(,"typ":"at+jwt")", JwtFault::kNone},
      {"a thumbprint says nothing new", R"(,"x5t":"abc")", JwtFault::kNone},
      {"a DPoP proof is no identity", R"(,"typ":"dpop+jwt")", JwtFault::kHeader},
      {"nor is a logout token", R"(,"typ":"logout+jwt")", JwtFault::kHeader},
      {"typ of another type", R"(,"typ":7)", JwtFault::kHeader},
      {"jwk", R"(,"jwk":)" + jwk, JwtFault::kHeader},
      {"JWK", R"(,"JWK":)" + jwk, JwtFault::kHeader},
      {"jku", R"(,"jku":"https://evil.example/keys")", JwtFault::kHeader},
      {"x5u", R"(,"x5u":"https://evil.example/cert")", JwtFault::kHeader},
      {"x5c", R"(,"x5c":["MII"])", JwtFault::kHeader},
      {"crit", R"(,"crit":["exp"])", JwtFault::kHeader},
      {"crit empty", R"(,"crit":[])", JwtFault::kHeader},
      {"b64", R"(,"b64":false)", JwtFault::kHeader},
      {"zip", R"(,"zip":"DEF")", JwtFault::kHeader},
      {"cty", R"(,"cty":"JWT")", JwtFault::kHeader},
      {"two algs", R"(,"alg":"ES256")", JwtFault::kMalformed},
      {"two algs, one escaped", R"(,"\u0061lg":"none")", JwtFault::kMalformed},
      {"two algs, one in capitals", R"(,"ALG":"none")", JwtFault::kMalformed},
      {"two kids", R"(,"kid":"rsa")", JwtFault::kMalformed},
  };
  for (const auto& c : kCases) {
    EXPECT_STREQ(name(verify(es256(header("ES256", "ec", c.more), claims()))), name(c.fault))
        << c.why;
  }
}

TEST(Jwt, TheShapeIsExact) {
  const string good = es256(header("ES256", "ec"), claims());
  ASSERT_EQ(verify(good), JwtFault::kNone);
  const size_t dot = good.find('.'), last = good.rfind('.');
  const string deep = string(20, '[') + string(20, ']');
  string spare = good;  // the last character of 86 carries 4 bits that no byte needs
  spare.back() = spare.back() == 'A' ? 'B' : static_cast<char>(spare.back() + 1);
  const struct {
    const char* why;
    string token;
  } kCases[] = {
      {"empty", ""},
      {"dots alone", ".."},
      {"two parts", good.substr(0, last)},
      {"four parts", good + ".x"},
      {"five parts, as an encrypted token", good + ".x.y"},
      {"a blank before", " " + good},
      {"a newline after", good + "\n"},
      {"padding", good + "=="},
      {"padding in the header", good.substr(0, dot) + "=" + good.substr(dot)},
      {"the other alphabet", good.substr(0, last + 1) + string(85, '+') + "A"},
      {"not the one spelling of its bytes", spare},
      {"a length that no bytes have", good.substr(0, last + 1) + "AAAAA"},
      {"an array as claims", es256(header("ES256", "ec"), "[]")},
      {"an array as header", es256("[]", claims())},
      {"nested too deeply",
       es256(header("ES256", "ec"), claims(R"("exp":1800000600,"iat":1799999990,"x":)" + deep))},
      {"a duplicate claim",
       es256(header("ES256", "ec"), claims(R"("exp":1800000600,"iat":1,"iat":2)"))},
      {"a duplicate claim in capitals",
       es256(header("ES256", "ec"), claims(R"("exp":1800000600,"iat":1,"SUB":"root")"))},
      {"a duplicate inside a claim",
       es256(header("ES256", "ec"), claims(R"("exp":1800000600,"iat":1,"x":{"a":1,"a":2})"))},
      {"a byte order mark", es256("\xEF\xBB\xBF" + header("ES256", "ec"), claims())},
      {"not UTF-8",
       es256(header("ES256", "ec"), claims("\"exp\":1800000600,\"iat\":1,\"x\":\"\xff\""))},
      {"more behind the claims", es256(header("ES256", "ec"), claims() + "{}")},
      {"over 16 KiB", es256(header("ES256", "ec"), claims("\"exp\":1800000600,\"iat\":1,\"x\":\"" +
                                                          string(13'000, 'x') + "\""))},
  };
  for (const auto& c : kCases) {
    EXPECT_STREQ(name(verify(c.token)), name(JwtFault::kMalformed)) << c.why;
  }
}

TEST(Jwt, AnyChangedByteIsNoticed) {
  const string good = es256(header("ES256", "ec"), claims());
  for (size_t i = 0; i < good.size(); ++i) {
    string changed = good;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed == good) continue;
    EXPECT_NE(verify(changed), JwtFault::kNone) << "at " << i;
  }
}

// ---- Claims.

TEST(Jwt, Claims) {
  const string times = R"("exp":1800000600,"iat":1799999990)";
  const auto who = [](const string& iss, const string& aud, const string& sub) {
    return "\"iss\":" + iss + ",\"aud\":" + aud + ",\"sub\":" + sub + ",";
  };
  const string us = "\"https://id.example\"";
  const struct {
    const char* why;
    string claims;
    JwtFault fault;
  } kCases[] = {
      {"one audience", claims(times, who(us, "\"gate\"", "\"ci\"")), JwtFault::kNone},
      {"one of several", claims(times, who(us, R"(["a","gate"])", "\"ci\"")), JwtFault::kNone},
      {"another audience", claims(times, who(us, "\"gates\"", "\"ci\"")), JwtFault::kAudience},
      {"no audience", claims(times, "\"iss\":" + us + ",\"sub\":\"ci\","), JwtFault::kAudience},
      {"an empty list", claims(times, who(us, "[]", "\"ci\"")), JwtFault::kAudience},
      {"a list with a number", claims(times, who(us, R"([1,"gate"])", "\"ci\"")),
       JwtFault::kAudience},
      {"an object", claims(times, who(us, R"({"gate":1})", "\"ci\"")), JwtFault::kAudience},
      {"another issuer", claims(times, who("\"https://id.example/\"", "\"gate\"", "\"ci\"")),
       JwtFault::kIssuer},
      {"no issuer", claims(times, R"("aud":"gate","sub":"ci",)"), JwtFault::kIssuer},
      {"a list of issuers", claims(times, who("[" + us + "]", "\"gate\"", "\"ci\"")),
       JwtFault::kIssuer},
      {"no subject", claims(times, "\"iss\":" + us + ",\"aud\":\"gate\","), JwtFault::kClaims},
      {"an empty subject", claims(times, who(us, "\"gate\"", "\"\"")), JwtFault::kClaims},
      {"a number as subject", claims(times, who(us, "\"gate\"", "7")), JwtFault::kClaims},

      {"no exp", claims(R"("iat":1799999990)"), JwtFault::kClaims},
      {"no iat", claims(R"("exp":1800000600)"), JwtFault::kClaims},
      {"exp as text", claims(R"("exp":"1800000600","iat":1799999990)"), JwtFault::kClaims},
      {"exp too large", claims(R"("exp":1e300,"iat":1799999990)"), JwtFault::kClaims},
      {"iat negative", claims(R"("exp":1800000600,"iat":-1)"), JwtFault::kClaims},
      {"exp before iat", claims(R"("exp":1799999980,"iat":1799999990)"), JwtFault::kClaims},
      {"fractions", claims(R"("exp":1800000600.5,"iat":1799999990.25)"), JwtFault::kNone},
      {"expired within the leeway", claims(R"("exp":1799999941,"iat":1799999000)"),
       JwtFault::kNone},
      {"expired", claims(R"("exp":1799999940,"iat":1799999000)"), JwtFault::kExpired},
      {"issued in the future, within the leeway", claims(R"("exp":1800000600,"iat":1800000060)"),
       JwtFault::kNone},
      {"issued in the future", claims(R"("exp":1800000600,"iat":1800000061)"),
       JwtFault::kNotYetValid},
      {"not before, within the leeway",
       claims(R"("exp":1800000600,"iat":1799999990,"nbf":1800000060)"), JwtFault::kNone},
      {"not before", claims(R"("exp":1800000600,"iat":1799999990,"nbf":1800000061)"),
       JwtFault::kNotYetValid},
      {"nbf as text", claims(R"("exp":1800000600,"iat":1799999990,"nbf":"soon")"),
       JwtFault::kClaims},
  };
  for (const auto& c : kCases) {
    EXPECT_STREQ(name(verify(es256(header("ES256", "ec"), c.claims))), name(c.fault)) << c.why;
  }
}

TEST(Jwt, ClaimsAsText) {
  const auto jwt = Jwt::parse(es256(header("ES256", "ec"), R"({"a":"x","n":42,"f":1.5,"t":true,
      "l":["x",1,false],"bad":["x",{}],"o":{"k.io":{"ns":"prod"}},"z":null})"));
  ASSERT_TRUE(jwt);
  EXPECT_EQ(jwt->text("a"), "x");
  EXPECT_EQ(jwt->text("n"), "42");
  EXPECT_EQ(jwt->text("t"), "true");
  EXPECT_EQ(jwt->text("f"), std::nullopt) << "a fraction has many spellings";
  EXPECT_EQ(jwt->text("z"), std::nullopt);
  EXPECT_EQ(jwt->text("l"), std::nullopt) << "a list is no text";
  EXPECT_EQ(jwt->text("none"), std::nullopt);
  EXPECT_EQ(jwt->texts("l"), (std::vector<string>{"x", "1", "false"}));
  EXPECT_EQ(jwt->texts("a"), (std::vector<string>{"x"}));
  EXPECT_TRUE(jwt->texts("bad").empty());
  EXPECT_EQ(jwt->text("/o/k.io/ns"), "prod");
  EXPECT_EQ(jwt->text("/o/other/ns"), std::nullopt);
  EXPECT_EQ(jwt->text("o/k.io/ns"), std::nullopt) << "a path begins with a slash";
}

// ---- Key sets.

TEST(KeySet, WhatIsLeftOutOfIt) {
  const SignerForTest& ec = signers().p256;
  const string good = ec.jwk("good");
  const struct {
    const char* why;
    string jwk;
    size_t usable;  // beside the good one
  } kCases[] = {
      {"for signatures", ec.jwk("k", R"("use":"sig","key_ops":["verify"],)"), 1},
      {"SPIFFE's word for it", ec.jwk("k", R"("use":"jwt-svid",)"), 1},
      {"for encryption", ec.jwk("k", R"("use":"enc",)"), 0},
      {"for signing only", ec.jwk("k", R"("key_ops":["sign"],)"), 0},
      {"without kid", "{" + ec.jwk_members() + "}", 0},
      {"with an empty kid", ec.jwk(""), 0},
      {"P-384", SignerForTest::p384().jwk("k"), 0},
      {"RSA of 1024 bits", SignerForTest::rsa(1024).jwk("k"), 0},
      {"an algorithm of another type", ec.jwk("k", R"("alg":"RS256",)"), 0},
      {"an algorithm nobody knows", ec.jwk("k", R"("alg":"HS256",)"), 0},
      {"a symmetric key", R"({"kid":"k","kty":"oct","k":"c2VjcmV0"})", 0},
      {"a private key", ec.jwk("k", R"("d":"AAAA",)"), 0},
      {"not a point of the curve",
       R"({"kid":"k","kty":"EC","crv":"P-256","x":")" + base64url_encode(string(32, 1)) +
           R"(","y":")" + base64url_encode(string(32, 2)) + "\"}",
       0},
      {"a short coordinate", R"({"kid":"k","kty":"EC","crv":"P-256","x":"AQ","y":"AQ"})", 0},
      {"a padded modulus",
       R"({"kid":"k","kty":"RSA","e":"AQAB","n":")" +
           base64url_encode(string(1, '\0') + string(256, '\xff')) + "\"}",
       0},
      {"exponent 3",
       R"({"kid":"k","kty":"RSA","e":"Aw","n":")" + base64url_encode(string(256, '\xff')) + "\"}",
       0},
      {"not an object", "7", 0},
  };
  for (const auto& c : kCases) {
    const auto set = KeySet::parse_jwks("{\"keys\":[" + good + "," + c.jwk + "]}");
    ASSERT_TRUE(set) << c.why << ": " << set.error().what;
    EXPECT_EQ((*set)->size(), 1 + c.usable) << c.why;
    EXPECT_EQ((*set)->left_out(), 1 - c.usable) << c.why;
  }
}

TEST(KeySet, WhatIsRefusedWhole) {
  const string jwk = signers().p256.jwk("k");
  string many;
  for (int i = 0; i < 129; ++i) many += (i ? "," : "") + jwk;
  const struct {
    const char* why;
    string json;
  } kCases[] = {
      {"empty", ""},
      {"no keys", "{\"keys\":[]}"},
      {"not a list", "{\"keys\":{}}"},
      {"another document", "{\"error\":\"not found\"}"},
      {"nothing usable", R"({"keys":[{"kid":"k","kty":"oct","k":"AA"}]})"},
      {"one name, two keys", "{\"keys\":[" + jwk + "," + signers().ed.jwk("k") + "]}"},
      {"two lists", "{\"keys\":[" + jwk + "],\"keys\":[]}"},
      {"too many", "{\"keys\":[" + many + "]}"},
      {"too large", "{\"keys\":[" + jwk + "],\"x\":\"" + string(kKeySetBytesMax, 'x') + "\"}"},
  };
  for (const auto& c : kCases) EXPECT_FALSE(KeySet::parse_jwks(c.json)) << c.why;
}

TEST(PublicKey, ThumbprintOfRfc7638) {
  const auto jwk = JsonValue::parse(
      R"({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"})");
  ASSERT_TRUE(jwk);
  const auto key = PublicKey::from_jwk(*jwk);
  ASSERT_TRUE(key) << key.error().what;
  EXPECT_EQ(key->thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}

}  // namespace
}  // namespace sallyport::keys
