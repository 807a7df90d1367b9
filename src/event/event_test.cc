// SPDX-License-Identifier: Apache-2.0
#include "event/event.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "base/json_reader.h"

namespace sallyport {
namespace {

UtcTime at(std::string_view text) { return *parse_utc(text); }

std::string line_of(const Event& event) {
  std::string line;
  append_event(line, event);
  return line;
}

TEST(EventTest, AnEmptyEventHasTheMissionsFieldsInTheirOrder) {
  Event event;
  event.timestamp_utc = at("2026-11-24T22:30:00.123Z");
  EXPECT_EQ(line_of(event),
            R"({"timestamp_utc":"2026-11-24T22:30:00.123Z","api_key_id":null,"endpoint":null,)"
            R"("model":null,"latency_ms":null,"tokens_input":null,"tokens_output":null,"ip":null,)"
            R"("geo":null,"status":null,"error":null,)"
            R"("metadata":{"module":"unlisted","purpose":"unlisted"},)"
            R"("kind":"request","request_id":null,"seq":0})");
}

Event full_event() {
  Event event;
  event.timestamp_utc = at("2026-11-24T22:30:00.123Z");
  event.api_key_id = "user_42_readonly";
  event.endpoint = "POST /v1/chat/completions";
  event.model = "gpt-4o-mini";
  event.latency_ms = 812;
  event.tokens_input = 1200;
  event.tokens_output = 0;
  event.ip = "203.0.113.7";
  event.geo = "VN";
  event.status = 200;
  event.error = "rate_limited";
  event.module = "billing";
  event.purpose = "support";
  event.seq = 18219377;
  event.request_id = "req_0123456789abcdefghijklmn";
  event.kid = "abcdefghijkl";
  event.claimed_kid = "ABCDEFGHIJKL";
  event.provider_key_id = "openai-main";
  event.upstream = "openai";
  event.asn = 64500;
  event.network = "Example Net";
  event.tokens_cached = 1024;
  event.tokens_estimated = false;
  event.layer = "acme/support";
  event.tid = "tid_1";
  event.estimated_input_tokens = 12;
  event.input_count = "provider";
  event.reserved_tokens = 8204;
  event.reserved_usd = NanoUsd{20'000'000};
  event.charged_tokens = 76;
  event.charged_usd = NanoUsd{420'000};
  event.cost_usd = NanoUsd{420'000};
  event.price_estimated = true;
  event.provider_usage_usd = NanoUsd{12'500'000'000};
  event.provider_usage_age_s = 61;
  event.stream = true;
  event.upstream_status = 429;
  event.upstream_request_id = "req_up";
  event.asked_again = "credential_replaced";
  event.ttft_ms = 0;
  event.request_bytes = 4096;
  event.response_bytes = 9000;
  event.pii = {{"email", 2}, {"phone", 1}};
  event.injection = Injection{0.75, "alert", {"override", "exfiltration"}, "user"};
  event.finding = std::make_shared<const Finding>(Finding{
      "token_spike", Severity::kHigh, 7.5, "14 times its usual", {"atlas:AML.T0034"}, "inc-7"});
  event.output_flags = {"link_to_unknown_host"};
  event.action = "key_revoke";
  event.actor = "admin:mai";
  event.detail = R"({"before":{"kind":"x"},"after":null})";
  event.repeated = 980;
  event.time_raised_ms = 3;
  return event;
}

TEST(EventTest, EveryFieldReadsBackAsItWasWritten) {
  const std::string line = line_of(full_event());
  const Result<Event> read = parse_event(line);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(line_of(*read), line);
  EXPECT_EQ(read->detail, full_event().detail);
  EXPECT_EQ(read->seq, 18219377u);
  EXPECT_EQ(read->tokens_output, 0) << "zero is not absent";
}

TEST(EventTest, EveryKindReadsBack) {
  for (const Kind kind :
       {Kind::kRequest, Kind::kIntent, Kind::kProgress, Kind::kAdmin, Kind::kAction, Kind::kBreaker,
        Kind::kProvider, Kind::kFinding, Kind::kIncident}) {
    EXPECT_EQ(parse_kind(name(kind)), kind) << name(kind);
  }
  EXPECT_FALSE(parse_kind("Request"));
  EXPECT_FALSE(parse_kind(""));
}

struct ReadCase {
  const char* why;
  const char* line;
  bool good;
};
const ReadCase kReadCases[] = {
    {"only the mission's fields are enough",
     R"({"timestamp_utc":"2026-11-24T22:30:00Z","api_key_id":"a","endpoint":"POST /v1/x","model":"m",)"
     R"("latency_ms":1,"tokens_input":1,"tokens_output":1,"ip":"1.2.3.4","geo":"VN","status":200,)"
     R"("error":null,"metadata":{"module":"m","purpose":"p"}})",
     true},
    {"order does not matter", R"({"status":401,"timestamp_utc":"2026-11-24T22:30:00Z"})", true},
    {"unknown fields are ignored", R"({"timestamp_utc":"2026-11-24T22:30:00Z","x":[{}]})", true},
    {"a fraction of a millisecond is rounded",
     R"({"timestamp_utc":"2026-11-24T22:30:00Z","latency_ms":12.5})", true},
    {"the journal's own fields are ignored",
     R"({"timestamp_utc":"2026-11-24T22:30:00Z","synced":1,"seq":2,"crc":"00000000"})", true},
    {"null metadata", R"({"timestamp_utc":"2026-11-24T22:30:00Z","metadata":null})", true},
    {"no time", R"({"status":200})", false},
    {"time is no number", R"({"timestamp_utc":1764023400})", false},
    {"status is no text", R"({"timestamp_utc":"2026-11-24T22:30:00Z","status":"200"})", false},
    {"key is no number", R"({"timestamp_utc":"2026-11-24T22:30:00Z","api_key_id":7})", false},
    {"stream is no number", R"({"timestamp_utc":"2026-11-24T22:30:00Z","stream":1})", false},
    {"metadata is an object", R"({"timestamp_utc":"2026-11-24T22:30:00Z","metadata":"m"})", false},
    {"pii counts", R"({"timestamp_utc":"2026-11-24T22:30:00Z","pii":{"email":"two"}})", false},
    {"an unknown kind", R"({"timestamp_utc":"2026-11-24T22:30:00Z","kind":"gossip"})", false},
    {"a finding", R"({"timestamp_utc":"2026-11-24T22:30:00Z","finding":{"severity":"low"}})", true},
    {"a severity that there is not",
     R"({"timestamp_utc":"2026-11-24T22:30:00Z","finding":{"severity":"dire"}})", false},
    {"tags are texts", R"({"timestamp_utc":"2026-11-24T22:30:00Z","finding":{"tags":[1]}})", false},
    {"seq is not below zero", R"({"timestamp_utc":"2026-11-24T22:30:00Z","seq":-1})", false},
    {"the same field twice",
     R"({"timestamp_utc":"2026-11-24T22:30:00Z","status":200,"status":401})", false},
    {"not an object", R"(["timestamp_utc"])", false},
    {"half a line", R"({"timestamp_utc":"2026-11-24T22:3)", false},
    {"nothing", "", false},
};

TEST(EventTest, ReadsWhatOthersWroteAndRefusesWrongTypes) {
  for (const ReadCase& c : kReadCases) {
    EXPECT_EQ(parse_event(c.line).has_value(), c.good) << c.why;
  }
}

TEST(EventTest, NothingInAFieldEndsTheLineOrStartsAnother) {
  const std::string nasty = "a\n{\"status\":200}\r\x01\"\\\xE2\x80\xA8\xFF,\"kind\":\"admin\"";
  Event event = full_event();
  event.endpoint = event.ip = event.module = event.request_id = nasty;
  event.model = event.action = nasty;
  event.pii = {{nasty, 1}};
  event.output_flags = {nasty};
  event.detail = "{ \"a\" : \"x\xE2\x80\xA8y \\\" z\" ,\n \"b\":\t[ 1, 2 ] }";
  const std::string line = line_of(event);
  for (const char c : line) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  EXPECT_FALSE(line.contains("\xE2\x80\xA8"));
  const Result<Event> read = parse_event(line);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->kind, Kind::kRequest);
  EXPECT_EQ(*read->detail, R"({"a":"x\u2028y \" z","b":[1,2]})");
}

TEST(EventTest, DetailThatIsNoJsonObjectIsNotWritten) {
  Event event;
  for (const char* detail : {"{", "7", "{\"a\":1}{\"b\":2}", "", "{\"a\":1,\"a\":2}"}) {
    event.detail = detail;
    const Result<Event> read = parse_event(line_of(event));
    ASSERT_TRUE(read) << detail;
    EXPECT_EQ(*read->detail, R"({"unreadable":true})") << detail;
  }
}

TEST(EventTest, LongFieldsAreCutWithAMarkBetweenCharacters) {
  Event event;
  event.endpoint = std::string(300, 'a');
  for (std::size_t lead = 0; lead < 4; ++lead) {
    event.model = std::string(lead, 'x');
    for (int i = 0; i < 100; ++i) *event.model += "\xF0\x9F\x98\x80";
    const Result<Event> read = parse_event(line_of(event));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->endpoint, std::string(253, 'a') + "\xE2\x80\xA6");
    EXPECT_LE(read->model->size(), 256u);
    EXPECT_TRUE(read->model->ends_with("\x80\xE2\x80\xA6"));
    EXPECT_EQ(read->trunc, true);
  }
  event.endpoint = std::string(256, 'a');
  event.model.reset();
  EXPECT_FALSE(parse_event(line_of(event))->trunc) << "256 bytes fit";
}

TEST(EventTest, NoEventMakesALineThatIsTooLong) {
  const std::string worst(70'000, '\x01');  // each byte becomes six
  Event event = full_event();
  for (auto* text :
       {&event.endpoint, &event.ip, &event.module, &event.purpose, &event.request_id}) {
    *text = worst;
  }
  for (auto* text : {&event.api_key_id, &event.model, &event.geo, &event.error, &event.kid,
                     &event.claimed_kid, &event.provider_key_id, &event.upstream, &event.network,
                     &event.upstream_request_id, &event.action, &event.actor}) {
    *text = worst;
  }
  event.pii.clear();
  for (int i = 0; i < 500; ++i) {
    event.pii[worst.substr(0, 60) + std::to_string(i)] = i;
    event.output_flags.push_back(worst);
    event.injection->categories.push_back(worst);
  }
  event.detail = "{\"a\":\"" + std::string(32'000, 'b') + "\"}";
  std::string line;
  append_event_open(line, event);
  EXPECT_LE(line.size() + 96, kEventLineBytesMax);
  const Result<Event> read = parse_event(line + "}");
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->trunc, true);
}

TEST(EventTest, RandomEventsReadBack) {
  std::mt19937_64 random(7);
  const auto text = [&] {
    std::string out;
    for (std::size_t n = random() % 40; n > 0; --n) out += static_cast<char>(random() % 0x80);
    return out;
  };
  for (int i = 0; i < 2'000; ++i) {
    Event event;
    event.timestamp_utc = UtcTime(std::chrono::milliseconds(random() % 4'000'000'000'000));
    event.endpoint = text();
    if (random() % 2) event.api_key_id = text();
    if (random() % 2) event.latency_ms = static_cast<std::int64_t>(random() % 1'000'000);
    if (random() % 2)
      event.cost_usd = NanoUsd{static_cast<std::int64_t>(random() % 1'000'000'000'000)};
    if (random() % 2) event.stream = random() % 2 == 0;
    if (random() % 2) event.pii[text()] = static_cast<std::int64_t>(random() % 10);
    if (random() % 2) event.output_flags.push_back(text());
    if (random() % 2) event.injection = Injection{0.5, text(), {text()}, text()};
    event.kind = static_cast<Kind>(random() % 9);
    event.seq = random() % 1'000'000'000;
    const std::string line = line_of(event);
    const Result<Event> read = parse_event(line);
    ASSERT_TRUE(read) << line;
    EXPECT_EQ(line_of(*read), line);
  }
}

// docs/events.md is for people; this keeps it true.
TEST(EventTest, TheDocumentListsEveryFieldInOrderWithItsType) {
  std::ifstream file(SALLYPORT_SOURCE_DIR "/docs/events.md");
  ASSERT_TRUE(file.good());
  std::vector<std::string> documented;
  std::string line;
  while (std::getline(file, line)) {
    if (line == "## Kinds") break;
    if (!line.starts_with("| `")) continue;
    std::stringstream cells(line);
    std::string empty, field, type, presence;
    std::getline(cells, empty, '|');
    std::getline(cells, field, '|');
    std::getline(cells, type, '|');
    std::getline(cells, presence, '|');
    documented.push_back(field + "|" + type + "|" + presence);
  }
  std::vector<std::string> expected;
  for (const EventField& field : event_fields()) {
    expected.push_back(" `" + std::string(field.name) + "` | " + std::string(field.type) + " | " +
                       (field.always ? "always" : "if known") + " ");
    if (field.name == "trunc") expected.push_back(" `synced` | integer | journal ");
    if (field.name == "seq") expected.back() = " `seq` | integer | journal ";
  }
  expected.push_back(" `crc` | string | journal ");
  EXPECT_EQ(documented, expected);
}

}  // namespace
}  // namespace sallyport
