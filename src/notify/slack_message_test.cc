// SPDX-License-Identifier: Apache-2.0
#include "notify/slack_message.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

struct EscapeCase {
  std::string_view in;
  std::size_t max;
  std::string_view out;
};

TEST(SlackMessage, NothingFromOutsideBecomesALinkOrCallsAChannel) {
  const EscapeCase cases[] = {
      {"plain", 99, "plain"},
      {"<!channel> & <https://evil.example|here>", 99,
       "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;"},
      {"abcdef", 3, "abc\xE2\x80\xA6"},
      {"\xC3\xA4\xC3\xB6\xC3\xBC", 2, "\xC3\xA4\xC3\xB6\xE2\x80\xA6"},
      {"abc", 3, "abc"},
      {"", 3, ""},
  };
  for (const EscapeCase& test : cases) EXPECT_EQ(slack_escape(test.in, test.max), test.out);
}

Outgoing finding(std::uint64_t seq, const std::string& fields, std::string key = "user_42") {
  Outgoing record = record_for_test(seq);
  record.event.kind = Kind::kFinding;
  record.event.api_key_id = std::move(key);
  record.event.finding = finding_for_test(fields);
  return record;
}

TEST(SlackMessage, TheSameAboutTheSameKeyIsOneMessageWithACount) {
  Batch batch;
  for (int i = 0; i < 5; ++i) batch.push_back(record_for_test(1));
  Outgoing other = record_for_test(6);
  other.event.api_key_id = "user_43";
  batch.push_back(other);
  const auto messages = slack_messages(batch);
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].records.size(), 5u);
  EXPECT_EQ(messages[1].records, std::vector<std::size_t>{5});
  EXPECT_TRUE(slack_body(messages[0], "", "").contains("5 \xC3\x97 request: invalid_api_key"));
}

TEST(SlackMessage, WhatIsSevereOrOfAnIncidentIsTold) {
  const std::string severe = R"({"detector":"ip_hopping","severity":"critical","summary":"s"})";
  const std::string incident = R"({"detector":"d","severity":"low","incident_id":"inc_1"})";
  const Batch batch{finding(1, severe), finding(2, severe), finding(3, incident),
                    finding(4, incident)};
  const auto messages = slack_messages(batch);
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_TRUE(messages[0].urgent);
  EXPECT_EQ(messages[0].title, "s");
  EXPECT_EQ(messages[2].incident, "inc_1");
  EXPECT_FALSE(messages[2].urgent);
}

TEST(SlackMessage, TheBodyIsJsonWithinSlacksLimits) {
  Outgoing record = finding(1, R"({"summary":")" + std::string(4'000, '<') + "\"}");
  record.event.network = std::string(9'000, '&');
  const auto messages = slack_messages({record});
  const std::string text = slack_body(messages[0], "C1", "123.4");
  const auto body = JsonValue::parse(text);
  ASSERT_TRUE(body) << text;
  EXPECT_EQ(body->at("channel")->string(), "C1");
  EXPECT_EQ(body->at("thread_ts")->string(), "123.4");
  const auto blocks = body->at("blocks")->items();
  ASSERT_EQ(blocks.size(), 2u);
  EXPECT_LE(blocks[0].at("text")->at("text")->string()->size(), 3'000u);
  EXPECT_LE(blocks[1].at("fields")->items().size(), 10u);
  EXPECT_FALSE(text.contains('<'));
  EXPECT_TRUE(slack_messages({record_for_test(1)})[0].incident.empty());
  EXPECT_FALSE(slack_body(messages[0], "", "").contains("channel\":"));
}

}  // namespace
}  // namespace sallyport::notify
