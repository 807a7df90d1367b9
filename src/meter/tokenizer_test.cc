// SPDX-License-Identifier: Apache-2.0
// Equality with the npm package is a test of its own (tests/tokens); here is what it cannot tell.
#include "meter/tokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sallyport::meter {
namespace {

using Ids = std::vector<std::uint32_t>;

TEST(Tokenizer, KnownTexts) {
  const Tokenizer& o200k = Tokenizer::of(Encoding::kO200k);
  const Tokenizer& cl100k = Tokenizer::of(Encoding::kCl100k);
  EXPECT_EQ(o200k.encode("hello world"), (Ids{24912, 2375}));
  EXPECT_EQ(cl100k.encode("hello world"), (Ids{15339, 1917}));
  EXPECT_EQ(cl100k.encode("tiktoken is great!"), (Ids{83, 1609, 5963, 374, 2294, 0}));
  EXPECT_EQ(o200k.count(""), 0u);
}

TEST(Tokenizer, SpecialTokensOnlyWhereAllowed) {
  struct Case {
    const char* why;
    Encoding encoding;
    const char* text;
    Ids special;
  };
  const Case cases[] = {
      {"alone", Encoding::kO200k, "<|endoftext|>", {199999}},
      {"two in a row", Encoding::kO200k, "<|endoftext|><|endofprompt|>", {199999, 200018}},
      {"the encoding's own only", Encoding::kCl100k, "<|fim_prefix|>", {100258}},
      {"begun twice", Encoding::kO200k, "<|<|endoftext|>", {27, 91, 199999}},
  };
  for (const Case& c : cases) {
    const Tokenizer& tokenizer = Tokenizer::of(c.encoding);
    EXPECT_EQ(tokenizer.encode(c.text, true), c.special) << c.why;
    EXPECT_EQ(tokenizer.count(c.text, true), c.special.size()) << c.why;
    EXPECT_GT(tokenizer.count(c.text), c.special.size()) << c.why;
  }
  EXPECT_EQ(Tokenizer::of(Encoding::kO200k).count("<|fim_prefix|>", true),
            Tokenizer::of(Encoding::kO200k).count("<|fim_prefix|>"));
}

TEST(Tokenizer, BytesThatAreNotUtf8AreATokenEach) {
  for (const Encoding encoding : {Encoding::kO200k, Encoding::kCl100k}) {
    const Tokenizer& tokenizer = Tokenizer::of(encoding);
    EXPECT_EQ(tokenizer.count("\xff\xfe\xfd"), 3u);
    EXPECT_EQ(tokenizer.count("\xe4\xb8"), 2u);
    EXPECT_EQ(tokenizer.count("a\x80z"), 3u);
    std::string all;
    for (int i = 0; i < 256; ++i) all.push_back(static_cast<char>(i));
    EXPECT_EQ(tokenizer.encode(all).size(), tokenizer.count(all));
  }
}

TEST(Tokenizer, TheTableIsSmall) {
  EXPECT_LT(token_table().size, 6u * 1024 * 1024);
  EXPECT_EQ(token_table().ranks[0].token_count(), 199'998u);
  EXPECT_EQ(token_table().ranks[1].token_count(), 100'256u);
}

TEST(EncodingOf, Families) {
  struct Case {
    const char* model;
    Encoding encoding;
    bool known;
  };
  const Case cases[] = {
      {"gpt-4o", Encoding::kO200k, true},
      {"gpt-4o-mini-2024-07-18", Encoding::kO200k, true},
      {"chatgpt-4o-latest", Encoding::kO200k, true},
      {"gpt-4.1-nano", Encoding::kO200k, true},
      {"gpt-4.5-preview", Encoding::kO200k, true},
      {"gpt-5", Encoding::kO200k, true},
      {"gpt-5.4-mini", Encoding::kO200k, true},
      {"o1", Encoding::kO200k, true},
      {"o3-mini", Encoding::kO200k, true},
      {"o4-mini-2025-04-16", Encoding::kO200k, true},
      {"gpt-4", Encoding::kCl100k, true},
      {"gpt-4-0613", Encoding::kCl100k, true},
      {"gpt-4-turbo-2024-04-09", Encoding::kCl100k, true},
      {"gpt-3.5-turbo", Encoding::kCl100k, true},
      {"gpt-35-turbo", Encoding::kCl100k, true},
      {"text-embedding-3-small", Encoding::kCl100k, true},
      {"text-embedding-ada-002", Encoding::kCl100k, true},
      {"davinci-002", Encoding::kCl100k, true},
      {"ft:gpt-4o-mini-2024-07-18:org::id", Encoding::kO200k, true},
      {"ft:gpt-3.5-turbo-0125:org:name:id", Encoding::kCl100k, true},
      {"gpt-4x", Encoding::kO200k, false},
      {"gpt-400", Encoding::kO200k, false},
      {"some-new-model", Encoding::kO200k, false},
      {"", Encoding::kO200k, false},
      {"ft:", Encoding::kO200k, false},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(encoding_of(c.model), c.encoding) << c.model;
    EXPECT_EQ(encoding_known(c.model), c.known) << c.model;
  }
}

}  // namespace
}  // namespace sallyport::meter
