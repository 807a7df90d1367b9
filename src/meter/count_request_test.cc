// SPDX-License-Identifier: Apache-2.0
#include "meter/count_request.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "meter/tokenizer.h"

namespace sallyport::meter {
namespace {

constexpr std::string_view kChat = "/v1/chat/completions";
constexpr std::string_view kResponses = "/v1/responses";
constexpr const char* kModel = "gpt-4o";

std::uint64_t text(std::initializer_list<std::string_view> texts) {
  std::uint64_t sum = 0;
  for (const std::string_view one : texts) sum += Tokenizer::of(Encoding::kO200k).count(one);
  return sum;
}

struct Case {
  const char* why;
  std::string_view path;
  std::string body;
  std::uint64_t tokens;
};

// Text with documented framing.
TEST(CountInput, ExactWhereAllIsText) {
  const Case cases[] = {
      {"a message is 3, the answer 3", kChat,
       R"({"model":"gpt-4o","messages":[{"role":"user","content":"Good morning"}]})",
       3 + 3 + text({"user", "Good morning"})},
      {"a name is 1 more", kChat, R"({"messages":[{"role":"user","name":"ann","content":"Hi"}]})",
       3 + 3 + 1 + text({"user", "ann", "Hi"})},
      {"two messages", kChat,
       R"({"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Why?"}]})",
       3 + 3 + 3 + text({"system", "Be brief.", "user", "Why?"})},
      {"text in parts", kChat,
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"One"},)"
       R"({"type":"text","text":" two"}]}]})",
       3 + 3 + text({"user", "One", " two"})},
      {"escapes are resolved, in keys too", kChat,
       R"({"m\u0065ssages":[{"role":"user","content":"a\nb\u4e2d\ud83d\ude00"}]})",
       3 + 3 + text({"user", "a\nb\u4e2d\U0001F600"})},
      {"null is nothing", kChat,
       R"({"messages":[{"role":"assistant","content":null,"refusal":"No."}],"tools":null})",
       3 + 3 + text({"assistant", "No."})},
      {"parameters are not read to the model", kChat,
       R"({"model":"gpt-4o","user":"somebody","metadata":{"a":"bcd"},"stop":["x"],"n":3,)"
       R"("temperature":0.5,"stream":true,"stream_options":{"include_usage":true},"messages":[]})",
       3},
      {"nor is a figure that nobody knows", kChat, R"({"new_factor":0.5,"messages":[]})", 3},
      {"plain formats are nothing", kChat,
       R"({"response_format":{"type":"json_object"},"messages":[]})", 3},
      {"instructions are a message, and so is a text", kResponses,
       R"({"instructions":"Be brief.","input":"Why?"})",
       3 + 3 + 3 + text({"system", "Be brief.", "user", "Why?"})},
      {"items", kResponses,
       R"({"input":[{"role":"user","content":[{"type":"input_text","text":"One"}]},)"
       R"({"type":"message","id":"msg_1","status":"completed","role":"assistant",)"
       R"("content":[{"type":"output_text","text":"Two"}]}],"text":{"format":{"type":"text"}}})",
       3 + 3 + 3 + text({"user", "One", "assistant", "Two"})},
      {"the provider's own count", "/v1/responses/input_tokens", R"({"input":"Why?"})",
       3 + 3 + text({"user", "Why?"})},
      {"one prompt", "/v1/completions", R"({"prompt":"Once upon","max_tokens":5})",
       text({"Once upon"})},
      {"several", "/v1/completions", R"({"prompt":["Once upon","a time"]})",
       text({"Once upon", "a time"})},
      {"as tokens", "/v1/completions", R"({"prompt":[1, 2,3]})", 3},
      {"as arrays of tokens", "/v1/completions", R"({"prompt":[[1,2],[3]]})", 3},
      {"none is the end of a text", "/v1/completions", R"({"max_tokens":5})", 1},
      {"embeddings", "/v1/embeddings", R"({"input":["One","two"],"dimensions":8})",
       text({"One", "two"})},
      {"moderations", "/v1/moderations", R"({"input":[{"type":"text","text":"One"}]})",
       text({"One"})},
      {"speech", "/v1/audio/speech", R"({"input":"Say","instructions":"softly","voice":"alloy"})",
       text({"Say", "softly"})},
  };
  for (const Case& c : cases) {
    const InputCount count = count_input(c.path, c.body, kModel);
    EXPECT_EQ(count.tokens, c.tokens) << c.why;
    EXPECT_EQ(count.seen, c.tokens) << c.why;
    const bool documented = !std::string_view(c.path).starts_with(kResponses);
    EXPECT_EQ(count.exact, documented) << c.why;
    EXPECT_FALSE(count.unseen) << c.why;
  }
}

