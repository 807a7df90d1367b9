// SPDX-License-Identifier: Apache-2.0
#include "meter/usage.h"

#include <gtest/gtest.h>

namespace sallyport::meter {
namespace {

std::string shown(std::string_view json) {
  const auto usage = read_usage(json);
  if (!usage) return "nothing";
  std::string out;
  const auto put = [&out](const char* name, const std::optional<std::int64_t>& count) {
    if (count) out += std::string(out.empty() ? "" : " ") + name + "=" + std::to_string(*count);
  };
  put("in", usage->input);
  put("out", usage->output);
  put("cached", usage->cached);
  put("write", usage->cache_write);
  put("audio", usage->input_audio);
  put("image", usage->input_image);
  if (usage->seconds) out += "seconds=" + std::to_string(static_cast<int>(*usage->seconds * 10));
  return out;
}

TEST(Usage, ReadsEveryFamilyAndNothingThatCannotBe) {
  struct Case {
    const char* why;
    const char* json;
    const char* shown;
  };
  const Case kCases[] = {
      {"chat",
       R"({"prompt_tokens":12,"completion_tokens":7,"total_tokens":19,"prompt_tokens_details":
           {"cached_tokens":4,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}})",
       "in=12 out=7 cached=4 audio=0"},
      {"responses",
       R"({"input_tokens":12,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":2},
           "output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":19})",
       "in=12 out=7 cached=4 write=2"},
      {"embeddings: nothing was made", R"({"prompt_tokens":12,"total_tokens":12})", "in=12 out=0"},
      {"pictures",
       R"({"total_tokens":30,"input_tokens":20,"input_tokens_details":{"text_tokens":5,
           "image_tokens":15},"output_tokens":10})",
       "in=20 out=10 image=15"},
      {"transcription by tokens",
       R"({"type":"tokens","input_tokens":20,"input_token_details":{"text_tokens":5,
           "audio_tokens":15},"output_tokens":10,"total_tokens":30})",
       "in=20 out=10 audio=15"},
      {"transcription by duration", R"({"type":"duration","seconds":9.5})", "seconds=95"},
      {"zero is a figure", R"({"prompt_tokens":0,"completion_tokens":0})", "in=0 out=0"},
      {"null details", R"({"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null})",
       "in=1 out=2"},
      {"negative is no figure", R"({"prompt_tokens":-1,"completion_tokens":2})", "out=2"},
      {"huge is no figure", R"({"prompt_tokens":1099511627777,"completion_tokens":2})", "out=2"},
      {"the largest", R"({"prompt_tokens":1099511627776,"completion_tokens":2})",
       "in=1099511627776 out=2"},
      {"beyond 64 bits", R"({"prompt_tokens":18446744073709551615,"completion_tokens":2})",
       "out=2"},
      {"text is no figure", R"({"prompt_tokens":"1","completion_tokens":2})", "out=2"},
      {"a fraction is no count", R"({"prompt_tokens":1.5,"completion_tokens":2})", "out=2"},
      {"endless seconds", R"({"type":"duration","seconds":1e300})", "nothing"},
      {"null", "null", "nothing"},
      {"empty", "{}", "nothing"},
      {"a list", "[1]", "nothing"},
      {"not JSON", "{\"prompt_tokens\":1", "nothing"},
      {"told twice", R"({"prompt_tokens":1,"prompt_tokens":2})", "nothing"},
  };
  for (const Case& c : kCases) EXPECT_EQ(shown(c.json), c.shown) << c.why;
}

}  // namespace
}  // namespace sallyport::meter
