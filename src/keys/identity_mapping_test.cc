// SPDX-License-Identifier: Apache-2.0
#include "keys/identity_mapping.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/text.h"

namespace sallyport::keys {
namespace {

using std::string;

IdentityMapping github() {
  IdentityMapping mapping;
  mapping.name = "ci";
  mapping.issuer = "https://id.example";
  mapping.audience = "https://gate.example";
  mapping.claims = {{"repository", "acme/*"}, {"ref", "refs/heads/main"}};
  mapping.principal = "ci-{repository}";
  return mapping;
}

Jwt token(const string& claims) {
  auto jwt = Jwt::parse(base64url_encode(R"({"alg":"ES256","kid":"k"})") + "." +
                        base64url_encode(claims) + ".AAAA");
  return std::move(*jwt);
}

TEST(IdentityMapping, WhatMayStand) {
  using Change = std::function<void(IdentityMapping&)>;
  const struct {
    const char* why;
    Change change;
    bool good;
  } kCases[] = {
      {"as it is", [](auto&) {}, true},
      {"no name", [](auto& m) { m.name = ""; }, false},
      {"no issuer", [](auto& m) { m.issuer = ""; }, false},
      {"no audience", [](auto& m) { m.audience = ""; }, false},
      {"no claims: the whole world of a public issuer", [](auto& m) { m.claims = {}; }, false},
      {"only *", [](auto& m) { m.claims = {{"sub", "*"}, {"ref", "*"}}; }, false},
      {"* and a text", [](auto& m) { m.claims = {{"sub", "*"}, {"ref", "x"}}; }, true},
      {"* in the middle", [](auto& m) { m.claims = {{"sub", "a*b"}}; }, false},
      {"an empty pattern", [](auto& m) { m.claims = {{"sub", ""}}; }, false},
      {"two places", [](auto& m) { m.jwks_url = "https://x/", m.jwks_file = "/x"; }, false},
      {"an issuer that is no URL", [](auto& m) { m.issuer = "spiffe"; }, false},
      {"an issuer that is no URL, with a file",
       [](auto& m) { m.issuer = "spiffe", m.jwks_file = "/x"; }, true},
      {"no algorithm", [](auto& m) { m.algorithms = {}; }, false},
      {"HS256", [](auto& m) { m.algorithms = {"RS256", "HS256"}; }, false},
      {"none", [](auto& m) { m.algorithms = {"none"}; }, false},
      {"a fixed principal", [](auto& m) { m.principal = "ci"; }, true},
      {"no principal", [](auto& m) { m.principal = ""; }, false},
      {"a principal with a slash", [](auto& m) { m.principal = "ci/{repository}"; }, false},
      {"two claims", [](auto& m) { m.principal = "{repository}-{ref}"; }, false},
      {"an open brace", [](auto& m) { m.principal = "ci-{repository"; }, false},
      {"a closing brace", [](auto& m) { m.principal = "ci-}"; }, false},
      {"an empty claim", [](auto& m) { m.principal = "ci-{}"; }, false},
      {"too much around the claim", [](auto& m) { m.principal = string(33, 'a') + "{sub}"; },
       false},
      {"no life", [](auto& m) { m.life = {}; }, false},
      {"16 minutes", [](auto& m) { m.life = std::chrono::minutes(16); }, false},
      {"a bad endpoint", [](auto& m) { m.endpoints = {"/v1/responses"}; }, false},
      {"a bad model", [](auto& m) { m.models = {"*-mini"}; }, false},
      {"a layer", [](auto& m) { m.layer = "acme/ci"; }, true},
      {"a layer with a hole", [](auto& m) { m.layer = "acme//ci"; }, false},
      {"a layer too deep", [](auto& m) { m.layer = "a/b/c/d"; }, false},
  };
  for (const auto& c : kCases) {
    IdentityMapping mapping = github();
    c.change(mapping);
    EXPECT_EQ(check_mapping(mapping).has_value(), c.good) << c.why;
  }
}

TEST(IdentityMapping, AllClaimsMustHold) {
  const struct {
    const char* why;
    string claims;
    bool fits;
  } kCases[] = {
      {"both", R"({"repository":"acme/web","ref":"refs/heads/main"})", true},
      {"another branch", R"({"repository":"acme/web","ref":"refs/heads/main2"})", false},
      {"another owner", R"({"repository":"acme2/web","ref":"refs/heads/main"})", false},
      {"the pattern itself", R"({"repository":"acme/","ref":"refs/heads/main"})", true},
      {"one is missing", R"({"repository":"acme/web"})", false},
      {"in a list", R"({"repository":["x","acme/web"],"ref":"refs/heads/main"})", true},
      {"an empty list", R"({"repository":[],"ref":"refs/heads/main"})", false},
      {"null", R"({"repository":null,"ref":"refs/heads/main"})", false},
      {"in an object", R"({"repository":{"a":"acme/web"},"ref":"refs/heads/main"})", false},
      {"another case", R"({"repository":"Acme/web","ref":"refs/heads/main"})", false},
  };
  for (const auto& c : kCases) EXPECT_EQ(claims_fit(github(), token(c.claims)), c.fits) << c.why;
}

TEST(IdentityMapping, NamesNeverMeet) {
  EXPECT_EQ(name_part("acme", 40), "acme");
  EXPECT_EQ(name_part("acme/web", 40), "acme.2fweb");
  EXPECT_EQ(name_part("system:serviceaccount:prod:bot", 60),
            "system.3aserviceaccount.3aprod.3abot");
  const std::vector<string> claims = {"a/b",
                                      "a.b",
                                      "a.2fb",
                                      "a_b",
                                      "a-b",
                                      "A/b",
                                      "a//b",
                                      "a/b/",
                                      "a b",
                                      "a\xc3\xa4",
                                      "",
                                      string(200, 'a'),
                                      string(201, 'a'),
                                      string(199, 'a') + "b",
                                      name_part(string(200, 'a'), 40)};
  std::set<string> names;
  for (const string& claim : claims) {
    const string name = name_part(claim, 40);
    EXPECT_TRUE(names.insert(name).second) << claim;
    EXPECT_LE(name.size(), 40U);
    EXPECT_EQ(
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"),
        string::npos)
        << name;
  }
}

TEST(IdentityMapping, ThePrincipal) {
  IdentityMapping mapping = github();
  EXPECT_EQ(principal_name(mapping, token(R"({"repository":"acme/web"})")), "ci-acme.2fweb");
  EXPECT_EQ(principal_name(mapping, token("{}")), std::nullopt);
  EXPECT_EQ(principal_name(mapping, token(R"({"repository":""})")), std::nullopt);
  EXPECT_EQ(principal_name(mapping, token(R"({"repository":["acme/web"]})")), std::nullopt);
  const auto longest =
      principal_name(mapping, token(R"({"repository":")" + string(500, 'x') + "\"}"));
  ASSERT_TRUE(longest);
  EXPECT_EQ(longest->size(), 64U);
  mapping.principal = "{/kubernetes.io/namespace}-job";
  EXPECT_EQ(principal_name(mapping, token(R"({"kubernetes.io":{"namespace":"prod"}})")),
            "prod-job");
  mapping.principal = "fixed";
  EXPECT_EQ(principal_name(mapping, token("{}")), "fixed");
}

TEST(IdentityMapping, AScopeOnlyNarrows) {
  const struct {
    const char* why;
    string scope;
    std::vector<string> models, endpoints;  // what the mapping grants
    bool good;
    std::vector<string> models_left, endpoints_left;
  } kCases[] = {
      {"none asked", "", {"gpt-5*"}, {}, true, {"gpt-5*"}, {}},
      {"one of a prefix", "model:gpt-5-mini", {"gpt-5*"}, {}, true, {"gpt-5-mini"}, {}},
      {"a narrower prefix", "model:gpt-5-*", {"gpt-5*"}, {}, true, {"gpt-5-*"}, {}},
      {"the same", "model:gpt-5*", {"gpt-5*"}, {}, true, {"gpt-5*"}, {}},
      {"a wider prefix", "model:gpt-*", {"gpt-5*"}, {}, false, {}, {}},
      {"all", "model:*", {"gpt-5*"}, {}, false, {}, {}},
      {"another", "model:o3", {"gpt-5*"}, {}, false, {}, {}},
      {"one good, one not", "model:gpt-5 model:o3", {"gpt-5*"}, {}, false, {}, {}},
      {"of everything", "model:o3", {}, {}, true, {"o3"}, {}},
      {"an endpoint",
       "endpoint:POST:/v1/responses",
       {},
       {"* /v1/*"},
       true,
       {},
       {"POST /v1/responses"}},
      {"another endpoint", "endpoint:POST:/v1/files", {}, {"POST /v1/responses"}, false, {}, {}},
      {"a pattern within a pattern is not judged",
       "endpoint:POST:/v1/files/*",
       {},
       {"* /v1/*"},
       false,
       {},
       {}},
      {"the same pattern", "endpoint:*:/v1/*", {}, {"* /v1/*"}, true, {}, {"* /v1/*"}},
      {"read only", "read_only", {"a"}, {}, true, {"a"}, {}},
      {"a word nobody knows", "admin", {}, {}, false, {}, {}},
      {"two blanks", "model:a  model:b", {}, {}, false, {}, {}},
      {"no model", "model:", {}, {}, false, {}, {}},
      {"no method", "endpoint:/v1/responses", {}, {}, false, {}, {}},
  };
  for (const auto& c : kCases) {
    Exchanged granted;
    granted.spec.restrictions.models = c.models;
    granted.spec.restrictions.endpoints = c.endpoints;
    EXPECT_EQ(narrow(c.scope, granted), c.good) << c.why;
    if (!c.good) continue;
    EXPECT_EQ(granted.spec.restrictions.models, c.models_left) << c.why;
    EXPECT_EQ(granted.spec.restrictions.endpoints, c.endpoints_left) << c.why;
    EXPECT_EQ(granted.spec.restrictions.read_only, c.scope == "read_only") << c.why;
  }
}

}  // namespace
}  // namespace sallyport::keys
