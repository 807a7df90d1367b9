// SPDX-License-Identifier: Apache-2.0
#include "meter/token_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sallyport::meter {
namespace {

constexpr Encoding kBoth[] = {Encoding::kO200k, Encoding::kCl100k};

// Text of bits that run into each other.
std::string mixed_text(std::mt19937& random) {
  constexpr std::string_view kBits[] = {
      "word",       " ",      "  ", "\n",     "\r\n",   "'s",   "'",        "l",     "AB",
      "\u4e2d",     "\u0301", "12", "3",      "!",      "/",    "\u017f",   "\t",    "\u3000",
      "\U0001F600", "a",      "Z",  "\u00e9", "... \n", "\xff", "\xe4\xb8", "don't", "    "};
  std::string text;
  for (int i = 0; i < 40; ++i) text += kBits[random() % std::size(kBits)];
  return text;
}

TEST(StreamCounter, IsTheCountOfTheWholeHoweverItIsCut) {
  std::mt19937 random(11);
  for (int round = 0; round < 2'000; ++round) {
    const std::string text = mixed_text(random);
    const Encoding encoding = kBoth[round % 2];
    StreamCounter counter(encoding);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = 1 + random() % 7;
      counter.feed(std::string_view(text).substr(at, size));
      at += size;
      const std::string_view so_far = std::string_view(text).substr(0, at);
      ASSERT_EQ(counter.tokens(), Tokenizer::of(encoding).count(so_far)) << "after " << so_far;
    }
  }
}

TEST(StreamCounter, KeepsOnlyTheTail) {
  StreamCounter counter(Encoding::kO200k);
  std::size_t most = 0;
  for (int i = 0; i < 10'000; ++i) {
    counter.feed(i % 12 == 0 ? ".\n" : " word");
    most = std::max(most, counter.tail_bytes());
  }
  EXPECT_LE(most, 16u);
}

TEST(StreamCounter, APieceThatNeverEndsTakesNoMoreThanItsLimit) {
  StreamCounter counter(Encoding::kO200k);
  std::string text;
  for (int i = 0; i < 600'000; ++i) {
    counter.feed("aaaa");
    text += "aaaa";
  }
  EXPECT_LE(counter.tail_bytes(), StreamCounter::kTailMax);
  const std::uint64_t whole = Tokenizer::of(Encoding::kO200k).count(text);
  EXPECT_NEAR(static_cast<double>(counter.tokens()), static_cast<double>(whole), 3.0);
}

TEST(StreamCounter, NothingIsNothing) {
  StreamCounter counter(Encoding::kCl100k);
  EXPECT_EQ(counter.tokens(), 0u);
  counter.feed("");
  EXPECT_EQ(counter.tokens(), 0u);
}

}  // namespace
}  // namespace sallyport::meter
