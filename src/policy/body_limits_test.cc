// SPDX-License-Identifier: Apache-2.0
#include "policy/body_limits.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::policy {
namespace {

struct Case {
  const char* why;
  const char* layer;  // restrictions of the layer above the key
  const char* target;
  const char* body;
  const char* code;  // "": passes
};

const Case kCases[] = {
    {"no limit", "{}", "POST /v1/responses", R"({"tools":[{"type":"mcp"}]})", ""},

    {"a listed tool", R"({"tools":["web_search"]})", "POST /v1/responses",
     R"({"tools":[{"type":"web_search"},{"type":"function"}]})", ""},
    {"another one", R"({"tools":["web_search"]})", "POST /v1/responses",
     R"({"tools":[{"type":"web_search"},{"type":"mcp"}]})", "tool_not_allowed"},
    {"none at all", R"({"tools":[]})", "POST /v1/responses",
     R"({"tools":[{"type":"file_search"}]})", "tool_not_allowed"},
    {"functions are the caller's own", R"({"tools":[]})", "POST /v1/chat/completions",
     R"({"tools":[{"type":"function"},{"type":"custom"}]})", ""},
    {"a tool without type", R"({"tools":[]})", "POST /v1/responses", R"({"tools":[{}]})",
     "tool_not_allowed"},
    {"tools that are no list", R"({"tools":[]})", "POST /v1/responses",
     R"({"tools":{"type":"mcp"}})", "tool_not_allowed"},
    {"an escaped name is the same name", R"({"tools":[]})", "POST /v1/responses",
     R"({"t\u006fols":[{"type":"mcp"}]})", "tool_not_allowed"},
    {"search of chat", R"({"tools":[]})", "POST /v1/chat/completions",
     R"({"web_search_options":{}})", "tool_not_allowed"},
    {"search of chat, allowed", R"({"tools":["web_search"]})", "POST /v1/chat/completions",
     R"({"web_search_options":{}})", ""},
    {"a stored prompt brings tools", R"({"tools":[]})", "POST /v1/responses",
     R"({"prompt":{"id":"p"}})", "tools_not_visible"},
    {"an assistant brings tools", R"({"tools":[]})", "POST /v1/threads/t/runs", R"({})",
     "tools_not_visible"},
    {"unless the run names them", R"({"tools":[]})", "POST /v1/threads/t/runs", R"({"tools":[]})",
     ""},
    {"a batch hides them", R"({"tools":[]})", "POST /v1/batches", R"({})", "tools_not_visible"},

    {"no stream", R"({"stream":false})", "POST /v1/responses", R"({"stream":true})",
     "stream_not_allowed"},
    {"no stream asked", R"({"stream":false})", "POST /v1/responses", R"({"stream":false})", ""},
    {"speech streams by its format", R"({"stream":false})", "POST /v1/audio/speech",
     R"({"stream_format":"sse"})", "stream_not_allowed"},
    {"a stored response streams by its query", R"({"stream":false})",
     "GET /v1/responses/r?x=1&stream=true", "", "stream_not_allowed"},
    {"only streams", R"({"stream":true})", "POST /v1/responses", R"({})", "stream_required"},
    {"only streams, and one it is", R"({"stream":true})", "POST /v1/responses",
     R"({"stream":true})", ""},
    {"what cannot stream need not", R"({"stream":true})", "POST /v1/embeddings", R"({})", ""},
};

Exchange exchange(const Case& c) {
  Exchange x;
  std::string_view target = c.target;
  x.method = target.substr(0, target.find(' '));
  target.remove_prefix(x.method.size() + 1);
  const std::size_t mark = std::min(target.find('?'), target.size());
  x.path = target.substr(0, mark);
  x.query = target.substr(std::min(mark + 1, target.size()));
  x.body.bytes = c.body;
  if (!x.body.bytes.empty()) x.body.kind = BodyKind::kJson;
  x.stream = x.body.bytes.contains(R"("stream":true)");
  auto outer = std::make_shared<Layer>();
  outer->restrictions = parse_restrictions(c.layer).value();
  auto key = std::make_shared<Layer>();
  key->parent = outer;
  Principal caller;
  caller.layer = key;
  x.principal = std::make_shared<const Principal>(std::move(caller));
  return x;
}

TEST(BodyLimits, DecideOnTheBody) {
  for (const Case& c : kCases) {
    Exchange x = exchange(c);
    const std::optional<Refusal> refusal = BodyLimits().decide(x);
    EXPECT_STREQ(refusal ? refusal->code : "", c.code) << c.why;
    if (!refusal) continue;
    EXPECT_EQ(refusal->status, 403) << c.why;
    EXPECT_STREQ(x.denied_because, c.code) << c.why;
  }
}

TEST(BodyLimits, TheLengthOfTheAnswerIsNotDecidedHere) {
  const Case kLength{"", R"({"output_tokens_max":100})", "POST /v1/responses", "{}", ""};
  Exchange x = exchange(kLength);
  EXPECT_FALSE(BodyLimits().decide(x));
}

TEST(BodyLimits, WithoutAPrincipalItIsClosed) {
  Exchange x;
  EXPECT_EQ(BodyLimits().decide(x)->status, 403);
}

}  // namespace
}  // namespace sallyport::policy
