// SPDX-License-Identifier: Apache-2.0
#include "event/scope_pattern.h"

#include <gtest/gtest.h>

#include <vector>

namespace sallyport {
namespace {

struct EndpointCase {
  const char* why;
  const char* pattern;
  const char* method;
  const char* path;
  bool matches;
};

const EndpointCase kEndpoints[] = {
    {"the same", "POST /v1/responses", "POST", "/v1/responses", true},
    {"another method", "POST /v1/responses", "GET", "/v1/responses", false},
    {"case counts", "POST /v1/responses", "POST", "/v1/Responses", false},
    {"no prefix without a star", "POST /v1/responses", "POST", "/v1/responses/compact", false},
    {"a star at the end is any rest", "GET /v1/models/*", "GET", "/v1/models/gpt-5.5", true},
    {"also over segments", "GET /v1/models/*", "GET", "/v1/models/a/b", true},
    {"the slash before it counts", "GET /v1/models/*", "GET", "/v1/models", false},
    {"a star glued to a word", "GET /v1/models*", "GET", "/v1/models", true},
    {"a star as a segment is one segment", "GET /v1/files/*/content", "GET", "/v1/files/f1/content",
     true},
    {"not two", "GET /v1/files/*/content", "GET", "/v1/files/f1/x/content", false},
    {"not none", "GET /v1/files/*/content", "GET", "/v1/files//content", false},
    {"any method", "* /v1/*", "PATCH", "/v1/x", true},
    {"a star inside a word is no pattern", "GET /v1/f*s/x", "GET", "/v1/files/x", false},
    {"no method, no match", "/v1/models", "GET", "/v1/models", false},
    {"a method in lower case is no pattern", "get /v1/models", "get", "/v1/models", false},
    {"a percent sign never matches", "GET /v1/%2e*", "GET", "/v1/%2e", false},
    {"nothing matches nothing", "", "GET", "/v1/models", false},
};

TEST(ScopePattern, Endpoints) {
  for (const EndpointCase& c : kEndpoints) {
    EXPECT_EQ(endpoint_matches(c.pattern, c.method, c.path), c.matches) << c.why;
  }
}

TEST(ScopePattern, Models) {
  EXPECT_TRUE(model_matches("gpt-5.5", "gpt-5.5"));
  EXPECT_FALSE(model_matches("gpt-5.5", "gpt-5.5-mini"));
  EXPECT_TRUE(model_matches("gpt-5*", "gpt-5.5-mini"));
  EXPECT_FALSE(model_matches("gpt-5*", "xgpt-5"));
  EXPECT_TRUE(model_matches("*", "anything"));
  EXPECT_FALSE(model_matches("g*t", "gpt")) << "a star is only allowed at the end";
  EXPECT_FALSE(model_matches("", "")) << "an empty pattern is damage, not a wildcard";
}

TEST(ScopePattern, AnEmptyListAllowsAllAndADamagedOneNothing) {
  const std::vector<std::string> none;
  const std::vector<std::string> damaged{"", "POST", "g*t"};
  EXPECT_TRUE(any_endpoint_matches(none, "GET", "/v1/models"));
  EXPECT_TRUE(any_model_matches(none, "gpt-5.5"));
  EXPECT_FALSE(any_endpoint_matches(damaged, "POST", "/v1/models"));
  EXPECT_FALSE(any_model_matches(damaged, "gpt-5.5"));
}

}  // namespace
}  // namespace sallyport
