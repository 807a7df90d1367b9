// SPDX-License-Identifier: Apache-2.0
#include "base/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace sallyport {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(JsonWriter, StringsCanNeverEndALine) {
  struct Case {
    const char* why;
    std::string_view text;
    const char* json;
  };
  const Case kCases[] = {
      {"plain", "abc", R"("abc")"},
      {"empty", "", R"("")"},
      {"quote and backslash", "a\"b\\c", R"("a\"b\\c")"},
      {"line ends", "a\nb\rc\td", R"("a\nb\rc\td")"},
      {"controls", std::string_view("\0\x1f\x7f", 3), R"("\u0000\u001f\u007f")"},
      {"C1 controls", "\xc2\x80\xc2\x9f\xc2\xa0", "\"\\u0080\\u009f\xc2\xa0\""},
      {"line separators", "\xe2\x80\xa8\xe2\x80\xa9", R"("\u2028\u2029")"},
      {"text of all widths stays", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
       "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
      {"a lone continuation byte", "\x80", R"("\ufffd")"},
      {"an overlong slash", "\xc0\xaf", R"("\ufffd\ufffd")"},
      {"a surrogate in UTF-8", "\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},
      {"overlong in three bytes", "\xe0\x80\xaf", R"("\ufffd\ufffd\ufffd")"},
      {"above the last code point", "\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"},
      {"cut off", "a\xe2\x82", R"("a\ufffd\ufffd")"},
      {"cut off by a quote", "\xe2\"", R"("\ufffd\"")"},
  };
  for (const Case& c : kCases) EXPECT_EQ(quoted(c.text), c.json) << c.why;
}

TEST(JsonWriter, CommasAreOurs) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.field("a", 1).field("b", "x").field("c", std::optional<int>());
  writer.key("d").begin_array().value(1).value("y").begin_object().end_object();
  writer.begin_array().end_array().value(true).null().end_array();
  writer.key("e").raw("[1,2]").field("f", false);
  writer.end_object();
  EXPECT_EQ(out, R"({"a":1,"b":"x","c":null,"d":[1,"y",{},[],true,null],"e":[1,2],"f":false})");
}

TEST(JsonWriter, NumbersReadBack) {
  const auto written = [](auto number) {
    std::string out;
    JsonWriter(out).value(number);
    return out;
  };
  EXPECT_EQ(written(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(written(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(0.00123), "0.00123");
  EXPECT_EQ(std::stod(written(1.0 / 3)), 1.0 / 3);
  EXPECT_EQ(written(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(written(std::numeric_limits<double>::quiet_NaN()), "null");
}

}  // namespace
}  // namespace sallyport
