// SPDX-License-Identifier: Apache-2.0
// What is said to Elasticsearch, Splunk and Datadog, byte for byte, and what their answers mean.
#include <gtest/gtest.h>

#include "base/json_reader.h"
#include "notify/datadog.h"
#include "notify/elasticsearch.h"
#include "notify/format_for_test.h"
#include "notify/http_sink.h"
#include "notify/splunk.h"

namespace sallyport::notify {
namespace {

const SystemClock kClock;
const UtcTime kNow = *parse_utc("2026-01-01T00:00:05Z");
constexpr std::chrono::milliseconds kWait{7'000};

SinkParts parts() {
  static net::Resolver resolver;
  return {resolver, kClock, "gw1.example/audit", "gw1", "0.1.0"};
}

std::string document(const Outgoing& record) {
  return "{\"id\":\"" + record.id + "\"," + record.line.substr(1);
}

void expect(HttpFormat& format, std::span<const JudgeCase> cases) {
  for (const JudgeCase& test : cases) {
    const net::Reply reply{test.status, {}, test.body};
    const Verdict verdict = format.judge(reply, batch_for_test(test.batch), kWait);
    EXPECT_EQ(short_of(verdict), test.verdict) << test.why;
    if (verdict.kind == Verdict::Kind::kAgain && test.status == 429) {
      EXPECT_EQ(verdict.wait, kWait) << test.why;
    }
    if (verdict.kind != Verdict::Kind::kDone && verdict.dead.empty()) {
      EXPECT_FALSE(verdict.why.empty()) << test.why;
    }
  }
}

TEST(HttpFormats, StatusAlone) {
  const JudgeCase cases[] = {
      {"ok", 2, 200, "", "done"},
      {"accepted", 2, 202, "", "done"},
      {"moved", 2, 302, "", "stop"},
      {"bad", 2, 400, "", "done dead 0,1"},
      {"no credential", 2, 401, "", "stop"},
      {"forbidden", 2, 403, "", "stop"},
      {"not there", 2, 404, "", "stop"},
      {"gone", 2, 410, "", "stop"},
      {"too slow", 2, 408, "", "again"},
      {"too large", 2, 413, "", "halve"},
      {"not meant", 2, 422, "", "done dead 0,1"},
      {"too many", 2, 429, "", "again"},
      {"broken", 2, 500, "", "again"},
      {"overloaded", 2, 503, "", "again"},
      {"no word of HTTP", 2, 199, "", "stop"},
  };
  for (const JudgeCase& test : cases) {
    EXPECT_EQ(short_of(verdict_of_status(test.status, batch_for_test(test.batch), kWait)),
              test.verdict)
        << test.why;
  }
}

TEST(Elasticsearch, AnActionAndADocumentARecord) {
  SinkConfig config = entry_for_test("elasticsearch", "https://siem.example:9200/", "aWQ6a2V5");
  auto format = elasticsearch_format(config);
  ASSERT_TRUE(format);
  const Batch batch = batch_for_test(2);
  const auto question = (*format)->encode(batch, kNow);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->method, "POST");
  EXPECT_EQ(question->url, "https://siem.example:9200/_bulk");
  EXPECT_EQ(*header_of(*question, "authorization"), "ApiKey aWQ6a2V5");
  EXPECT_EQ(*header_of(*question, "content-type"), "application/x-ndjson");
  std::string wanted;
  for (const Outgoing& record : batch) {
    wanted += R"({"create":{"_index":"logs-sallyport.audit-default","_id":")" + record.id +
              "\"}}\n{\"@timestamp\":\"2026-01-01T00:00:00.123Z\"," + document(record).substr(1) +
              "\n";
  }
  EXPECT_EQ(question->body, wanted);

  config.user = "sally";
  config.options = {{"index", "audit-a"}, {"pipeline", "geo"}};
  format = elasticsearch_format(config);
  const auto other = (*format)->encode(batch, kNow);
  EXPECT_EQ(*header_of(*other, "authorization"), "Basic c2FsbHk6YVdRNmEyVjU=");
  EXPECT_EQ(other->url, "https://siem.example:9200/_bulk?pipeline=geo");
  EXPECT_TRUE(other->body.starts_with(R"({"create":{"_index":"audit-a",)"));
}

TEST(Elasticsearch, AnswersItemByItem) {
  const JudgeCase cases[] = {
      {"all taken", 2, 200,
       R"({"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]})", "done"},
      {"one was there already", 2, 200,
       R"({"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}},{"create":{"status":201}}]})",
       "done"},
      {"one is too much for now", 3, 200,
       R"({"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429}},{"create":{"status":503}}]})",
       "again 1,2"},
      {"one does not fit the mapping", 2, 200,
       R"({"errors":true,"items":[{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}},{"create":{"status":201}}]})",
       "done dead 0"},
      {"both", 3, 200,
       R"({"errors":true,"items":[{"create":{"status":429}},{"create":{"status":400,"error":{"type":"m","reason":"r"}}},{"create":{"status":201}}]})",
       "again 0 dead 1"},
      {"the index may not be written", 1, 200,
       R"({"errors":true,"items":[{"create":{"status":403,"error":{"type":"security_exception","reason":"no"}}}]})",
       "stop"},
      {"an item without a status", 1, 200, R"({"errors":true,"items":[{"create":{}}]})", "again 0"},
      {"an item that is no object", 1, 200, R"({"errors":true,"items":[7]})", "again 0"},
      {"fewer items than records", 2, 200,
       R"({"errors":false,"items":[{"create":{"status":201}}]})", "again"},
      {"no word about errors", 1, 200, R"({"items":[{"create":{"status":201}}]})", "again"},
      {"errors is no boolean", 1, 200, R"({"errors":"no","items":[{"create":{"status":201}}]})",
       "again"},
      {"a login page", 1, 200, "<html>", "again"},
      {"empty", 1, 200, "", "again"},
      {"a request that cannot be read", 2, 400, "", "halve"},
      {"too large", 2, 413, "", "halve"},
      {"too many", 2, 429, "", "again"},
      {"no credential", 2, 401, "", "stop"},
      {"another 2xx is not _bulk's", 2, 204, "", "again"},
  };
  const SinkConfig config = entry_for_test("elasticsearch", "https://siem.example:9200", "a");
  expect(**elasticsearch_format(config), cases);
}

