// SPDX-License-Identifier: Apache-2.0
// OTLP/HTTP in JSON: what is said, by the rules of its encoding, and what answers mean.
#include "notify/otlp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "base/json_reader.h"
#include "net/raw_peer_for_test.h"
#include "notify/format_for_test.h"
#include "notify/otlp_metrics.h"
#include "notify/otlp_records.h"

namespace sallyport::notify {
namespace {

const UtcTime kNow = *parse_utc("2026-01-01T00:00:05Z");
const OtlpResource kResource{"sallyport", "gw1", "0.1.0"};

Outgoing call_for_test(std::uint64_t seq) {
  Outgoing record = record_for_test(seq);
  record.event.request_id = "req_1";
  record.event.model = "gpt-4o-mini";
  record.event.status = 200;
  record.event.error.reset();
  record.event.latency_ms = 812;
  record.event.tokens_input = 1200;
  record.event.tokens_output = 64;
  record.event.cost_usd = NanoUsd{420'000};
  record.event.stream = true;
  return record;
}

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size && text.find_first_not_of("0123456789abcdef") == std::string::npos &&
         text.find_first_not_of('0') != std::string::npos;
}

// The only item of an array in `value`.
JsonValue only(const JsonValue& value, std::string_view name) {
  const auto array = value.at(name);
  EXPECT_TRUE(array && array->items().size() == 1) << name;
  return array->items()[0];
}

// "name" -> "stringValue:text", and what is wrong with the shape.
std::map<std::string, std::string> attributes_of(const JsonValue& value) {
  std::map<std::string, std::string> all;
  for (const JsonValue& one : value.at("attributes")->items()) {
    const std::string key(*one.at("key")->string());
    const auto members = one.at("value")->members();
    EXPECT_EQ(members.size(), 1u) << key;
    const auto& [type, inner] = members[0];
    std::string text;
    if (type == "stringValue" || type == "intValue") text = inner.string().value_or("not text");
    if (type == "boolValue") text = inner.boolean().value_or(false) ? "true" : "false";
    if (type == "doubleValue") text = std::to_string(inner.number().value_or(-1));
    EXPECT_TRUE(all.emplace(key, std::string(type) + ":" + text).second) << key << " twice";
  }
  return all;
}

TEST(Otlp, ALogRecord) {
  const std::string body = otlp_logs({call_for_test(4711)}, kResource, kNow);
  ASSERT_TRUE(check_json(body)) << body;
  const JsonValue root = *JsonValue::parse(body);
  const JsonValue logs = only(root, "resourceLogs");
  EXPECT_EQ(attributes_of(*logs.at("resource"))["service.name"], "stringValue:sallyport");
  const JsonValue log = only(only(logs, "scopeLogs"), "logRecords");
  EXPECT_EQ(log.at("timeUnixNano")->string(), "1767225600123000000");
  EXPECT_EQ(log.at("observedTimeUnixNano")->string(), "1767225605000000000");
  EXPECT_EQ(log.at("severityNumber")->integer(), 9);
  EXPECT_EQ(log.at("eventName")->string(), "sallyport.request");
  EXPECT_TRUE(is_hex(*log.at("traceId")->string(), 32));
  EXPECT_TRUE(is_hex(*log.at("spanId")->string(), 16));
  EXPECT_EQ(log.at("body")->at("stringValue")->string(),
            "200 POST /v1/chat/completions gpt-4o-mini");
  auto attributes = attributes_of(log);
  const std::pair<const char*, const char*> wanted[] = {
      {"sallyport.audit.id", "stringValue:gw1.example/audit:4711"},
      {"gen_ai.operation.name", "stringValue:chat"},
      {"gen_ai.provider.name", "stringValue:openai"},
      {"gen_ai.request.model", "stringValue:gpt-4o-mini"},
      {"gen_ai.request.stream", "boolValue:true"},
      {"gen_ai.usage.input_tokens", "intValue:1200"},
      {"gen_ai.usage.output_tokens", "intValue:64"},
      {"openai.api.type", "stringValue:chat_completions"},
      {"http.response.status_code", "intValue:200"},
      {"client.address", "stringValue:203.0.113.9"},
      {"sallyport.api_key_id", "stringValue:user_42"},
      {"sallyport.cost_usd", "doubleValue:0.000420"},
  };
  for (const auto& [name, value] : wanted) EXPECT_EQ(attributes[name], value) << name;
}

TEST(Otlp, ASpanForACallAndNoneForTheRest) {
  Outgoing listing = record_for_test(1);
  listing.event.endpoint = "GET /v1/models";
  listing.event.request_id = "req_2";
  EXPECT_EQ(otlp_traces({listing}, kResource), "");
  Outgoing failed = call_for_test(3);
  failed.event.status = 502;
  failed.event.error = "upstream_disconnected";
  const std::string body = otlp_traces({listing, call_for_test(2), failed}, kResource);
  const JsonValue root = *JsonValue::parse(body);
  const auto spans = only(only(root, "resourceSpans"), "scopeSpans").at("spans")->items();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].at("name")->string(), "chat gpt-4o-mini");
  EXPECT_EQ(spans[0].at("kind")->integer(), 3);
  EXPECT_EQ(spans[0].at("startTimeUnixNano")->string(), "1767225599311000000");
  EXPECT_EQ(spans[0].at("endTimeUnixNano")->string(), "1767225600123000000");
  EXPECT_EQ(spans[0].at("traceId")->string(), otlp_trace_id(failed.event));
  EXPECT_FALSE(spans[0].at("status"));
  EXPECT_EQ(spans[1].at("status")->at("code")->integer(), 2);
  EXPECT_EQ(attributes_of(spans[1])["error.type"], "stringValue:upstream_disconnected");
}

