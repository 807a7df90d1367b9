// SPDX-License-Identifier: Apache-2.0
#include "base/json_reader.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "base/json_writer.h"

namespace sallyport {
namespace {

std::string verdict(std::string_view text, const JsonLimits& limits = {}) {
  const auto checked = check_json(text, limits);
  return checked ? "ok" : checked.error().what;
}

// As a value inside a request, between other members.
std::string verdict_inside(std::string_view value) {
  return verdict(std::string(R"({"model":"m","x":)").append(value).append(R"(,"y":1})"));
}

std::string repeat(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append(text);
  return out;
}

TEST(CheckJson, AcceptsEveryFormOfRfc8259) {
  const std::string_view kValues[] = {
      "null",
      "true",
      "false",
      "0",
      "-0",
      "1",
      "-1",
      "10",
      "123456789",
      "9223372036854775807",
      "-9223372036854775808",
      "18446744073709551615",
      "0.5",
      "-0.5",
      "1.0",
      "0e1",
      "0e+1",
      "0E-1",
      "1e1",
      "1E1",
      "1E+2",
      "1.5e-3",
      "123.456e78",
      "1e-400",
      "-0.0",
      "0.00000000000000000000000000000000000000000000000000000000000000000000000000000001",
      "3.141592653589793238462643383279502884197169399375105820974944592307816406286",
      R"("")",
      R"("a")",
      R"(" ")",
      R"("\"\\\/\b\f\n\r\t")",
      R"("\u0000")",
      R"("\u0020")",
      R"("\u00e9\u20AC")",
      R"("\ud83d\ude00")",
      R"("\uD800\uDFFF")",
      R"("\uDBFF\uDFFF")",
      R"("\uffff")",
      R"("\u2028")",
      R"("\\u0041")",
      R"("\\\u0041")",
      "\"\xc3\xa9\"",
      "\"\xe2\x82\xac\"",
      "\"\xf0\x9f\x98\x80\"",
      "\"\xf4\x8f\xbf\xbf\"",
      "\"\xed\x9f\xbf\"",
      "\"\xee\x80\x80\"",
      "\"\xef\xbf\xbf\"",
      "\"\xe2\x80\xa8\"",
      "\"\x7f\"",
      "\"\xc2\x80\"",
      R"("// no comment")",
      R"("/* none */")",
      "[]",
      "[ ]",
      "[1]",
      "[1,2]",
      "[ 1 , 2 ]",
      "[[]]",
      "[[],[[]]]",
      "[\"\"]",
      "[null]",
      "[{}]",
      "[1,\n2\t,\r3]",
      "{}",
      "{ }",
      R"({"":0})",
      R"({"a":1,"b":2})",
      R"({"a":{"a":{"a":[]}}})",
      R"({ "a" : 1 })",
      R"({"a\u0000b":1})",
      R"({"\u0061":1,"b":2})",
      R"({"A":1,"a":2})",
  };
  for (const std::string_view value : kValues) EXPECT_EQ(verdict_inside(value), "ok") << value;
  EXPECT_EQ(verdict(" \t\r\n{} \t\r\n"), "ok");
}

TEST(CheckJson, RefusesWhatRfc8259DoesNotKnow) {
  using namespace std::string_view_literals;
  const std::string_view kValues[] = {
      // words
      "",
      "nul",
      "nulll",
      "True",
      "TRUE",
      "fals",
      "undefined",
      "NaN",
      "-NaN",
      "Infinity",
      "-Infinity",
      "nan",
      "none",
      "a",
      "'a'",
      "`a`",
      "a b",
      "true false",
      // numbers
      "01",
      "-01",
      "00",
      "-",
      "+1",
      "++1",
      "--1",
      ".5",
      "-.5",
      "5.",
      "1.e1",
      "1e",
      "1e+",
      "1E-",
      "1ee1",
      "1e1.5",
      "0x10",
      "1_000",
      "1,000,",
      "1 000",
      "0.1.2",
      "1+2",
      "- 1",
      "1eE2",
      "0e",
      "0.3e",
      "0.3e+",
      "2.e3",
      "-2.",
      "1a",
      "0b1",
      "0o7",
      "\xef\xbc\x91",
      "1\0"sv,
      "[-]",
      "[1.]",
      "[0.e1]",
      "[-1x]",
      "[1 2]",
      // strings
      "\"",
      "\"a",
      "a\"",
      R"("\")",
      R"("\a")",
      R"("\v")",
      R"("\0")",
      R"("\x41")",
      R"("\u")",
      R"("\u0")",
      R"("\u00")",
      R"("\u004")",
      R"("\u00g0")",
      R"("\U0041")",
      R"("\u+041")",
      R"("\u 041")",
      R"("\'")",
      "\"\\\xc3\xa9\"",
      "\"\n\"",
      "\"\t\"",
      "\"\r\"",
      "\"\0\""sv,
      "\"\x1f\"",
      "\"a\" \"b\"",
      R"("a"b)",
      "\"\\\n\"",
      // arrays
      "[",
      "]",
      "[1",
      "[1,",
      "[1,]",
      "[,1]",
      "[,]",
      "[1,,2]",
      "[1 2]",
      "[1}",
      "[\"a\"",
      "[1:2]",
      "[[1]",
      "[]]",
      "[1]]",
      "[a]",
      "[*]",
      "[1],",
      "(1)",
      "<1>",
      // objects
      "{",
      "{\"a\"}",
      "{\"a\":}",
      "{\"a\":1",
      "{\"a\":1,}",
      "{,\"a\":1}",
      "{\"a\" 1}",
      "{a:1}",
      "{'a':1}",
      "{1:1}",
      "{null:1}",
      "{\"a\":1 \"b\":2}",
      "{\"a\":1,,\"b\":2}",
      "{\"a\":1]",
      "{\"a\"::1}",
      "{\"a\",1}",
      "{\"a\":1}}",
      "{\"a\":\"b\"/**/}",
      "{[]:1}",
      "{\"a\":1;}",
      "{\"a\"=1}",
      "{\"a\":1}#",
      "{\"a\":1}//",
      "{...}",
      "{\"a\":\"b\"}/**//",
      // blanks that are none
      "\v1",
      "\f1",
      "\xc2\xa0"
      "1",
      "\xe2\x81\xa0"
      "1",
      "\xe3\x80\x80"
      "1",
      "\xef\xbb\xbf"
      "1",
      "\0"sv,
      "1\x1a",
      "\\u0031",
  };
  for (const std::string_view value : kValues) {
    EXPECT_NE(verdict_inside(value), "ok") << testing::PrintToString(value);
  }
}

TEST(CheckJson, SaysWhy) {
  using namespace std::string_view_literals;
  struct Case {
    const char* why;
    std::string_view text;
    const char* verdict;
  };
  const Case kCases[] = {
      {"nothing", "", "empty_body"},
      {"only blanks", " \n\t", "empty_body"},
      {"an array on top", "[1]", "not_object"},
      {"a string on top", "\"a\"", "not_object"},
      {"a number on top", "1", "not_object"},
      {"null on top", "null", "not_object"},
      {"two documents", "{} {}", "not_json"},
      {"a trailing comma", "{},", "not_json"},
      {"trailing words", "{\"a\":1}x", "not_json"},
      {"a NUL behind", "{}\0"sv, "not_json"},
      {"JSON lines", "{}\n{}\n", "not_json"},
      {"a byte order mark", "\xef\xbb\xbf{}", "not_json"},
      {"a comment", "/**/{}", "not_json"},
      {"UTF-16LE with mark", "\xff\xfe{\0}\0"sv, "not_utf8"},
      {"UTF-16BE", "\0{\0}"sv, "not_json"},
      {"UTF-32", "{\0\0\0}\0\0\0"sv, "not_json"},
      {"UTF-7", "+AHs-}", "not_json"},
      {"Latin-1", "{\"a\":\"\xe9\"}", "not_utf8"},
      {"an overlong slash", "{\"a\":\"\xc0\xaf\"}", "not_utf8"},
      {"an overlong NUL", "{\"a\":\"\xc0\x80\"}", "not_utf8"},
      {"overlong in three bytes", "{\"a\":\"\xe0\x80\xaf\"}", "not_utf8"},
      {"overlong in four bytes", "{\"a\":\"\xf0\x80\x80\xaf\"}", "not_utf8"},
      {"CESU-8", "{\"a\":\"\xed\xa0\xbd\xed\xb8\x80\"}", "not_utf8"},
      {"above U+10FFFF", "{\"a\":\"\xf4\x90\x80\x80\"}", "not_utf8"},
      {"five bytes", "{\"a\":\"\xf8\x88\x80\x80\x80\"}", "not_utf8"},
      {"a lone continuation", "{\"a\":\"\x80\"}", "not_utf8"},
      {"cut off inside a character", "{\"a\":\"\xe2\x82\"}", "not_utf8"},
      {"a high half alone", R"({"a":"\ud83d"})", "lone_surrogate"},
      {"a high half, then text", R"({"a":"\ud83dx"})", "lone_surrogate"},
      {"a high half, then another escape", R"({"a":"\ud83d\n"})", "lone_surrogate"},
      {"two high halves", R"({"a":"\ud83d\ud83d"})", "lone_surrogate"},
      {"a low half alone", R"({"a":"\ude00"})", "lone_surrogate"},
      {"the halves swapped", R"({"a":"\ude00\ud83d"})", "lone_surrogate"},
      {"a low half in upper case", R"({"a":"\uDFFF"})", "lone_surrogate"},
      {"a low half behind a pair", R"({"a":"\ud83d\ude00\ude00"})", "lone_surrogate"},
      {"a low half in a key", R"({"\ude00":1})", "lone_surrogate"},
      {"a low half in a nested key", R"({"a":[{"\udc00":1}]})", "lone_surrogate"},
      {"an escaped backslash is no escape", R"({"a":"\\ud83d"})", "ok"},
      {"a bad escape is not a surrogate", R"({"a":"\uD83G"})", "not_json"},
      {"the same key twice", R"({"a":1,"a":2})", "duplicate_key"},
      {"the same key and value twice", R"({"a":1,"a":1})", "duplicate_key"},
      {"by an escape", R"({"a":1,"\u0061":2})", "duplicate_key"},
      {"by two escapes", R"({"a\/b":1,"a/b":2})", "duplicate_key"},
      {"with a NUL in it", R"({"a\u0000":1,"a\u0000":2})", "duplicate_key"},
      {"told apart behind a NUL", R"({"a\u0000b":1,"a\u0000c":2})", "ok"},
      {"the empty key twice", R"({"":1,"":2})", "duplicate_key"},
      {"nested", R"({"a":[{"b":{"c":1,"d":2,"c":3}}]})", "duplicate_key"},
      {"first and last of many", R"({"a":1,"b":2,"c":3,"d":4,"e":5,"a":6})", "duplicate_key"},
      {"in different objects is no twin", R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})", "ok"},
      {"case variants on top", R"({"model":1,"Model":2})", "duplicate_key"},
      {"case variants by an escape", R"({"model":1,"\u004dodel":2})", "duplicate_key"},
      {"case variants below are two keys", R"({"a":{"x":1,"X":2}})", "ok"},
      {"other alphabets have no case here", "{\"\xc3\xa4\":1,\"\xc3\x84\":2}", "ok"},
      {"composed and decomposed are two keys", "{\"\xc3\xa9\":1,\"e\xcc\x81\":2}", "ok"},
  };
  for (const Case& c : kCases) EXPECT_EQ(verdict(c.text), c.verdict) << c.why;
}

