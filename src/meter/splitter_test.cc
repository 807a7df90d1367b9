// SPDX-License-Identifier: Apache-2.0
#include "meter/splitter.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::meter {
namespace {

// The pieces with '|' between them.
std::string split(Encoding encoding, std::string_view text) {
  Splitter splitter(encoding, token_table().kinds, text);
  std::string out;
  for (std::string_view piece = splitter.next(); !piece.empty(); piece = splitter.next()) {
    if (!out.empty()) out += '|';
    out += piece;
  }
  return out;
}

struct Case {
  const char* why;
  const char* text;
  const char* o200k;
  const char* cl100k;
};

const Case kCases[] = {
    {"a blank belongs to the word behind it", "one two", "one| two", "one| two"},
    {"of several blanks the last", "a   b", "a|  | b", "a|  | b"},
    {"blanks before a number stay apart", "a  1", "a| | |1", "a| | |1"},
    {"blanks at the end are one piece", "a   ", "a|   ", "a|   "},
    {"up to the last newline is one piece", "a \n\n  b", "a| \n\n| | b", "a| \n\n| | b"},
    {"CR LF too", "a\r\n\r\n b", "a|\r\n\r\n| b", "a|\r\n\r\n| b"},
    {"newlines hang on signs", "a!\n\nb", "a|!\n\n|b", "a|!\n\n|b"},
    {"slashes only in o200k", "!\n/\nb", "!\n/\n|b", "!\n|/\n|b"},
    {"digits by three", "12345", "123|45", "123|45"},
    {"roman numerals and fractions are numbers", "\u2167\u00bd\u00b2\u0665",
     "\u2167\u00bd\u00b2|\u0665", "\u2167\u00bd\u00b2|\u0665"},
    {"a contraction hangs on its word in o200k", "it's", "it's", "it|'s"},
    {"in capitals", "IT'LL", "IT'LL", "IT|'LL"},
    {"the long s is an s", "a'\u017f", "a'\u017f", "a|'\u017f"},
    {"the Kelvin sign is no contraction", "a'\u212a", "a|'\u212a", "a|'\u212a"},
    {"half of a contraction is none", "a're a'r", "a're| a|'r", "a|'re| a|'r"},
    {"in cl100k a word after it starts anew", "'sun", "'sun", "'s|un"},
    {"camel case is cut in o200k", "camelCaseABCWord", "camel|Case|ABCWord", "camelCaseABCWord"},
    {"capitals, then lower case", "ABCd", "ABCd", "ABCd"},
    {"letters without case end a word of capitals", "\u4e2dABC", "\u4e2d|ABC", "\u4e2dABC"},
    {"and begin it anew", "\u4e2dA\u4e2dB", "\u4e2dA\u4e2d|B", "\u4e2dA\u4e2dB"},
    {"title case counts as upper", "\u01c5ab\u01c5", "\u01c5ab|\u01c5", "\u01c5ab\u01c5"},
    {"a mark joins the word in o200k", "e\u0301a", "e\u0301a", "e|\u0301a"},
    {"a mark before capitals stands alone", "\u0301AB", "\u0301|AB", "\u0301AB"},
    {"a mark before lower case is its prefix", "\u0301ab", "\u0301ab", "\u0301ab"},
    {"marks among signs", "!!\u0301", "!!\u0301", "!!\u0301"},
    {"one sign before a word is its prefix", "(a)", "(a|)", "(a|)"},
    {"two are not", "((a", "((|a", "((|a"},
    {"a tab is a prefix, a newline is not", "\ta\nb", "\ta|\n|b", "\ta|\n|b"},
    {"other blanks: U+0085, U+3000", "a\u0085b\u3000\u3000c", "a|\u0085b|\u3000|\u3000c",
     "a|\u0085b|\u3000|\u3000c"},
    {"the zero width space is no blank", "a\u200bb", "a|\u200bb", "a|\u200bb"},
    {"bytes that are not UTF-8 stand alone",
     "a\xff\xfe"
     "b",
     "a|\xff|\xfe|b", "a|\xff|\xfe|b"},
    {"overlong, surrogate, too high", "\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80",
     "\xc0|\x80|\xed|\xa0|\x80|\xf4|\x90|\x80|\x80",
     "\xc0|\x80|\xed|\xa0|\x80|\xf4|\x90|\x80|\x80"},
    {"a character cut off", "a\xe4\xb8", "a|\xe4|\xb8", "a|\xe4|\xb8"},
};

TEST(Splitter, Cases) {
  for (const Case& c : kCases) {
    EXPECT_EQ(split(Encoding::kO200k, c.text), c.o200k) << c.why;
    EXPECT_EQ(split(Encoding::kCl100k, c.text), c.cl100k) << c.why;
  }
}

TEST(Splitter, TellsWhatMoreTextCouldChange) {
  struct OpenCase {
    const char* why;
    const char* text;
    const char* closed;  // the pieces that stand for good, o200k
  };
  const OpenCase cases[] = {
      {"a word may go on", "one two", "one"},
      {"a full stop ends a word, and may go on itself", "one.", "one"},
      {"three digits are full", "123", "123"},
      {"an apostrophe may begin a contraction", "it'", ""},
      {"or not", "it'x", "it"},
      {"blanks may be followed by a newline", "a \n  ", "a"},
      {"capitals may be followed by lower case", "\u4e2dAB", ""},
      {"a character may be completed", "a \xe4\xb8", "a"},
  };
  for (const OpenCase& c : cases) {
    Splitter splitter(Encoding::kO200k, token_table().kinds, c.text);
    std::string closed;
    for (;;) {
      const std::string_view piece = splitter.next();
      if (piece.empty() || splitter.open()) break;
      closed += piece;
    }
    EXPECT_EQ(closed, c.closed) << c.why;
  }
}

}  // namespace
}  // namespace sallyport::meter