TEST(Splunk, ObjectsOneBehindTheOther) {
  SinkConfig config = entry_for_test("splunk", "https://splunk.example:8088", "0-0");
  config.options = {{"index", "ai"}};
  const auto format = splunk_format(config, parts());
  ASSERT_TRUE(format);
  const Batch batch = batch_for_test(2);
  const auto question = (*format)->encode(batch, kNow);
  EXPECT_EQ(question->url, "https://splunk.example:8088/services/collector/event");
  EXPECT_EQ(*header_of(*question, "authorization"), "Splunk 0-0");
  std::string wanted;
  for (const Outgoing& record : batch) {
    wanted += R"({"time":1767225600.123,"host":"gw1","source":"sallyport","sourcetype":"_json",)"
              R"("index":"ai","event":)" +
              document(record) + "}";
  }
  EXPECT_EQ(question->body, wanted);
}

TEST(Splunk, TheCodeSaysMoreThanTheStatus) {
  const JudgeCase cases[] = {
      {"success", 2, 200, R"({"text":"Success","code":0})", "done"},
      {"token disabled", 2, 403, R"({"text":"Token disabled","code":1})", "stop"},
      {"token missing", 2, 401, R"({"code":2})", "stop"},
      {"bad authorization", 2, 401, R"({"code":3})", "stop"},
      {"invalid token", 2, 403, R"({"code":4})", "stop"},
      {"no data, nobody knows which", 2, 400, R"({"code":5})", "halve"},
      {"bad event, by number", 3, 400, R"({"code":6,"invalid-event-number":1})",
       "again 0,2 dead 1"},
      {"bad event, alone", 1, 400, R"({"code":12,"invalid-event-number":0})", "done dead 0"},
      {"a number that is none of ours", 2, 400, R"({"code":6,"invalid-event-number":9})", "halve"},
      {"wrong index", 2, 400, R"({"code":7})", "stop"},
      {"internal error", 2, 500, R"({"code":8})", "again"},
      {"busy", 2, 503, R"({"code":9})", "again"},
      {"channel missing", 2, 400, R"({"code":10})", "stop"},
      {"bad indexed fields", 1, 400, R"({"code":15,"invalid-event-number":0})", "done dead 0"},
      {"too large", 2, 413, "", "halve"},
      {"200 with an error inside", 2, 200, R"({"code":9})", "again"},
      {"200 with an unknown code", 2, 200, R"({"code":99})", "stop"},
      {"a login page", 2, 200, "<html>", "again"},
      {"a proxy's 503", 2, 503, "<html>", "again"},
  };
  const SinkConfig config = entry_for_test("splunk", "https://splunk.example:8088", "0-0");
  expect(**splunk_format(config, parts()), cases);
}

TEST(Datadog, AnArrayOfMessages) {
  SinkConfig config = entry_for_test("datadog", "", "key");
  config.options = {{"site", "datadoghq.eu"}, {"tags", "env:prod"}};
  ASSERT_TRUE(check_sink(config)) << check_sink(config).error().what;
  const auto format = datadog_format(config, parts());
  const Batch batch = batch_for_test(1);
  const auto question = (*format)->encode(batch, kNow);
  EXPECT_EQ(question->url, "https://http-intake.logs.datadoghq.eu/api/v2/logs");
  EXPECT_EQ(*header_of(*question, "dd-api-key"), "key");
  const auto body = JsonValue::parse(question->body);
  ASSERT_TRUE(body && body->items().size() == 1);
  const JsonValue one = body->items()[0];
  EXPECT_EQ(one.at("ddsource")->string(), "sallyport");
  EXPECT_EQ(one.at("ddtags")->string(), "env:prod");
  EXPECT_EQ(one.at("hostname")->string(), "gw1");
  EXPECT_EQ(one.at("service")->string(), "sallyport");
  EXPECT_EQ(one.at("message")->string(), document(batch[0]));
}

TEST(Datadog, Takes202) {
  const JudgeCase cases[] = {
      {"taken", 2, 202, "{}", "done"},    {"another 2xx is a proxy's", 2, 200, "", "again"},
      {"bad array", 2, 400, "", "halve"}, {"no key", 2, 401, "", "stop"},
      {"bad key", 2, 403, "", "stop"},    {"too slow", 2, 408, "", "again"},
      {"too large", 2, 413, "", "halve"}, {"too many", 2, 429, "", "again"},
      {"broken", 2, 500, "", "again"},
  };
  const SinkConfig config = entry_for_test("datadog", "", "key");
  expect(**datadog_format(config, parts()), cases);
}

}  // namespace
}  // namespace sallyport::notify
