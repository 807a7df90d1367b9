// SPDX-License-Identifier: Apache-2.0
#include "sim/subject_token.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>

#include "base/text.h"
#include "sim/sim_for_test.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kNow = SimForTest::kStart;

// A key pair of a workload's issuer.
class Signer {
 public:
  static Signer rsa() { return Signer(EVP_RSA_gen(2048)); }
  static Signer p256() { return Signer(EVP_EC_gen("P-256")); }

  std::string jwk(std::string_view kid) const {
    const std::string id = R"({"kid":")" + std::string(kid) + R"(",)";
    if (EVP_PKEY_is_a(key_.get(), "RSA")) {
      return id + R"("kty":"RSA","n":")" + number(OSSL_PKEY_PARAM_RSA_N, 256) + R"(","e":"AQAB"})";
    }
    return id + R"("kty":"EC","crv":"P-256","x":")" + number(OSSL_PKEY_PARAM_EC_PUB_X, 32) +
           R"(","y":")" + number(OSSL_PKEY_PARAM_EC_PUB_Y, 32) + R"("})";
  }

  std::string token(std::string_view header, std::string_view claims) const {
    const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                          EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    std::string out(1'024, '\0');
    std::size_t size = out.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    out.resize(size);
    return text + "." + base64url_encode(EVP_PKEY_is_a(key_.get(), "RSA") ? out : jose(out));
  }

 private:
  explicit Signer(EVP_PKEY* key) : key_(key, EVP_PKEY_free) {}

  std::string number(const char* name, int size) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), size);
    BN_free(value);
    return base64url_encode(bytes);
  }

  static std::string jose(const std::string& der) {
    const auto* at = reinterpret_cast<const unsigned char*>(der.data());
    ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
    std::string out(64, '\0');
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + 32, 32);
    ECDSA_SIG_free(pair);
    return out;
  }

  std::shared_ptr<EVP_PKEY> key_;
};

