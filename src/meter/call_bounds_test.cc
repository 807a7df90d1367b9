// SPDX-License-Identifier: Apache-2.0
#include "meter/call_bounds.h"

#include <gtest/gtest.h>

#include "base/json_reader.h"

namespace sallyport::meter {
namespace {

using enum CallKind;

struct Case {
  const char* why;
  const char* method;
  const char* path;
  const char* body;  // null: none
  CallKind kind;
  std::optional<std::int64_t> named = {};
  std::int64_t choices = 1;
  const char* wrong = nullptr;
};

const Case kCases[] = {
    {"a list is free", "GET", "/v1/models", nullptr, kFree},
    {"a deletion is free", "DELETE", "/v1/files/file-1", nullptr, kFree},
    {"an upload is free", "POST", "/v1/files", nullptr, kFree},
    {"counting at the provider is free", "POST", "/v1/responses/input_tokens", "{}", kFree},
    {"to cancel is free", "POST", "/v1/batches/batch_1/cancel", "{}", kFree},
    {"a chat", "POST", "/v1/chat/completions", R"({"messages":[]})", kBounded},
    {"with a maximum", "POST", "/v1/chat/completions", R"({"max_completion_tokens":7})", kBounded,
     7},
    {"in its old spelling", "POST", "/v1/chat/completions", R"({"max_tokens":7})", kBounded, 7},
    {"of two the larger", "POST", "/v1/chat/completions",
     R"({"max_tokens":9,"max_completion_tokens":7})", kBounded, 9},
    {"an escaped name is the same name", "POST", "/v1/chat/completions", R"({"max_\u0074okens":9})",
     kBounded, 9},
    {"choices", "POST", "/v1/chat/completions", R"({"n":5})", kBounded, {}, 5},
    {"a maximum with a point",
     "POST",
     "/v1/chat/completions",
     R"({"max_tokens":7.0})",
     kBounded,
     {},
     1,
     "max_tokens"},
    {"a maximum with an exponent",
     "POST",
     "/v1/chat/completions",
     R"({"max_tokens":1e9})",
     kBounded,
     {},
     1,
     "max_tokens"},
    {"a negative maximum",
     "POST",
     "/v1/chat/completions",
     R"({"max_tokens":-1})",
     kBounded,
     {},
     1,
     "max_tokens"},
    {"a maximum beyond 64 bits",
     "POST",
     "/v1/chat/completions",
     R"({"max_tokens":99999999999999999999})",
     kBounded,
     {},
     1,
     "max_tokens"},
    {"a maximum as text",
     "POST",
     "/v1/chat/completions",
     R"({"max_tokens":"7"})",
     kBounded,
     {},
     1,
     "max_tokens"},
    {"no choice at all", "POST", "/v1/chat/completions", R"({"n":0})", kBounded, {}, 1, "n"},
    {"too many choices", "POST", "/v1/chat/completions", R"({"n":1000000})", kBounded, {}, 1, "n"},
    {"null is not named", "POST", "/v1/chat/completions", R"({"n":null,"max_tokens":null})",
     kBounded},
    {"the provider searches", "POST", "/v1/chat/completions", R"({"web_search_options":{}})",
     kUnbounded},
    {"own tools are bounded", "POST", "/v1/chat/completions",
     R"({"tools":[{"type":"function","function":{"name":"f"}}]})", kBounded},
    {"a response", "POST", "/v1/responses", R"({"input":"a","max_output_tokens":7})", kBounded, 7},
    {"chat's spelling is not known here", "POST", "/v1/responses", R"({"max_tokens":7})", kBounded},
    {"in the background", "POST", "/v1/responses", R"({"background":true})", kUnbounded},
    {"not in the background", "POST", "/v1/responses", R"({"background":false})", kBounded},
    {"hosted tools", "POST", "/v1/responses", R"({"tools":[{"type":"web_search"}]})", kUnbounded},
    {"one hosted among ours", "POST", "/v1/responses",
     R"({"tools":[{"type":"function"},{"type":"mcp","server_url":"https://x"}]})", kUnbounded},
    {"a tool without a type", "POST", "/v1/responses", R"({"tools":[{}]})", kUnbounded},
    {"compacting says as much as it likes", "POST", "/v1/responses/compact", "{}", kUnbounded},
    {"the old completions", "POST", "/v1/completions",
     R"({"prompt":["a","b","c"],"max_tokens":7,"best_of":4})", kBounded, 7, 12},
    {"a prompt of numbers is one", "POST", "/v1/completions", R"({"prompt":[1,2,3]})", kBounded},
    {"embeddings", "POST", "/v1/embeddings", R"({"input":"a"})", kBounded},
    {"a stored prompt may bring tools", "POST", "/v1/responses", R"({"prompt":{"id":"p"}})",
     kUnbounded},
    {"no stored prompt", "POST", "/v1/responses", R"({"prompt":null})", kBounded},
    {"a picture",
     "POST",
     "/v1/images/generations",
     R"({"model":"gpt-image-1","n":2,"partial_images":0,"size":"1024x1536","quality":"high"})",
     kBounded,
     {},
     2},
    {"a picture of a model nobody measured", "POST", "/v1/images/generations",
     R"({"model":"gpt-image-2"})", kUnbounded},
    {"of none", "POST", "/v1/images/generations", R"({"prompt":"a"})", kUnbounded},
    {"a size nobody measured", "POST", "/v1/images/generations",
     R"({"model":"gpt-image-1","size":"3840x2160"})", kUnbounded},
    {"a quality nobody measured", "POST", "/v1/images/generations",
     R"({"model":"gpt-image-1","quality":"max"})", kUnbounded},
    {"a picture from pictures", "POST", "/v1/images/edits", nullptr, kUnbounded},
    {"listening", "POST", "/v1/audio/transcriptions", nullptr, kUnbounded},
    {"a batch", "POST", "/v1/batches", R"({"input_file_id":"f"})", kUnbounded},
    {"training", "POST", "/v1/fine_tuning/jobs", R"({"model":"m"})", kUnbounded},
    {"a run of an assistant", "POST", "/v1/threads/runs", "{}", kUnbounded},
    {"a live session", "GET", "/v1/realtime", nullptr, kUnbounded},
    {"a key for one", "POST", "/v1/realtime/client_secrets", "{}", kUnbounded},
    {"what nobody knows", "POST", "/v1/quantum", "{}", kUnbounded},
};

Exchange exchange(const char* method, const char* path, const char* body) {
  Exchange x;
  x.method = method;
  x.path = path;
  if (body != nullptr) {
    x.body.kind = BodyKind::kJson;
    x.body.bytes = body;
    const auto document = JsonValue::parse(body);
    const auto model = document ? document->at("model") : std::nullopt;
    if (model) x.model = std::string(model->string().value_or(""));
  }
  return x;
}

TEST(CallBounds, EachCallIsFreeBoundedOrNot) {
  for (const Case& c : kCases) {
    const Exchange x = exchange(c.method, c.path, c.body);
    const CallBounds bounds = bounds_of(x, byte_counts());
    EXPECT_EQ(static_cast<int>(bounds.kind), static_cast<int>(c.kind)) << c.why;
    EXPECT_EQ(bounds.named_output, c.named) << c.why;
    if (c.wrong == nullptr) EXPECT_EQ(bounds.choices, c.choices) << c.why;
    EXPECT_STREQ(bounds.wrong, c.wrong) << c.why;
  }
}

TEST(CallBounds, TextThatIsNotInTheBodyCountsAsAFullContext) {
  const char* const kBodies[] = {
      R"({"previous_response_id":"resp_1"})",
      R"({"conversation":"conv_1"})",
      R"({"prompt":{"id":"pmpt_1"}})",
      R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]})",
  };
  for (const char* body : kBodies) {
    Exchange x = exchange("POST", "/v1/responses", body);
    EXPECT_GE(bounds_of(x, byte_counts()).input, 1'000'000) << body;
    x.model = "gpt-4o";
    EXPECT_EQ(bounds_of(x, exact_counts()).input, 128'000) << body;
  }
  Exchange plain =
      exchange("POST", "/v1/responses", R"({"previous_response_id":null,"input":"a"})");
  plain.model = "gpt-4o";
  EXPECT_LT(bounds_of(plain, exact_counts()).input, 200);
}

TEST(CallBounds, APredictionThatIsWrongIsBilledAsOutput) {
  const Exchange x = exchange("POST", "/v1/chat/completions",
                              R"({"prediction":{"type":"content","content":"a"}})");
  const CallBounds bounds = bounds_of(x, byte_counts());
  EXPECT_EQ(bounds.more_output, bounds.input);
}

TEST(CallBounds, WhatDoesNotPassAsTextIsNamed) {
  const auto hidden = [](const char* body) {
    return bounds_of(exchange("POST", "/v1/chat/completions", body), byte_counts()).output_hidden;
  };
  EXPECT_TRUE(hidden(R"({"prediction":{"type":"content","content":"a"}})"));
  EXPECT_TRUE(hidden(R"({"modalities":["text","\u0061udio"]})"));
  EXPECT_FALSE(hidden(R"({"modalities":["text"]})"));
  EXPECT_FALSE(hidden(R"({"modalities":null,"prediction":null})"));
}

TEST(CallBounds, AConversationMayGrowAfterItWasCounted) {
  Exchange x = exchange("POST", "/v1/responses", R"({"conversation":"conv_1","input":"a"})");
  CallBounds bounds = bounds_of(x, exact_counts());
  take_provider_count(bounds, 100);
  EXPECT_GE(bounds.input, 1'000'000) << "somebody else may add to it before the call";
  x.body.bytes = R"({"previous_response_id":"resp_1","input":"a"})";
  bounds = bounds_of(x, exact_counts());
  take_provider_count(bounds, 100);
  EXPECT_LT(bounds.input, 200) << "an answer that is over never changes";
}

TEST(CallBounds, WhatIsSentIsCounted) {
  Exchange x = exchange("POST", "/v1/chat/completions", R"({"messages":[]})");
  const std::int64_t before = bounds_of(x, byte_counts()).estimated_input;
  ASSERT_TRUE(x.body.splice({1, 0, R"("extra":"twenty bytes of it",)"}));
  EXPECT_GT(bounds_of(x, byte_counts()).estimated_input, before + 20);
}

TEST(CallBounds, ModelsThatNobodyKnowsMayThink) {
  for (const char* plain :
       {"gpt-4o", "gpt-4.1-mini", "gpt-3.5-turbo", "gpt-5-chat-latest", "ft:gpt-4o-mini:acme::1"}) {
    EXPECT_FALSE(may_reason(plain)) << plain;
  }
  for (const char* thinking :
       {"o1", "o3-mini", "gpt-5", "gpt-5-mini", "llama-9", "", "ft:o4-mini:x"}) {
    EXPECT_TRUE(may_reason(thinking)) << thinking;
  }
}

}  // namespace
}  // namespace sallyport::meter