TEST(CountInput, RulesWhereTheProviderHasThem) {
  const std::string message = R"("messages":[{"role":"user","content":)";
  const std::uint64_t user = 3 + 3 + text({"user"});
  const auto picture = [&](const char* detail) {
    return "{" + message + R"([{"type":"image_url","image_url":{"url":"https://a.example/b.png")" +
           (*detail ? R"(,"detail":")" + std::string(detail) + '"' : "") + "}}]}]}";
  };
  const Case cases[] = {
      {"a picture of low detail", kChat, picture("low"), user + 85},
      {"of high detail, at worst 8 tiles", kChat, picture("high"), user + 85 + 8 * 170},
      {"of no detail named: as high", kChat, picture(""), user + 85 + 8 * 170},
      {"of a detail nobody knows: the dearest", kChat, picture("ultra"), user + 85 + 8 * 170},
      {"the detail of chat stands inside", kChat,
       "{" + message +
           R"([{"type":"image_url","detail":"low","image_url":{"url":"u","detail":)"
           R"("high"}}]}]})",
       user + 85 + 8 * 170},
      {"what was thought, brought along", kResponses,
       R"({"input":[{"type":"reasoning","id":"r","encrypted_content":"x"}]})", 28},
      {"in responses", kResponses,
       R"({"input":[{"role":"user","content":[{"type":"input_image","detail":"low",)"
       R"("image_url":"data:image/png;base64,AAAA"}]}]})",
       user + 85},
      {"a function of flat parameters", kChat,
       R"({"messages":[],"tools":[{"type":"function","function":{"name":"get_tide",)"
       R"("description":"Tells the tide.","parameters":{"type":"object","properties":{)"
       R"("port":{"type":"string","description":"Name of the port."},)"
       R"("unit":{"type":"string","description":"Unit","enum":["m","ft"]}},)"
       R"("required":["port"]}}}]})",
       3 + 12 + 7 + text({"get_tide:Tells the tide"}) + 3 +
           (3 + text({"port:string:Name of the port"})) +
           (3 - 3 + 2 * 3 + text({"m", "ft", "unit:string:Unit"}))},
      {"a function without parameters, as responses have it", kResponses,
       R"({"tools":[{"type":"function","name":"now","description":"The time"}]})",
       3 + 12 + 7 + text({"now:The time"})},
      {"no tools are nothing", kChat, R"({"messages":[],"tools":[]})", 3},
  };
  for (const Case& c : cases) {
    const InputCount count = count_input(c.path, c.body, kModel);
    EXPECT_EQ(count.tokens, c.tokens) << c.why;
    EXPECT_FALSE(count.exact) << c.why;
    EXPECT_FALSE(count.unseen) << c.why;
  }
}

// What has no rule counts at least what its text counts.
TEST(CountInput, BoundsForTheRest) {
  const Case cases[] = {
      {"a member of a message nobody knows", kChat,
       R"({"messages":[{"role":"user","content":"Hi","aside":{"note":["Keep it short"]}}]})",
       3 + 3 + text({"user", "Hi", "aside", "note", "Keep it short"})},
      {"a member of the request nobody knows", kChat,
       R"({"messages":[],"context":{"text":"Keep it short"}})", 3 + text({"Keep it short"})},
      {"nothing but brackets", kChat, R"({"messages":[],"context":[[],[],[{}]]})", 3 + 10},
      {"messages that are none", kChat, R"({"messages":"Keep it short"})",
       3 + text({"Keep it short"})},
      {"calls of tools", kChat,
       R"({"messages":[{"role":"assistant","tool_calls":[{"id":"call_1","type":"function",)"
       R"("function":{"name":"now","arguments":"{\"zone\":\"UTC\"}"}}]}]})",
       3 + 3 + text({"assistant", "call_1", "function", "now", "{\"zone\":\"UTC\"}"})},
      {"a schema for the answer", kChat,
       R"({"messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"tide",)"
       R"("schema":{"type":"object"}}}})",
       3 + text({"json_schema", "tide", "schema", "type", "object"})},
      {"a function with nested parameters", kChat,
       R"({"messages":[],"functions":[{"name":"f","parameters":{"type":"object","properties":{)"
       R"("a":{"type":"array","items":{"type":"string","description":"A name"}}}}}]})",
       3 + 12 + 7 + text({"f", "a", "array", "items", "string", "A name"})},
      {"sound", kChat,
       R"({"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":)"
       R"({"data":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","format":"mp3"}}]}]})",
       3 + 3 + text({"user"}) + 2},
      {"what a tool answered", kResponses,
       R"({"input":[{"type":"function_call_output","call_id":"c1","output":"It is noon."}]})",
       3 + 3 + text({"c1", "It is noon."})},
      {"a prompt for a picture", "/v1/images/generations", R"({"prompt":"A lighthouse","n":2})",
       text({"A lighthouse"})},
  };
  for (const Case& c : cases) {
    const InputCount count = count_input(c.path, c.body, kModel);
    EXPECT_GE(count.tokens, c.tokens) << c.why;
    EXPECT_LE(count.tokens, c.tokens * 3 + 60) << c.why << ": a bound, but not any number";
    EXPECT_FALSE(count.exact) << c.why;
    EXPECT_FALSE(count.unseen) << c.why;
  }
}