std::string claims(std::string_view changed = "", std::string_view value = "") {
  std::string out = "{";
  for (const auto& [name, usual] :
       {std::pair<std::string_view, std::string>{"iss", "\"https://i\""},
        {"aud", "\"openai\""},
        {"sub", "\"gate\""},
        {"exp", std::to_string(kNow + 600)},
        {"iat", std::to_string(kNow)}}) {
    if (name == changed && value.empty()) continue;
    out += (out.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":";
    out += name == changed ? std::string(value) : usual;
  }
  return out + "}";
}

SimIdentityProvider provider_of(const std::string& jwks) {
  return {.id = "idp-1", .issuer = "https://i", .audience = "openai", .jwks = jwks, .mappings = {}};
}

TEST(SubjectToken, IsTakenOrRefused) {
  const Signer rsa = Signer::rsa();
  const Signer p256 = Signer::p256();
  const Signer other = Signer::p256();
  const SimIdentityProvider issuer =
      provider_of(R"({"keys":[)" + rsa.jwk("r") + "," + p256.jwk("e") + "]}");
  const std::string rs = R"({"alg":"RS256","kid":"r"})";
  const std::string es = R"({"alg":"ES256","kid":"e"})";
  const std::string late = std::to_string(kNow + 61);
  const struct {
    const char* why;
    std::string token;
    const char* refused;  // null: it is taken
  } kCases[] = {
      {"RS256", rsa.token(rs, claims()), nullptr},
      {"ES256", p256.token(es, claims()), nullptr},
      {"an audience among several", rsa.token(rs, claims("aud", R"(["x","openai"])")), nullptr},
      {"a stranger's signature", other.token(es, claims()), "signature"},
      {"another key's name", rsa.token(es, claims()), "signature"},
      {"another algorithm than the key's", p256.token(R"({"alg":"RS256","kid":"e"})", claims()),
       "signature"},
      {"no algorithm", rsa.token(R"({"alg":"none","kid":"r"})", claims()), "signature"},
      {"no kid", rsa.token(R"({"alg":"RS256"})", claims()), "kid"},
      {"an unknown kid", rsa.token(R"({"alg":"RS256","kid":"x"})", claims()), "kid"},
      {"another issuer", rsa.token(rs, claims("iss", "\"https://x\"")), "iss"},
      {"another audience", rsa.token(rs, claims("aud", "\"x\"")), "aud"},
      {"no audience", rsa.token(rs, claims("aud")), "aud"},
      {"no subject", rsa.token(rs, claims("sub")), "sub"},
      {"no end", rsa.token(rs, claims("exp")), "exp"},
      {"past its end", rsa.token(rs, claims("exp", std::to_string(kNow))), "expired"},
      {"no beginning", rsa.token(rs, claims("iat")), "iat"},
      {"from the future", rsa.token(rs, claims("iat", late)), "iat"},
      {"no JWT", "abc", "JWT"},
      {"no JSON", "YQ.YQ.YQ", "JWT"},
  };
  for (const auto& c : kCases) {
    const auto subject = check_subject_token(c.token, issuer, kNow);
    EXPECT_EQ(subject.has_value(), c.refused == nullptr) << c.why;
    if (!subject) EXPECT_TRUE(subject.error().what.contains(c.refused)) << c.why;
    if (subject) EXPECT_EQ(subject->subject, "gate") << c.why;
  }
}

TEST(Exchange, AnswersInOAuthForm) {
  const Signer signer = Signer::p256();
  SimForTest sim;
  const std::string account = sim.admin("POST", "/projects/proj_simulated/service_accounts",
                                        R"({"name":"n","create_service_account_only":true})")
                                  .at("id");
  sim.ask("POST", "/sim/identity_providers",
          R"({"id":"idp-1","issuer":"https://i","audience":"openai","jwks":{"keys":[)" +
              signer.jwk("e") + R"(]},"mappings":[{"subject":"ga*","service_account_id":")" +
              account + R"("}]})");
  const auto body = [&](std::string_view changed, const std::string& value) {
    std::string out = "{";
    for (const auto& [name, usual] :
         {std::pair<std::string_view, std::string>{
              "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
          {"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"},
          {"subject_token", signer.token(R"({"alg":"ES256","kid":"e"})", claims())},
          {"identity_provider_id", "idp-1"},
          {"service_account_id", account}}) {
      out += (out.size() > 1 ? ",\"" : "\"") + std::string(name) + "\":\"";
      out += (name == changed ? value : usual) + "\"";
    }
    return out + "}";
  };
  const std::string strange = signer.token(R"({"alg":"ES256","kid":"e"})", claims("sub", "\"x\""));
  const struct {
    const char* why;
    std::string body;
    int status;
    const char* error;
  } kCases[] = {
      {"as it should be", body("", ""), 200, ""},
      {"no JSON", "grant_type=x", 400, "invalid_request"},
      {"another grant", body("grant_type", "password"), 400, "unsupported_grant_type"},
      {"another kind of token", body("subject_token_type", "x"), 400, "invalid_request"},
      {"no token", body("subject_token", ""), 400, "invalid_request"},
      {"a token that is none", body("subject_token", "a.b.c"), 400, "invalid_grant"},
      {"an unknown provider", body("identity_provider_id", "x"), 401, "invalid_client"},
      {"a subject without mapping", body("subject_token", strange), 403, "access_denied"},
      {"an unknown account", body("service_account_id", "x"), 403, "access_denied"},
  };
  for (const auto& c : kCases) {
    const Got got = sim.ask("POST", "/oauth/token", c.body);
    EXPECT_EQ(got.status, c.status) << c.why << got.body;
    EXPECT_EQ(got.at("error"), c.error) << c.why << got.body;
  }
  const Got got = sim.ask("POST", "/oauth/token", body("", ""));
  EXPECT_EQ(got.at("expires_in"), "600") << "not longer than what it was made from";
  EXPECT_EQ(got.at("token_type"), "Bearer");
  const std::string token = got.at("access_token");
  EXPECT_EQ(sim.with_key(token, "GET", "/v1/models").status, 200);
  sim.advance(std::chrono::seconds(600));
  EXPECT_EQ(sim.with_key(token, "GET", "/v1/models").status, 401);
}

TEST(Exchange, FailsAsAsked) {
  SimForTest sim;
  sim.provider().path_faults().add({.method = "", .path = "/oauth/token", .behave = "error-503"});
  const Got got = sim.ask("POST", "/oauth/token", "{}");
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.at("error"), "temporarily_unavailable");
}

}  // namespace
}  // namespace sallyport::sim
