// SPDX-License-Identifier: Apache-2.0
// notify: what may stand, and what is said about the rest.
#include "config/notify_fields.h"

#include <gtest/gtest.h>

#include "config/load.h"
#include "config/reload.h"

namespace sallyport::config {
namespace {

constexpr std::string_view kHead =
    "version: 1\nkeys: {pepper: \"${env:PEPPER}\"}\nupstream: [{name: openai}]\n";

Surroundings around() {
  Surroundings made;
  made.environment = [](const char* name) -> const char* {
    static const std::string pepper(48, 'p');
    if (std::string_view(name) == "PEPPER") return pepper.c_str();
    return std::string_view(name) == "TOKEN" ? "0123456789abcdef0123456789abcdef" : nullptr;
  };
  return made;
}

std::string problems(const std::string& notify) {
  const LoadResult loaded = load_text(std::string(kHead) + notify, around());
  if (loaded) return "";
  std::string all;
  for (const Problem& problem : loaded.error())
    all += problem.field + ": " + problem.message + "\n";
  return all;
}

TEST(NotifyFieldsTest, AllOfAnEntryArrives) {
  const LoadResult loaded = load_text(
      std::string(kHead) +
          "notify:\n"
          "  - {name: siem, type: opensearch, url: \"https://siem.example:9200\", user: sally,\n"
          "     token: \"${env:TOKEN}\", allow: [10.0.0.0/8], only: [refused, action],\n"
          "     begin: beginning, batch_records: 100, batch_bytes: 2MiB, batch_wait: 2s,\n"
          "     timeout: 10s, options: {index: logs-a.b-c}}\n"
          "  - {name: chat, type: slack, token: \"${env:TOKEN}\"}\n",
      around());
  ASSERT_TRUE(loaded) << problems("");
  ASSERT_EQ(loaded->config.notify.sinks.size(), 2u);
  const notify::SinkConfig& siem = loaded->config.notify.sinks[0];
  EXPECT_EQ(siem.name, "siem");
  EXPECT_EQ(siem.user, "sally");
  EXPECT_EQ(siem.only, (std::vector<std::string>{"refused", "action"}));
  EXPECT_EQ(siem.begin, "beginning");
  EXPECT_EQ(siem.batch_records, 100u);
  EXPECT_EQ(siem.batch_bytes, 2u << 20);
  EXPECT_EQ(siem.batch_wait.count(), 2'000);
  EXPECT_EQ(siem.timeout.count(), 10'000);
  EXPECT_EQ(siem.options.at("index"), "logs-a.b-c");
  EXPECT_TRUE(siem.token && siem.allow.size() == 1);
}

struct Case {
  std::string why, entry, told;
};

TEST(NotifyFieldsTest, WhatIsWrongIsNamed) {
  const std::string token = "token: \"${env:TOKEN}\"";
  const Case cases[] = {
      {"no name", "{type: slack, " + token + "}", "notify[0].name: "},
      {"unknown type", "{name: a, type: pigeon}", "notify[0].type: one of webhook, slack"},
      {"no url", "{name: a, type: splunk, " + token + "}", "notify[0].url: missing"},
      {"no token", "{name: a, type: splunk, url: \"https://x\"}", "notify[0].token: missing"},
      {"a user where there is none",
       "{name: a, type: splunk, user: b, url: \"https://x\", " + token + "}",
       "notify[0].user: a sink of type splunk has none"},
      {"an option of another type", "{name: a, type: slack, options: {index: b}, " + token + "}",
       "notify[0].options.index: a sink of type slack has no such"},
      {"an unknown kind of record", "{name: a, type: slack, only: [gossip], " + token + "}",
       "notify[0].only: unknown kind of record \"gossip\""},
      {"a bad index",
       "{name: a, type: elasticsearch, url: \"https://x\", options: {index: Bad}, " + token + "}",
       "notify[0].options.index: "},
      {"a place that is none", "{name: a, type: slack, begin: middle, " + token + "}",
       "notify[0].begin: end or beginning"},
      {"more than Datadog takes", "{name: a, type: datadog, batch_records: 2000, " + token + "}",
       "notify[0].batch_records: Datadog"},
      {"a site that is not Datadog's",
       "{name: a, type: datadog, options: {site: evil.example}, " + token + "}",
       "notify[0].options.site: one of"},
      {"a name used twice",
       "{name: a, type: slack, " + token + "}\n  - {name: a, type: slack, " + token + "}",
       "notify[1].name: used twice"},
  };
  for (const Case& test : cases) {
    const std::string told = problems("notify:\n  - " + test.entry + "\n");
    EXPECT_TRUE(told.contains(test.told)) << test.why << "\n" << told;
  }
}

TEST(NotifyFieldsTest, ATokenThatWasNotLookedUpIsNotMissing) {
  Surroundings blind = around();
  blind.follow_secrets = false;
  const LoadResult loaded = load_text(
      std::string(kHead) + "notify: [{name: a, type: slack, token: \"${env:ELSEWHERE}\"}]\n",
      blind);
  EXPECT_TRUE(loaded);
}

}  // namespace
}  // namespace sallyport::config
