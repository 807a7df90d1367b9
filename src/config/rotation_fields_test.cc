// SPDX-License-Identifier: Apache-2.0
// keys.deliver, keys.rotate and policy.geo: what may stand, and what is refused.
#include <gtest/gtest.h>

#include <string>

#include "config/load.h"

namespace sallyport::config {
namespace {

using std::string;

string with(const string& keys, const string& more = "") {
  return "version: 1\n"
         "upstream:\n  - name: openai\n    base_url: https://api.openai.com/v1\n"
         "keys:\n  required: false\n" +
         keys + more;
}

string problems(const string& text) {
  const LoadResult loaded = load_text(text, Surroundings{});
  string all;
  if (loaded) return all;
  for (const Problem& problem : loaded.error()) {
    all += problem.field + ": " + problem.message + "\n";
  }
  return all;
}

TEST(Rotation, ByItselfWithoutATargetIsWarnedOf) {
  const LoadResult loaded = load_text(with("  rotate: {every: 6h}\n"), Surroundings{});
  ASSERT_TRUE(loaded);
  string warned;
  for (const Problem& warning : loaded->warnings) warned += warning.field + "\n";
  EXPECT_TRUE(warned.contains("keys.rotate.every")) << warned;
}

TEST(Rotation, TargetsAndTimes) {
  const string text = with(
      "  rotate: {every: 6h, grace: 20m, end_early: true}\n"
      "  deliver:\n"
      "    - {key: \"app-*\", to: \"file:/run/keys/{name}\"}\n"
      "    - {layer: acme/*, to: https://vault.example.com/hook}\n",
      "policy: {geo: {country: none, network: \"file:/etc/asn.mmdb\"}}\n");
  const LoadResult loaded = load_text(text, Surroundings{});
  ASSERT_TRUE(loaded) << problems(text);
  const keys::Config& keys = loaded->config.keys;
  EXPECT_EQ(keys.rotate.every, std::chrono::hours(6));
  EXPECT_EQ(keys.rotate.grace, std::chrono::minutes(20));
  EXPECT_TRUE(keys.rotate.end_early);
  ASSERT_EQ(keys.deliver.size(), 2U);
  EXPECT_EQ(keys.deliver[0].key, "app-*");
  EXPECT_EQ(keys.deliver[0].to, "file:/run/keys/{name}");
  EXPECT_EQ(keys.deliver[1].layer, "acme/*");
  EXPECT_EQ(keys.deliver[1].to, "https://vault.example.com/hook");
  EXPECT_EQ(loaded->config.geo.country, "");
  EXPECT_EQ(loaded->config.geo.network, "/etc/asn.mmdb");
}

TEST(Rotation, WhatIsLeftOut) {
  const LoadResult loaded = load_text(with(""), Surroundings{});
  ASSERT_TRUE(loaded) << problems(with(""));
  EXPECT_EQ(loaded->config.keys.rotate.every.count(), 0) << "nothing is rotated by itself";
  EXPECT_TRUE(loaded->config.keys.deliver.empty());
  EXPECT_TRUE(loaded->config.keys.derive_key.empty());
  EXPECT_EQ(loaded->config.geo.country, "auto");
}

TEST(Rotation, WhatIsRefused) {
  const struct {
    const char* why;
    string keys;
    string said;
  } kCases[] = {
      {"a command", "  deliver: [{to: \"exec:/bin/sh\"}]\n", "keys.deliver[0].to"},
      {"a relative file", "  deliver: [{to: \"file:key\"}]\n", "keys.deliver[0].to"},
      {"a plain path", "  deliver: [{to: /run/key}]\n", "keys.deliver[0].to"},
      {"a user in the address", "  deliver: [{to: \"https://a:b@c/d\"}]\n", "keys.deliver[0].to"},
      {"a secret in the file", "  deliver: [{to: \"https://c/d\", sign_with: abcdefgh}]\n",
       "keys.deliver[0].sign_with"},
      {"an unknown field", "  deliver: [{target: x}]\n", "keys.deliver[0].target"},
      {"a grace above a day", "  rotate: {grace: 25h}\n", "keys.rotate.grace"},
      {"a key in the file", "  derive_key: 0123456789abcdef0123456789abcdef\n", "keys.derive_key"},
  };
  for (const auto& c : kCases) {
    const string told = problems(with(c.keys));
    EXPECT_NE(told, "") << c.why;
    EXPECT_TRUE(told.contains(c.said)) << c.why << ": " << told;
  }
}

}  // namespace
}  // namespace sallyport::config
