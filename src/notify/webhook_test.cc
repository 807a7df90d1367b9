// SPDX-License-Identifier: Apache-2.0
#include "notify/webhook.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json_reader.h"
#include "net/webhook_signature.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

// standard-webhooks/standard-webhooks libraries/go/webhook_test.go (MIT)
const Secret kSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
constexpr std::string_view kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kTime = 1'614'265'330;
constexpr std::string_view kPayload = R"({"test": 2432232314})";
constexpr std::string_view kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

TEST(Webhook, TheConventionsOwnVector) {
  const auto signature = webhook_signatures(kSecret, kId, kTime, kPayload);
  ASSERT_TRUE(signature);
  EXPECT_EQ(*signature, kSignature);
}

struct RejectCase {
  const char* why;
  std::string_view id;
  std::int64_t time;
  std::string_view payload;
};

TEST(Webhook, AnyOtherMessageHasAnotherSignature) {
  const RejectCase cases[] = {
      {"one byte of the payload changed", kId, kTime, R"({"test": 2432232315})"},
      {"another time", kId, kTime + 1, kPayload},
      {"another id", "msg_p5jXN8AQM9LWM0D4loKWxJel", kTime, kPayload},
  };
  for (const RejectCase& test : cases) {
    EXPECT_NE(*webhook_signatures(kSecret, test.id, test.time, test.payload), kSignature)
        << test.why;
  }
}

TEST(Webhook, TwoSecretsBothSignWhileOneReplacesTheOther) {
  const Secret both(std::string(kSecret.reveal()) + " a-new-secret-of-24-bytes-");
  const auto signatures = webhook_signatures(both, kId, kTime, kPayload);
  ASSERT_TRUE(signatures);
  EXPECT_TRUE(signatures->starts_with(std::string(kSignature) + " v1,")) << *signatures;
  EXPECT_EQ(std::ranges::count(*signatures, ' '), 1);
}

TEST(Webhook, OneMessageARecordWithItsOwnId) {
  SinkConfig config = entry_for_test("webhook", "https://hook.example/in?a=b", kSecret.reveal());
  ASSERT_TRUE(check_sink(config)) << check_sink(config).error().what;
  const Outgoing record = record_for_test(7);
  const auto question =
      webhook_question(config, record_formats()[0], record, UtcTime(std::chrono::seconds(kTime)));
  ASSERT_TRUE(question);
  EXPECT_EQ(*header_of(*question, "webhook-id"), "gw1_example/audit:7");
  EXPECT_EQ(*header_of(*question, "webhook-timestamp"), "1614265330");
  EXPECT_EQ(*header_of(*question, "webhook-signature"),
            *net::webhook_signature(kSecret, "gw1_example/audit:7", kTime, question->body));
  EXPECT_EQ(question->body,
            R"({"type":"request.refused","timestamp":"2026-01-01T00:00:00.123Z","data":{"id":)"
            R"("gw1.example/audit:7",)" +
                record.line.substr(1) + "}");
}

TEST(Webhook, ALargeRecordIsNamedNotCut) {
  const SinkConfig config = entry_for_test("webhook", "https://hook.example", kSecret.reveal());
  Outgoing record = record_for_test(7);
  record.line.insert(1, R"("detail":")" + std::string(30'000, 'x') + "\",");
  const auto question = webhook_question(config, record_formats()[0], record, UtcTime());
  EXPECT_LT(question->body.size(), 300u);
  const auto body = JsonValue::parse(question->body);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->at("data")->at("id")->string(), "gw1.example/audit:7");
}

struct TypeCase {
  Kind kind;
  std::optional<int> status;
  const char* action;
  const char* type;
};

TEST(Webhook, Types) {
  const TypeCase cases[] = {
      {Kind::kRequest, 200, "", "request.done"},
      {Kind::kRequest, 429, "", "request.refused"},
      {Kind::kRequest, {}, "", "request.aborted"},
      {Kind::kAction, {}, "key_revoke", "action.key_revoke"},
      {Kind::kAdmin, {}, "key.revoke", "admin.key.revoke"},
      {Kind::kBreaker, {}, "", "breaker"},
      {Kind::kAdmin, {}, "Odd \"one\"", "admin._dd__one_"},
  };
  for (const TypeCase& test : cases) {
    Event event;
    event.kind = test.kind;
    event.status = test.status;
    if (*test.action) event.action = test.action;
    EXPECT_EQ(webhook_type(event), test.type);
  }
}

TEST(Webhook, AShortSecretIsRefusedAtLoad) {
  const SinkConfig config = entry_for_test("webhook", "https://hook.example", "short");
  ASSERT_FALSE(check_sink(config));
  EXPECT_TRUE(check_sink(config).error().what.starts_with("token: "));
}

}  // namespace
}  // namespace sallyport::notify