TEST(CountInput, WhatIsNotInTheBodyIsBoundByTheWindow) {
  const Case cases[] = {
      {"an earlier response", kResponses, R"({"input":"Hi","previous_response_id":"resp_1"})",
       3 + 3 + text({"user", "Hi", "resp_1"})},
      {"a conversation", kResponses, R"({"input":"Hi","conversation":"conv_1"})", 0},
      {"a stored prompt", kResponses, R"({"prompt":{"id":"pmpt_1"}})", 0},
      {"an item by its id", kResponses, R"({"input":[{"type":"item_reference","id":"i"}]})", 0},
      {"without a type", kResponses, R"({"input":[{"id":"msg_1"}]})", 0},
      {"with a type of null", kResponses, R"({"input":[{"type":null,"id":"msg_1"}]})", 0},
      {"a message by its id", kResponses,
       R"({"input":[{"type":"message","id":"msg_1","role":"assistant","content":[]}]})", 0},
      {"what was thought, by its id", kResponses,
       R"({"input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"}]}]})",
       0},
      {"a picture by its id", kResponses,
       R"({"input":[{"type":"image_generation_call","id":"ig_1","result":null}]})", 0},
      {"the call of a tool by its id", kResponses,
       R"({"input":[{"type":"web_search_call","id":"ws_1","status":"completed"}]})", 0},
      {"a part nobody knows", kChat,
       R"({"messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"u"}}]}]})",
       3 + 3 + text({"user", "video_url", "url", "u"})},
      {"a text that is none", kChat, R"({"messages":[{"role":"user","content":{"a":"Keep"}}]})",
       3 + 3 + text({"user", "Keep"})},
      {"a file", kResponses,
       R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"f"}]}]})", 0},
      {"a file in chat", kChat,
       R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]})", 0},
      {"a search by the provider", kResponses, R"({"input":"Hi","tools":[{"type":"web_search"}]})",
       0},
      {"a search in chat", kChat, R"({"messages":[],"web_search_options":{}})", 0},
      {"an earlier answer in sound", kChat,
       R"({"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]})", 0},
      {"a path that is not known", "/v1/threads/runs", R"({"thread":{}})", 0},
      {"no JSON", kChat, "", 0},
      {"an array", kChat, "[1]", 0},
  };
  for (const Case& c : cases) {
    const InputCount count = count_input(c.path, c.body, kModel);
    EXPECT_EQ(count.tokens, model_context_max(kModel)) << c.why;
    EXPECT_GE(count.seen, c.tokens) << c.why;
    EXPECT_LT(count.seen, 100u) << c.why;
    EXPECT_FALSE(count.exact) << c.why;
    EXPECT_TRUE(count.unseen) << c.why;
  }
  const std::string picture = R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})";
  EXPECT_TRUE(count_input(kResponses, picture, "gpt-5.6").unseen)
      << "a picture that is not scaled down may be of any size";
  for (const char* none : {"null", "null "}) {
    const std::string body =
        std::string(R"({"input":"Hi","conversation":)") + none + R"(,"previous_response_id":null})";
    EXPECT_FALSE(count_input(kResponses, body, kModel).unseen) << "null is none";
  }
}

TEST(CountInput, TheModelDecides) {
  const std::string body = R"({"messages":[{"role":"user","content":"Unbelievably"}]})";
  EXPECT_TRUE(count_input(kChat, body, "gpt-4").exact);
  EXPECT_EQ(count_input(kChat, body, "gpt-4").tokens,
            3 + 3 + Tokenizer::of(Encoding::kCl100k).count("user") +
                Tokenizer::of(Encoding::kCl100k).count("Unbelievably"));
  for (const char* framed : {"gpt-3.5-turbo", "gpt-4-turbo", "gpt-4o-mini-2024-07-18"}) {
    EXPECT_TRUE(count_input(kChat, body, framed).exact) << framed;
  }
  for (const char* unknown : {"some-new-model", "gpt-4.1", "gpt-5", "o3", "gpt-4oxyz"}) {
    EXPECT_FALSE(count_input(kChat, body, unknown).exact) << unknown;
  }
  EXPECT_EQ(count_input(kChat, body, "some-new-model").tokens,
            count_input(kChat, body, kModel).tokens);
}

TEST(CountInput, BodiesThatAreNotJsonDoNoHarm) {
  const std::string good =
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a\"b\u00e9"},)"
      R"({"type":"image_url","image_url":{"url":"x","detail":"low"}}],"tool_calls":[{"a":[1]}]}],)"
      R"("tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{)"
      R"("p":{"type":"string","enum":["a","b"]}}}}}],"response_format":{"type":"json_schema"}})";
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {
    for (const std::string_view path : {kChat, kResponses, std::string_view("/v1/embeddings")}) {
      count_input(path, std::string_view(good).substr(0, cut), kModel);
    }
  }
}

}  // namespace
}  // namespace sallyport::meter