TEST(CheckJson, DepthHasALimitAndNoStackBehindIt) {
  const auto arrays = [](std::size_t depth) {
    return "{\"a\":" + repeat("[", depth - 1) + repeat("]", depth - 1) + "}";
  };
  const auto objects = [](std::size_t depth) {
    return repeat("{\"a\":", depth) + "1" + repeat("}", depth);
  };
  EXPECT_EQ(verdict(arrays(64)), "ok");
  EXPECT_EQ(verdict(arrays(65)), "too_deep");
  EXPECT_EQ(verdict(objects(64)), "ok");
  EXPECT_EQ(verdict(objects(65)), "too_deep");
  EXPECT_EQ(verdict(arrays(1'000'000)), "too_deep");
  EXPECT_EQ(verdict(objects(1'000'000)), "too_deep");
  EXPECT_NE(verdict("{\"a\":" + repeat("[", 1'000'000)), "ok");
  EXPECT_NE(verdict("{\"a\":" + repeat("[{\"a\":", 500'000)), "ok");
  JsonLimits limits;
  limits.depth_max = 3;
  EXPECT_EQ(verdict(arrays(3), limits), "ok");
  EXPECT_EQ(verdict(arrays(4), limits), "too_deep");
  EXPECT_EQ(verdict(arrays(64)), "ok") << "limits are of the call, not of the thread";
}

std::string with_keys(std::size_t count, std::string_view stem = "key") {
  std::string out = "{\"a\":{";
  for (std::size_t i = 0; i < count; ++i) {
    out.append(i == 0 ? "\"" : ",\"").append(stem).append(std::to_string(i)).append("\":0");
  }
  return out + "}}";
}

TEST(CheckJson, WidthHasALimitAndManyKeysAreLinear) {
  EXPECT_EQ(verdict(with_keys(10'000)), "ok");
  EXPECT_EQ(verdict(with_keys(10'001)), "too_wide");
  // The twin of the first among many.
  std::string twins = with_keys(9'999);
  twins.insert(twins.size() - 2, ",\"key0\":1");
  EXPECT_EQ(verdict(twins), "duplicate_key");
  // The limit is of one object; a thousand of them pass, and comparing each key with each other
  // one would take minutes here.
  std::string wide = "{\"a\":[" + with_keys(9'000, std::string(30, 'k'));
  for (int i = 0; i < 20; ++i) wide += "," + with_keys(9'000, std::string(30, 'k'));
  wide += "]}";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(verdict(wide), "ok");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(CheckJson, LargeTextsPassAndLeaveTheThreadAsItWas) {
  const std::string large = "{\"a\":\"" + std::string(5 << 20, 'x') + "\"}";
  EXPECT_EQ(verdict(large), "ok");
  EXPECT_EQ(verdict(large.substr(0, large.size() - 1)), "not_json");
  EXPECT_EQ(verdict("{}"), "ok");
}

TEST(JsonValue, ReadsEveryKindAndConfusesNone) {
  const auto value = JsonValue::parse(
      R"({"s":"a\u00e9\n","i":-5,"big":9223372036854775808,"f":1.5,"one":1.0,"e":1e3,"t":true,
          "n":null,"l":[1,"x",[]],"o":{"k":"v"},"\u006b":1})");
  ASSERT_TRUE(value) << value.error().what;
  EXPECT_TRUE(value->is_object());
  EXPECT_EQ(value->at("s")->string(), "a\xc3\xa9\n");
  EXPECT_EQ(value->at("i")->integer(), -5);
  EXPECT_EQ(value->at("i")->number(), -5.0);
  EXPECT_FALSE(value->at("big")->integer()) << "does not fit";
  EXPECT_EQ(value->at("big")->number(), 9223372036854775808.0);
  EXPECT_FALSE(value->at("f")->integer());
  EXPECT_FALSE(value->at("one")->integer()) << "a fraction was written";
  EXPECT_EQ(value->at("e")->number(), 1000.0);
  EXPECT_EQ(value->at("t")->boolean(), true);
  EXPECT_FALSE(value->at("t")->integer());
  EXPECT_FALSE(value->at("s")->boolean());
  EXPECT_TRUE(value->at("n")->is_null());
  EXPECT_FALSE(value->at("n")->string());
  EXPECT_EQ(value->at("l")->items().size(), 3u);
  EXPECT_TRUE(value->at("l")->items()[2].is_array());
  EXPECT_EQ(value->at("o")->at("k")->string(), "v");
  EXPECT_EQ(value->at("k")->integer(), 1) << "keys are compared after escapes";
  EXPECT_FALSE(value->at("absent"));
  EXPECT_FALSE(value->at("s")->at("k")) << "a string has no members";
  EXPECT_TRUE(value->at("o")->items().empty());
  ASSERT_EQ(value->at("o")->members().size(), 1u);
  EXPECT_EQ(value->at("o")->members()[0].first, "k");
}

TEST(JsonValue, OutlivesItsTextAndItsParser) {
  std::optional<JsonValue> inner;
  {
    std::string text = R"({"a":{"b":"kept"}})";
    inner = JsonValue::parse(text)->at("a");
    text.assign(text.size(), 'x');
    ASSERT_TRUE(JsonValue::parse("[1,2,3]"));
  }
  EXPECT_EQ(inner->at("b")->string(), "kept");
}

TEST(JsonValue, AnyTopButTheSameStrictness) {
  for (const char* good : {"1", "\"a\"", "null", "[]", "[{\"a\":1},{\"a\":2}]", " true "}) {
    EXPECT_TRUE(JsonValue::parse(good)) << good;
  }
  for (const char* bad : {"", "1 2", "{\"a\":1,\"a\":2}", "[1,]", "\"\\ud800\"", "nul"}) {
    EXPECT_FALSE(JsonValue::parse(bad)) << bad;
  }
}

TEST(JsonMembers, TellsWhereEachMemberLies) {
  const std::string text = " { \"a\" : 1 ,\n\"b\\\"\\u0063\":[1,{\"x\":\"]}\\\\\"}] , \"\":\"\" } ";
  JsonMembers members(text);
  JsonMember member;
  ASSERT_TRUE(members.next(member));
  EXPECT_EQ(member.key, "a");
  EXPECT_EQ(member.value, "1");
  EXPECT_EQ(text.substr(member.key_offset, 3), "\"a\"");
  EXPECT_EQ(text.substr(member.value_offset, 1), "1");
  ASSERT_TRUE(members.next(member));
  EXPECT_EQ(member.key, "b\\\"\\u0063");
  EXPECT_EQ(json_unescape(member.key), "b\"c");
  EXPECT_EQ(member.value, "[1,{\"x\":\"]}\\\\\"}]");
  ASSERT_TRUE(members.next(member));
  EXPECT_EQ(member.key, "");
  EXPECT_EQ(member.value, "\"\"");
  EXPECT_FALSE(members.next(member));
  EXPECT_EQ(text[members.end_offset()], '}');
  EXPECT_FALSE(members.next(member)) << "stays at the end";
}

TEST(JsonMembers, ValuesEndWhereTheyEnd) {
  const char* const kValues[] = {"0",    "-1.5e3",    "true",     "null",
                                 "\"\"", "\"\\\\\"",  "\"\\\"\"", "\"a,b}\"",
                                 "[]",   "[[\"]\"]]", "{}",       "{\"a\":{\"b\":\"}\"}}"};
  for (const char* value : kValues) {
    for (const char* behind : {"}", " }", ",\"z\":1}", "\n,\"z\":1}"}) {
      const std::string text = std::string("{\"k\":") + value + behind;
      JsonMembers members(text);
      JsonMember member;
      ASSERT_TRUE(members.next(member)) << text;
      EXPECT_EQ(member.value, value) << text;
      while (members.next(member)) {
      }
      EXPECT_EQ(members.end_offset(), text.size() - 1) << text;
    }
  }
}

TEST(JsonMembers, TextThatIsNotJsonDoesNoHarm) {
  const std::string good = R"({"a":"b\"c","d":[1,{"e":2}],"f":null})";
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {
    JsonMembers members(std::string_view(good).substr(0, cut));
    JsonMember member;
    for (int i = 0; i < 100 && members.next(member); ++i) {
      EXPECT_LE(member.value_offset + member.value.size(), cut);
    }
    EXPECT_LE(members.end_offset(), cut);
  }
}

TEST(JsonMembers, DeepAndLongValuesTakeNoStackAndLinearTime) {
  const std::string text = "{\"a\":" + repeat("[", 1'000'000) + repeat("]", 1'000'000) +
                           ",\"b\":\"" + repeat("\\\\\\\"", 1'000'000) + "\",\"c\":1}";
  JsonMembers members(text);
  JsonMember member;
  ASSERT_TRUE(members.next(member));
  ASSERT_TRUE(members.next(member));
  ASSERT_TRUE(members.next(member));
  EXPECT_EQ(member.value, "1");
}

// Writes a random JSON value with random blanks and escapes.
class Author {
 public:
  explicit Author(unsigned seed) : random_(seed) {}

  std::string object(int depth) {
    std::string out = "{";
    const int count = below(5);
    for (int i = 0; i < count; ++i) {
      if (i > 0) out += ',';
      out += blanks() + string(std::to_string(i)) + blanks() + ':' + blanks() + value(depth - 1);
      out += blanks();
    }
    return out + blanks() + "}";
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::string blanks() {
    return std::string(static_cast<std::size_t>(below(3)), " \n\t\r"[below(4)]);
  }

  std::string string(std::string_view stem) {
    static constexpr std::string_view kPieces[] = {
        "a", "\\\"", "\\\\", "\\u0041", "\\ud83d\\ude00", "\xc3\xa9", "{", "}",
        "[", ",",    ":",    "\\/"};
    std::string out = "\"";
    out += stem;
    for (int i = below(4); i > 0; --i) out += kPieces[below(12)];
    return out + "\"";
  }

  std::string value(int depth) {
    switch (below(depth > 0 ? 7 : 5)) {
      case 0:
        return std::to_string(below(1000) - 500);
      case 1:
        return "1.5e-3";
      case 2:
        return below(2) == 0 ? "true" : "null";
      case 3:
      case 4:
        return string("");
      case 5:
        return object(depth);
      default: {
        std::string out = "[";
        for (int i = below(4); i > 0; --i) out += value(depth - 1) + blanks() + ",";
        return out + "0]";
      }
    }
  }

  std::mt19937 random_;
};

TEST(JsonItems, TellsEachItem) {
  struct Case {
    const char* array;
    std::vector<std::string_view> items;
  };
  const Case cases[] = {
      {"[]", {}},
      {" [ ] ", {}},
      {"[1]", {"1"}},
      {" [ 1 , \"a,]\" ,null ]", {"1", "\"a,]\"", "null"}},
      {"[[1,2],[],{\"a\":[3]}] ,4", {"[1,2]", "[]", "{\"a\":[3]}"}},
  };
  for (const Case& c : cases) {
    std::vector<std::string_view> items;
    JsonItems reader(c.array);
    for (std::string_view item; reader.next(item);) items.push_back(item);
    EXPECT_EQ(items, c.items) << c.array;
  }
  const std::string good = R"([1,"b\"c",[1,{"e":2}],null])";
  for (std::size_t cut = 0; cut <= good.size(); ++cut) {  // what is no JSON does no harm
    JsonItems reader(std::string_view(good).substr(0, cut));
    std::string_view item;
    int count = 0;
    while (reader.next(item)) ASSERT_LT(++count, 10);
  }
}

TEST(JsonProperty, BothReadersSeeTheSameMembers) {
  Author author(20261124);
  for (int round = 0; round < 2'000; ++round) {
    const std::string text = author.object(4);
    ASSERT_EQ(verdict(text), "ok") << text;
    const auto value = JsonValue::parse(text);
    ASSERT_TRUE(value) << text;
    const auto expected = value->members();
    JsonMembers members(text);
    JsonMember member;
    std::size_t count = 0;
    while (members.next(member)) {
      ASSERT_LT(count, expected.size()) << text;
      ASSERT_EQ(json_unescape(member.key), expected[count].first) << text;
      ASSERT_EQ(text.substr(member.value_offset, member.value.size()), member.value);
      const auto alone = JsonValue::parse(member.value);
      ASSERT_TRUE(alone) << text;
      ASSERT_EQ(json_string(member.value).has_value(), alone->string().has_value()) << text;
      if (alone->string()) ASSERT_EQ(*json_string(member.value), *expected[count].second.string());
      ++count;
    }
    ASSERT_EQ(count, expected.size()) << text;
  }
}

TEST(JsonUnescape, WhatTheWriterEscapedComesBack) {
  std::string text;
  for (int c = 0; c < 0x80; ++c) text.push_back(static_cast<char>(c));
  text += "\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80";
  std::string json;
  append_json_string(json, text);
  EXPECT_EQ(json_string(json), text);
  EXPECT_EQ(json_unescape(R"(\u0000\ud83d\ude00\b\f\/)"),
            std::string("\0\xf0\x9f\x98\x80\b\f/", 8));
  EXPECT_FALSE(json_string("1"));
  EXPECT_FALSE(json_string("\""));
  EXPECT_FALSE(json_string(""));
}

}  // namespace
}  // namespace sallyport