class House final : public MetricSource {
 public:
  void collect(MetricSink& sink) const override {
    sink.counter("sallyport_requests", "Requests.", {{"status", "200"}}, requests);
    sink.gauge("sallyport_connections_open", "Open.", {}, 3);
    sink.counter("sallyport_requests", "Requests.", {{"status", "401"}}, 1);
    const double bounds[] = {1, 2};
    const std::uint64_t counts[] = {1, 0, 2};
    sink.histogram("sallyport_sync", "Syncs.", {}, {bounds, counts, 7});
  }
  double requests = 5;
};

JsonValue metric(const std::string& body, std::string_view name) {
  const JsonValue root = *JsonValue::parse(body);
  for (const JsonValue& one :
       only(only(root, "resourceMetrics"), "scopeMetrics").at("metrics")->items()) {
    if (one.at("name")->string() == name) return one;
  }
  ADD_FAILURE() << "no " << name << " in " << body;
  return root;
}

TEST(Otlp, MetricsOfTheHouseAndOfCalls) {
  House house;
  OtlpMetrics metrics(kResource, *parse_utc("2026-01-01T00:00:00Z"), false);
  metrics.count({call_for_test(1), record_for_test(2)});
  const std::string body = metrics.body({&house}, kNow);
  ASSERT_TRUE(check_json(body)) << body;
  const JsonValue requests = *metric(body, "sallyport_requests").at("sum");
  EXPECT_EQ(requests.at("aggregationTemporality")->integer(), 2);
  EXPECT_EQ(requests.at("isMonotonic")->boolean(), true);
  ASSERT_EQ(requests.at("dataPoints")->items().size(), 2u);
  const JsonValue first = requests.at("dataPoints")->items()[0];
  EXPECT_EQ(first.at("asDouble")->number(), 5);
  EXPECT_EQ(first.at("startTimeUnixNano")->string(), "1767225600000000000");
  EXPECT_EQ(first.at("timeUnixNano")->string(), "1767225605000000000");
  EXPECT_EQ(only(*metric(body, "sallyport_connections_open").at("gauge"), "dataPoints")
                .at("asDouble")
                ->number(),
            3);
  const JsonValue sync = only(*metric(body, "sallyport_sync").at("histogram"), "dataPoints");
  EXPECT_EQ(sync.at("count")->string(), "3");
  EXPECT_EQ(sync.at("bucketCounts")->items()[2].string(), "2");
  EXPECT_EQ(sync.at("explicitBounds")->items().size() + 1, sync.at("bucketCounts")->items().size());
  const JsonValue tokens = metric(body, "gen_ai.client.token.usage");
  EXPECT_EQ(tokens.at("unit")->string(), "{token}");
  const JsonValue input = tokens.at("histogram")->at("dataPoints")->items()[0];
  EXPECT_EQ(attributes_of(input)["gen_ai.token.type"], "stringValue:input");
  EXPECT_EQ(input.at("sum")->number(), 1200);
  EXPECT_EQ(input.at("explicitBounds")->items().size(), 14u);
  EXPECT_EQ(input.at("explicitBounds")->items()[13].number(), 67'108'864);
  EXPECT_EQ(input.at("bucketCounts")->items()[6].string(), "1");  // above 1024, to 4096
}

TEST(Otlp, DeltaCountsSinceThePushThatWasTaken) {
  House house;
  OtlpMetrics metrics(kResource, *parse_utc("2026-01-01T00:00:00Z"), true);
  const auto pushed = [&](int second) {
    const JsonValue sum =
        *metric(metrics.body({&house}, kNow + std::chrono::seconds(second)), "sallyport_requests")
             .at("sum");
    EXPECT_EQ(sum.at("aggregationTemporality")->integer(), 1);
    return sum.at("dataPoints")->items()[0].at("asDouble")->number();
  };
  EXPECT_EQ(pushed(0), 5);
  house.requests = 7;
  EXPECT_EQ(pushed(1), 7);  // the first was not taken
  metrics.taken();
  house.requests = 10;
  EXPECT_EQ(pushed(2), 3);
  metrics.taken();
  house.requests = 2;  // began anew
  EXPECT_EQ(pushed(3), 2);
}

