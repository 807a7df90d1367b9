// SPDX-License-Identifier: Apache-2.0
// keys.identity_exchange and keys.leak_report: what may stand, and what is said about the rest.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"
#include "config/reload.h"

namespace sallyport::config {
namespace {

using std::string;

const string kBase =
    "version: 1\n"
    "upstream:\n  - name: openai\n    base_url: https://api.openai.com/v1\n"
    "keys:\n  required: false\n";
const string kMapping =
    "  identity_exchange:\n"
    "    - name: ci\n"
    "      issuer: https://token.actions.githubusercontent.com\n"
    "      audience: https://gate.example.com\n"
    "      claims: {repository: acme/*, ref: refs/heads/main, /deep/one: x}\n"
    "      principal: ci-{repository}\n";

LoadResult load(const string& text) { return load_text(text, Surroundings{}); }

// All messages in one text; empty: it is fine.
string problems(const string& text) {
  const LoadResult loaded = load(text);
  string all;
  if (loaded) return all;
  for (const Problem& problem : loaded.error())
    all += problem.field + ": " + problem.message + "\n";
  return all;
}

TEST(Identity, AMapping) {
  const LoadResult loaded = load(kBase + kMapping + "      life: 5m\n      single_use: true\n");
  ASSERT_TRUE(loaded) << problems(kBase + kMapping);
  ASSERT_EQ(loaded->config.keys.identity_exchange.size(), 1U);
  const keys::IdentityMapping& mapping = loaded->config.keys.identity_exchange[0];
  EXPECT_EQ(mapping.name, "ci");
  EXPECT_EQ(mapping.claims.at("repository"), "acme/*");
  EXPECT_EQ(mapping.claims.at("/deep/one"), "x");
  EXPECT_EQ(mapping.algorithms, std::vector<string>{"RS256"});
  EXPECT_EQ(mapping.life, std::chrono::minutes(5));
  EXPECT_TRUE(mapping.single_use);
  EXPECT_FALSE(mapping.jwks_url);
}

TEST(Identity, WhatIsRefused) {
  const struct {
    const char* why;
    string more;  // below kMapping
    string said;
  } kCases[] = {
      {"another algorithm", "      algorithms: [HS256]\n", "algorithms"},
      {"two places", "      jwks_url: https://x/k\n      jwks_file: /k\n", "not both"},
      {"plain http", "      jwks_url: http://id.example.com/k\n", "https"},
      {"a longer life", "      life: 16m\n", "life"},
      {"an unknown upstream", "      upstream: other\n", "no upstream has that name"},
      {"a name twice", kMapping.substr(kMapping.find("    - name")), "used twice"},
      {"claims that are a list", "    - name: b\n      claims: [a]\n", "claims"},
      {"a claim that is a list", "    - name: b\n      claims: {a: [b]}\n", "claims"},
      {"no claims",
       "    - name: b\n      issuer: https://a\n      audience: b\n      principal: c\n", "claims"},
  };
  for (const auto& c : kCases) {
    const string said = problems(kBase + kMapping + c.more);
    EXPECT_NE(said.find(c.said), string::npos) << c.why << ": " << said;
  }
}

TEST(Identity, ItNeedsARestart) {
  const LoadResult running = load(kBase + kMapping);
  ASSERT_TRUE(running);
  const auto next =
      reload_text(running->config, kBase + kMapping + "      life: 1m\n", Surroundings{});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->kept, std::vector<string>{"keys.identity_exchange"});
  EXPECT_EQ(next->config->keys.identity_exchange[0].life, std::chrono::minutes(15));
}

TEST(Identity, LeakReports) {
  const string report = "  leak_report:\n    github_keys_url: ";
  EXPECT_EQ(problems(kBase + report + "https://api.github.com/keys\n"), "");
  EXPECT_NE(problems(kBase + report + "http://api.github.com/keys\n").find("https"), string::npos);
  EXPECT_NE(problems(kBase + report + "https://a/b\n    github_keys_file: /k\n").find("not both"),
            string::npos);
}

}  // namespace
}  // namespace sallyport::config
