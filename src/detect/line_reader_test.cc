// SPDX-License-Identifier: Apache-2.0
// The fast reader and parse_event() read the same: each line through both.
#include "detect/line_reader.h"

#include <gtest/gtest.h>

namespace sallyport::detect {
namespace {

const char* const kLines[] = {
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","api_key_id":"a","endpoint":"POST /v1/x","model":"m","latency_ms":12,"tokens_input":3,"tokens_output":4,"ip":"192.0.2.1","geo":"DE","status":200,"error":null,"metadata":{"module":"billing","purpose":"support"}})",
    R"({"timestamp_utc":"2026-11-24T22:30:00Z","api_key_id":null,"ip":"192.0.2.1","status":401,"error":"invalid_api_key"})",
    R"( { "timestamp_utc" : "2026-11-24T22:30:00+02:00" , "api_key_id":"a\"b","ip":"::1" } )",
    R"({"timestamp_utc":"2026-11-24T22:30:00.5Z","latency_ms":12.5,"asn":64500,"network":"Net, \"the\" one"})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","kind":"intent","request_id":"r","estimated_input_tokens":77,"kid":"k","unknown":{"deep":["x",{"y":"}"}]}})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","kind":"admin","actor":"mai","action":"key.create","detail":{"before":null,"after":{"a":"\n"}}})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","api_key_id":"a","injection":{"score":0.9,"verdict":"block","categories":["x"],"role":"user"},"cost_usd":0.00042,"output":{"flags":["f"]}})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","api_key_id":"a","cost_usd":1.5e-3,"repeated":980})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","metadata":{}})",
};
const char* const kBroken[] = {
    "",
    "{",
    "[]",
    "{}",
    "null",
    R"({"timestamp_utc":"yesterday"})",
    R"({"timestamp_utc":1})",
    R"({"timestamp_utc":"2026-11-24T25:30:00Z"})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","status":"200"})",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z"} trailing)",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","ip":"192.0.2.1")",
    R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","ip":"192.0.2.1)",
};

// What detectors read of a record.
std::string seen(const Event& e) {
  std::string out = format_utc(e.timestamp_utc);
  for (const auto& text : {e.api_key_id, e.model, e.geo, e.error, e.kid, e.network, e.claimed_kid,
                           e.actor, e.action, e.detail}) {
    out += "|" + text.value_or("-");
  }
  for (const auto& number : {e.latency_ms, e.tokens_input, e.tokens_output, e.asn, e.repeated,
                             e.estimated_input_tokens}) {
    out += "|" + (number ? std::to_string(*number) : "-");
  }
  out += "|" + (e.status ? std::to_string(*e.status) : "-") + "|" + e.ip + "|" + e.endpoint + "|" +
         e.module + "|" + e.purpose + "|" + e.request_id + "|" + std::string(name(e.kind));
  out += "|" + (e.cost_usd ? usd_text(*e.cost_usd) : "-");
  out += e.injection ? "|" + e.injection->verdict : "|-";
  out += "|" + std::to_string(e.output_flags.size());
  return out;
}

TEST(LineReader, ReadsWhatTheParserReads) {
  LineReader reader;
  Event event;
  for (int round = 0; round < 2; ++round) {  // the second time after each of the others
    for (const char* line : kLines) {
      const auto parsed = parse_event(line);
      ASSERT_TRUE(parsed) << line;
      ASSERT_TRUE(reader.read(line, event)) << line;
      EXPECT_EQ(seen(*parsed), seen(event)) << line;
    }
  }
}

TEST(LineReader, RefusesWhatTheParserRefuses) {
  LineReader reader;
  Event event;
  for (const char* line : kBroken) {
    EXPECT_FALSE(parse_event(line)) << line;
    EXPECT_FALSE(reader.read(line, event)) << line;
  }
  EXPECT_FALSE(reader.read(std::string(70'000, ' '), event));
}

TEST(LineReader, NothingStaysFromTheLineBefore) {
  LineReader reader;
  Event event;
  for (const char* line : kLines) {
    ASSERT_TRUE(reader.read(line, event));
    ASSERT_TRUE(reader.read(R"({"timestamp_utc":"2026-11-24T22:30:00Z"})", event));
    Event empty;
    empty.timestamp_utc = event.timestamp_utc;
    EXPECT_EQ(seen(empty), seen(event)) << line;
  }
}

}  // namespace
}  // namespace sallyport::detect
