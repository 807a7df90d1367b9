// SPDX-License-Identifier: Apache-2.0
#include "meter/token_limits.h"

#include <gtest/gtest.h>

namespace sallyport::meter {
namespace {

TEST(TokenLimits, ModelsOfTheTableInTheProgram) {
  struct Case {
    const char* why;
    const char* model;
    std::uint64_t context, output;
  };
  const Case cases[] = {
      {"by name", "gpt-4o", 128'000, 16'384},
      {"with a date, as its family", "gpt-4o-2024-08-06", 128'000, 16'384},
      {"a dated one with a row of its own", "gpt-4o-2024-05-13", 128'000, 4'096},
      {"the longest name decides", "gpt-4o-mini-2024-07-18", 128'000, 16'384},
      {"not as gpt-4", "gpt-4-turbo-2024-04-09", 128'000, 4'096},
      {"fine-tuned", "ft:gpt-4.1-mini-2025-04-14:org::id", 1'047'576, 32'768},
      {"gives no text", "text-embedding-3-small", 8'192, 0},
      {"unknown", "some-new-model", kContextMaxUnknown, kOutputMaxUnknown},
      {"begins alike, is another", "gpt-4oxyz", kContextMaxUnknown, kOutputMaxUnknown},
      {"no figure in its row", "gpt-5.6", kContextMaxUnknown, kOutputMaxUnknown},
      {"nothing", "", kContextMaxUnknown, kOutputMaxUnknown},
      {"dashes only", "---", kContextMaxUnknown, kOutputMaxUnknown},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(model_context_max(c.model), c.context) << c.why;
    EXPECT_EQ(model_output_max(c.model), c.output) << c.why;
  }
}

TEST(TokenLimits, PicturesByDetail) {
  const ImageTokens& tiles = model_limits("gpt-4o").image;
  EXPECT_EQ(tiles.low, 85u);
  EXPECT_EQ(tiles.high, 85u + 8 * 170);
  EXPECT_EQ(tiles.automatic, tiles.high) << "what is not named is as dear as the dearest";
  EXPECT_EQ(model_limits("gpt-5.6").image.original, kNoLimit);
  EXPECT_EQ(model_limits("some-new-model").image.high, kImageUnknown);
}

TEST(TokenLimits, NoModelIsLargerThanWhatTheUnknownAreGiven) {
  for (const char* model : {"gpt-4.1", "gpt-5", "gpt-5-pro", "gpt-5.4", "gpt-5.5", "o3"}) {
    EXPECT_LE(model_context_max(model), kContextMaxUnknown) << model;
    EXPECT_LE(model_output_max(model), kOutputMaxUnknown) << model;
  }
  EXPECT_LE(model_limits("gpt-4o-mini").image.high, kImageUnknown);
}

TEST(TokenLimits, WrongTablesAreRefused) {
  struct Case {
    const char* why;
    const char* json;
    const char* names;
  };
  const Case cases[] = {
      {"no JSON", "{", ""},
      {"no object", "[]", "table"},
      {"unknown member", R"({"model":[]})", "model"},
      {"unknown field", R"({"models":[{"model":"m","contxt":1}]})", "contxt"},
      {"negative", R"({"models":[{"model":"m","output":-1}]})", "output"},
      {"a fraction", R"({"models":[{"model":"m","output":1.5}]})", "output"},
      {"null where a figure must be", R"({"models":[{"model":"m","output":null}]})", "output"},
      {"no model", R"({"models":[{"output":1}]})", "no model"},
      {"twice", R"({"models":[{"model":"m"},{"model":"m"}]})", "twice"},
  };
  for (const Case& c : cases) {
    const auto table = parse_models(c.json);
    ASSERT_FALSE(table.has_value()) << c.why;
    EXPECT_TRUE(table.error().what.contains(c.names)) << c.why << ": " << table.error().what;
  }
}

}  // namespace
}  // namespace sallyport::meter
