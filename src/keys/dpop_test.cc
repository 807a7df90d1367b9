// SPDX-License-Identifier: Apache-2.0
#include "keys/dpop.h"

#include <gtest/gtest.h>

#include <string>

#include "keys/signer_for_test.h"

namespace sallyport::keys {
namespace {

using std::string;

const UtcTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr std::string_view kKey = "sk-sp1-a-key-of-ours";

const SignerForTest& client() {
  static const SignerForTest key = SignerForTest::p256();
  return key;
}
string thumbprint(const SignerForTest& key) {
  return PublicKey::from_jwk(*JsonValue::parse("{" + key.jwk_members() + "}"))->thumbprint();
}
string header(const SignerForTest& key, const string& more = "") {
  return R"({"typ":"dpop+jwt","alg":"ES256","jwk":{)" + key.jwk_members() + "}" + more + "}";
}
string claims(const string& htm = "POST", const string& htu = "https://gate.example/v1/responses",
              const string& iat = "1800000000", const string& jti = "one",
              std::string_view credential = kKey) {
  return R"({"htm":")" + htm + R"(","htu":")" + htu + R"(","iat":)" + iat + R"(,"jti":")" + jti +
         R"(","ath":")" + base64url_encode(sha256(credential)) + "\"}";
}
string proof(const string& body, const string& head = header(client())) {
  return client().token("ES256", head, body);
}

TEST(Dpop, AsTheTableSays) {
  const SignerForTest stranger = SignerForTest::p256();
  const string good = claims();
  const string plain_jwt = R"({"typ":"JWT","alg":"ES256","jwk":{)" + client().jwk_members() + "}}";
  const string with_private =
      R"({"typ":"dpop+jwt","alg":"ES256","jwk":{"d":"AAAA",)" + client().jwk_members() + "}}";
  const string symmetric = R"({"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AAAA"}})";
  const string url = "https://gate.example/v1/responses";
  const struct {
    const char* why;
    string proof;
    DpopFault fault;
  } kCases[] = {
      {"good", proof(good), DpopFault::kNone},
      {"a query does not count", proof(claims("POST", url + "?a=1#b")), DpopFault::kNone},
      {"a default port", proof(claims("POST", "https://gate.example:443/v1/responses")),
       DpopFault::kNone},
      {"scheme and host in capitals", proof(claims("POST", "HTTPS://GATE.example/v1/responses")),
       DpopFault::kNone},
      {"the edge of the window", proof(claims("POST", url, "1799999940")), DpopFault::kNone},
      {"the other edge", proof(claims("POST", url, "1800000060")), DpopFault::kNone},

      {"another method", proof(claims("GET")), DpopFault::kOtherRequest},
      {"a method in small letters", proof(claims("post")), DpopFault::kOtherRequest},
      {"another path", proof(claims("POST", url + "s")), DpopFault::kOtherRequest},
      {"a path in capitals", proof(claims("POST", "https://gate.example/V1/responses")),
       DpopFault::kOtherRequest},
      {"another host", proof(claims("POST", "https://other.example/v1/responses")),
       DpopFault::kOtherRequest},
      {"another port", proof(claims("POST", "https://gate.example:8443/v1/responses")),
       DpopFault::kOtherRequest},
      {"http", proof(claims("POST", "http://gate.example/v1/responses")), DpopFault::kOtherRequest},
      {"a user in the address", proof(claims("POST", "https://gate.example@evil/v1/responses")),
       DpopFault::kOtherRequest},
      {"a path alone", proof(claims("POST", "/v1/responses")), DpopFault::kOtherRequest},
      {"too old", proof(claims("POST", url, "1799999939")), DpopFault::kTime},
      {"from the future", proof(claims("POST", url, "1800000061")), DpopFault::kTime},
      {"of another key of ours", proof(claims("POST", url, "1800000000", "one", "sk-other")),
       DpopFault::kOtherToken},
      {"of none", proof(R"({"htm":"POST","htu":")" + url + R"(","iat":1800000000,"jti":"a"})"),
       DpopFault::kOtherToken},

      {"no jti", proof(R"({"htm":"POST","htu":")" + url + R"(","iat":1800000000})"),
       DpopFault::kMalformed},
      {"an empty jti", proof(claims("POST", url, "1800000000", "")), DpopFault::kMalformed},
      {"a huge jti", proof(claims("POST", url, "1800000000", string(257, 'a'))),
       DpopFault::kMalformed},
      {"no iat", proof(R"({"htm":"POST","htu":"x","jti":"a"})"), DpopFault::kMalformed},
      {"not typed as a proof", proof(good, plain_jwt), DpopFault::kMalformed},
      {"without type", proof(good, R"({"alg":"ES256","jwk":{)" + client().jwk_members() + "}}"),
       DpopFault::kMalformed},
      {"without its key", proof(good, R"({"typ":"dpop+jwt","alg":"ES256"})"),
       DpopFault::kMalformed},
      {"with its private key", proof(good, with_private), DpopFault::kMalformed},
      {"with a symmetric key", proof(good, symmetric), DpopFault::kMalformed},
      {"with a place for its key", proof(good, header(client(), R"(,"jku":"https://x")")),
       DpopFault::kMalformed},
      {"alg none",
       proof(good, R"({"typ":"dpop+jwt","alg":"none","jwk":{)" + client().jwk_members() + "}}"),
       DpopFault::kMalformed},
      {"alg of another type",
       proof(good, R"({"typ":"dpop+jwt","alg":"RS256","jwk":{)" + client().jwk_members() + "}}"),
       DpopFault::kSignature},
      {"signed by another key", stranger.token("ES256", header(client()), good),
       DpopFault::kSignature},
      {"under another key", stranger.token("ES256", header(stranger), good), DpopFault::kOtherKey},
      {"nothing", "", DpopFault::kMalformed},
      {"too large", proof(claims("POST", url, "1800000000", string(9000, 'a'))),
       DpopFault::kMalformed},
  };
  for (const auto& c : kCases) {
    ManualClock clock(kNow - kDpopWindow);
    const auto proofs = DpopProofs::make("https://gate.example", clock);  // each remembers nothing
    ASSERT_TRUE(proofs);
    clock.advance(kDpopWindow);
    const DpopFault fault =
        (*proofs)->check(c.proof, "POST", "/v1/responses", kKey, thumbprint(client()));
    EXPECT_STREQ(name(fault), name(c.fault)) << c.why;
  }
}

TEST(Dpop, AProofWorksOnce) {
  ManualClock clock(kNow);
  const auto proofs = DpopProofs::make("https://gate.example/", clock);
  ASSERT_TRUE(proofs);
  const auto check = [&](const string& text) {
    return (*proofs)->check(text, "POST", "/v1/responses", kKey, thumbprint(client()));
  };
  const string latest = claims("POST", "https://gate.example/v1/responses", "1800000060", "late");
  EXPECT_EQ(check(proof(claims())), DpopFault::kNone);
  EXPECT_EQ(check(proof(claims())), DpopFault::kReplayed) << "also with another signature";
  EXPECT_EQ(check(proof(latest)), DpopFault::kNone);
  clock.advance(std::chrono::seconds(120));
  EXPECT_EQ(check(proof(latest)), DpopFault::kReplayed) << "remembered to the end of its window";
  clock.advance(std::chrono::seconds(1));
  EXPECT_EQ(check(proof(latest)), DpopFault::kTime);
}

// What was used before the start is forgotten; so nothing of that time is taken.
TEST(Dpop, AProofDoesNotWorkAgainAfterARestart) {
  ManualClock clock(kNow);
  const string url = "https://gate.example/v1/responses";
  const auto outcome = [&](DpopProofs& proofs, const string& iat) {
    return proofs.check(proof(claims("POST", url, iat)), "POST", "/v1/responses", kKey,
                        thumbprint(client()));
  };
  const auto first = DpopProofs::make("https://gate.example", clock);
  clock.advance(std::chrono::milliseconds(400));
  EXPECT_EQ(outcome(**first, "1800000000"), DpopFault::kNone);
  const auto second = DpopProofs::make("https://gate.example", clock);
  EXPECT_EQ(outcome(**second, "1800000000"), DpopFault::kTime) << "of the second of the start, too";
  EXPECT_EQ(outcome(**second, "1800000001"), DpopFault::kNone);
}

TEST(Dpop, AtTheTokenEndpointThereIsNoCredentialYet) {
  ManualClock clock(kNow);
  const auto proofs = DpopProofs::make("https://gate.example/base", clock);
  ASSERT_TRUE(proofs);
  const string text = proof(claims("POST", "https://gate.example/base/oauth/token"));
  EXPECT_EQ((*proofs)->check(text, "POST", "/oauth/token"), thumbprint(client()));
  EXPECT_EQ((*proofs)->check(text, "POST", "/oauth/token"), std::unexpected(DpopFault::kReplayed));
}

TEST(Dpop, OfARequest) {
  ManualClock clock(kNow);
  const auto proofs = DpopProofs::make("https://gate.example", clock);
  ASSERT_TRUE(proofs);
  const string text = proof(claims());
  Exchange x;
  x.method = "POST";
  x.path = "/v1/responses";
  const string right = thumbprint(client()), wrong = thumbprint(SignerForTest::p256());
  EXPECT_FALSE((*proofs)->of_request(x, kKey)(right)) << "no proof";
  x.headers = {{"dpop", text}, {"DPoP", text}};
  EXPECT_FALSE((*proofs)->of_request(x, kKey)(right)) << "two of them";
  x.headers = {{"DPoP", text}};
  const DpopCheck proved = (*proofs)->of_request(x, kKey);
  EXPECT_FALSE(proved(wrong));
  EXPECT_TRUE(proved(right)) << "a wrong thumbprint does not use the proof up";
  EXPECT_TRUE(proved(right)) << "several layers may ask";
  EXPECT_FALSE(proved(wrong));
  EXPECT_FALSE((*proofs)->of_request(x, kKey)(right)) << "another request with the same proof";
}

TEST(Dpop, ThePublicAddressMustBeOne) {
  ManualClock clock(kNow);
  for (const char* const url : {"", "gate.example", "ftp://gate.example", "https://a@b"}) {
    EXPECT_FALSE(DpopProofs::make(url, clock)) << url;
  }
}

}  // namespace
}  // namespace sallyport::keys
