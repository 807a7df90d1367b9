// SPDX-License-Identifier: Apache-2.0
#include "config/manual.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json_reader.h"
#include "config/field_value.h"
#include "config/fields.h"
#include "config/suggestion.h"
#include "config/values.h"

namespace sallyport::config {
namespace {

TEST(Manual, ThePageIsFresh) {
  const std::string path = std::string(SALLYPORT_SOURCE_DIR) + "/docs/configuration.md";
  if (std::getenv("SALLYPORT_GOLDEN_WRITE")) std::ofstream(path) << manual();
  std::ifstream in(path);
  std::stringstream page;
  page << in.rdbuf();
  EXPECT_EQ(page.str(), manual()) << "write it anew with SALLYPORT_GOLDEN_WRITE=1 config_test";
}

TEST(Fields, EachHasASentenceAndItsDefaultIsWithinItsLimits) {
  std::set<std::string_view> seen;
  Config config;
  http::ListenerConfig listener;
  upstream::UpstreamConfig upstream;
  keys::IdentityMapping identity;
  keys::DeliveryConfig delivery;
  notify::SinkConfig sink;
  audit::WitnessConfig witness;
  const Place place{.config = &config,
                    .listener = &listener,
                    .upstream = &upstream,
                    .identity = &identity,
                    .delivery = &delivery,
                    .sink = &sink,
                    .witness = &witness};
  for (const Field& field : fields()) {
    EXPECT_TRUE(seen.insert(field.path).second) << field.path << " stands twice";
    EXPECT_TRUE(field.meaning.ends_with('.')) << field.path;
    const bool scalar = field.type != Type::kSecret && field.type != Type::kTexts &&
                        field.type != Type::kPatterns && field.type != Type::kNetworks &&
                        field.type != Type::kTextMap;
    YamlNode value;
    value.kind = YamlNode::Kind::kScalar;
    value.text = show(field, place);
    if (!scalar || value.text.empty()) continue;
    std::string note;
    const auto set = set_field(field, value, Surroundings{}, place, note);
    EXPECT_TRUE(set) << field.path << " refuses its own default " << value.text;
    EXPECT_EQ(show(field, place), value.text) << field.path;
  }
}

TEST(Schema, NamesEverySectionAndRefusesOthers) {
  const auto schema = JsonValue::parse(json_schema());
  ASSERT_TRUE(schema);
  const auto properties = schema->at("properties");
  ASSERT_TRUE(properties);
  for (const char* section :
       {"version", "http", "keys", "policy", "meter", "upstream", "audit", "store", "admin"}) {
    EXPECT_TRUE(properties->at(section)) << section;
  }
  EXPECT_EQ(schema->at("additionalProperties")->boolean(), false);
  const auto head = properties->at("http")->at("properties")->at("head_bytes_max");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->at("default")->string(), "64KiB");
  const auto items = properties->at("upstream")->at("items");
  ASSERT_TRUE(items);
  EXPECT_EQ(items->at("properties")->at("auth")->at("enum")->items().size(), 2u);
}

TEST(Explain, AFieldASectionAndATypingError) {
  const auto field = explain("keys.life");
  ASSERT_TRUE(field);
  EXPECT_EQ(*field,
            "keys.life\n  Life of a new key that names none.\n"
            "  takes    a duration with its unit (ms s m h d), 1s to 30d\n"
            "  default  8h\n  reload   live\n");
  EXPECT_TRUE(explain("upstream.api_key")) << "list marks may be left out";
  EXPECT_TRUE(explain("upstream[0].api_key"));
  ASSERT_TRUE(explain("http.timeouts"));
  EXPECT_NE(explain("http.timeouts")->find("http.timeouts.drain"), std::string::npos);
  EXPECT_EQ(explain("keys.lief").error().what,
            "there is no field keys.lief; did you mean keys.life?");
  EXPECT_EQ(explain("guard.injection").error().what,
            "guard.injection is not available in this version: prompts and answers are not checked "
            "for attacks");
}

TEST(Values, Sizes) {
  const std::pair<const char*, std::optional<std::int64_t>> kCases[] = {
      {"0", 0},          {"4096", 4096},       {"64KiB", 65536}, {"32MiB", 32ll << 20},
      {"1GiB", 1 << 30}, {"10B", 10},          {"64KB", {}},     {"64 KiB", {}},
      {"-1", {}},        {"1.5MiB", {}},       {"KiB", {}},      {"", {}},
      {"0x10", {}},      {"9999999999GiB", {}}};
  for (const auto& [text, bytes] : kCases) EXPECT_EQ(parse_size(text), bytes) << text;
}

TEST(Values, Addresses) {
  for (const char* good : {"127.0.0.1:8080", "0.0.0.0:0", "[::1]:65535", "localhost:80"}) {
    EXPECT_TRUE(parse_host_port(good)) << good;
  }
  for (const char* bad : {"127.0.0.1", ":80", "::1:80", "[127.0.0.1]:80", "127.0.0.1:65536",
                          "127.0.0.1:", "example.com:80", "127.0.0.1:8 0", "127.0.0.1:000080"}) {
    EXPECT_FALSE(parse_host_port(bad)) << bad;
  }
}

TEST(Values, Urls) {
  for (const char* good : {"https://api.openai.com/v1", "http://[::1]:8080", "http://h:1/"}) {
    EXPECT_TRUE(parse_url(good)) << good;
  }
  for (const char* bad :
       {"api.openai.com", "https://", "https://u@h/", "https://h/?q", "https://h/#f", "https://h:0",
        "https://h:x", "https://h/ b", "file:///etc/passwd", "https://[::1", "https://h\\x"}) {
    EXPECT_FALSE(parse_url(bad)) << bad;
  }
}

TEST(Suggestion, TypingErrorsAreNearOthersAreNot) {
  const std::vector<std::string> known = {"head", "body", "idle", "drain"};
  EXPECT_EQ(nearest("haed", known), "head");
  EXPECT_EQ(nearest("drian", known), "drain");
  EXPECT_EQ(nearest("timeout", known), std::nullopt);
}

}  // namespace
}  // namespace sallyport::config