TEST(Otlp, ClientsCannotMakeSeriesWithoutEnd) {
  OtlpMetrics metrics(kResource, kNow, false);
  for (int i = 0; i < 500; ++i) {
    Outgoing record = call_for_test(1);
    record.event.model = "model-" + std::to_string(i);
    metrics.count({record});
  }
  const JsonValue tokens = metric(metrics.body({}, kNow), "gen_ai.client.token.usage");
  EXPECT_LE(tokens.at("histogram")->at("dataPoints")->items().size(),
            2 * (OtlpMetrics::kModelsMax + 1));
}

TEST(Otlp, WhatAnAnswerMeans) {
  const JudgeCase cases[] = {
      {"taken", 2, 200, "{}", "done"},
      {"taken, with a warning", 2, 200, R"({"partialSuccess":{"errorMessage":"slow down"}})",
       "done"},
      {"nothing rejected", 2, 200, R"({"partialSuccess":{"rejectedLogRecords":"0"}})", "done"},
      {"empty", 2, 200, "", "done"},
      {"partial success is not sent again", 2, 200,
       R"({"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}})", "done dead 0,1"},
      {"a count as a number", 1, 200, R"({"partialSuccess":{"rejectedLogRecords":1}})",
       "done dead 0"},
      {"a login page", 2, 200, "<html>", "again"},
      {"too many", 2, 429, "", "again"},
      {"bad gateway", 2, 502, "", "again"},
      {"busy", 2, 503, "", "again"},
      {"gateway timeout", 2, 504, "", "again"},
      {"an error passes", 2, 500, "", "again"},
      {"too slow", 2, 408, "", "again"},
      {"too early", 2, 425, "", "again"},
      {"bad", 2, 400, "", "halve"},
      {"too large", 2, 413, "", "halve"},
      {"no credential", 2, 401, "", "stop"},
      {"no such path", 2, 404, "", "stop"},
      {"moved", 2, 301, "", "stop"},
  };
  for (const JudgeCase& test : cases) {
    const Verdict verdict = judge_otlp({test.status, {}, test.body}, "rejectedLogRecords",
                                       batch_for_test(test.batch), std::chrono::seconds(7));
    EXPECT_EQ(short_of(verdict), test.verdict) << test.why;
  }
}

Task<void> call(net::Loop& loop, Sink& sink, std::shared_ptr<const Batch> batch, int times,
                std::vector<std::string>& verdicts) {
  for (int i = 0; i < times; ++i) {
    const Verdict verdict = co_await sink.deliver(loop, batch);
    verdicts.push_back(short_of(verdict));
  }
}

TEST(Otlp, LogsThatWereTakenAreNotRepeatedForTheSpans) {
  std::vector<std::string> asked(5);
  const auto says = [&asked](std::size_t index, const char* answer) {
    return [&asked, index, answer](net::RawPeer::Link& link) {
      asked[index] = link.read_request();
      link.send(answer);
    };
  };
  const char* const good = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
  const char* const busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
  House house;
  const std::vector<const MetricSource*> sources = {&house};
  {
    net::RawPeer peer({says(0, good), says(1, busy), says(2, good), says(3, good)});
    net::Loop loop;
    net::Resolver resolver;
    const SystemClock clock;
    SinkConfig config =
        entry_for_test("otlp", "http://127.0.0.1:" + std::to_string(peer.port()), "Bearer x");
    config.options["compression"] = "none";
    ASSERT_TRUE(check_sink(config)) << check_sink(config).error().what;
    const auto sink = make_otlp(config, {resolver, clock, "gw1", "gw1", "1", &sources});
    ASSERT_TRUE(sink);
    std::vector<std::string> verdicts;
    auto batch = std::make_shared<Batch>();
    batch->push_back(call_for_test(1));
    net::run_on(loop, call(loop, **sink, batch, 2, verdicts));
    EXPECT_EQ(verdicts, (std::vector<std::string>{"again", "done"}));
    EXPECT_EQ(peer.accepted(), 4u);
  }
  const char* const paths[] = {"POST /v1/logs ", "POST /v1/traces ", "POST /v1/traces ",
                               "POST /v1/metrics "};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(asked[i].starts_with(paths[i])) << asked[i];
  EXPECT_NE(asked[0].find("authorization: Bearer x\r\n"), std::string::npos);
  EXPECT_NE(asked[3].find("sallyport_requests"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::notify
