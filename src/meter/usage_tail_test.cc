// SPDX-License-Identifier: Apache-2.0
#include "meter/usage_tail.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sallyport::meter {
namespace {

std::string shown(const UsageTail& tail) {
  std::string out;
  for (const char* name : {"usage", "model", "service_tier"}) {
    out.append(tail.value(name)).append(";");
  }
  return out;
}

struct Case {
  const char* why;
  std::string text;
  const char* shown;  // usage;model;service_tier;
};

const std::string kBig(UsageTail::kValueBytesMax, 'x');

const Case kCases[] = {
    {"at the end", R"({"data":[0.1,-2e-3],"model":"m","usage":{"a":1}})", R"({"a":1};"m";;)"},
    {"at the start", R"({"usage":{"a":[1,{"b":"}]"}]},"x":1})", R"({"a":[1,{"b":"}]"}]};;;)"},
    {"blanks", " { \"usage\" : { \"a\" : 1 } , \"model\"\n:\t\"m\" } ", R"({ "a" : 1 };"m";;)"},
    {"words", R"({"usage":null,"service_tier":"flex"})", R"(null;;"flex";)"},
    {"a word at the very end", R"({"x":1,"usage":null})", "null;;;"},
    {"nested ones are others'", R"({"a":{"usage":1,"model":2},"b":[{"usage":3}]})", ";;;"},
    {"inside a response", R"({"type":"t","response":{"model":"m","usage":{"a":1}},"n":1})",
     R"({"a":1};"m";;)"},
    {"not deeper", R"({"response":{"response":{"usage":1}}})", ";;;"},
    {"a response that is a word", R"({"response":"usage","usage":1})", "1;;;"},
    {"text cannot fake a member", R"({"a":"\",\"usage\":{\"a\":9}","usage":1})", "1;;;"},
    {"a backslash before the end", R"({"a":"\\","usage":1})", "1;;;"},
    {"brackets in text", R"({"a":["]}","\"]}"],"usage":1})", "1;;;"},
    {"a longer name", R"({"usage2":1,"usag":2,"xusage":3})", ";;;"},
    {"a long key", "{\"" + kBig + "\":1,\"usage\":2}", "2;;;"},
    {"the last one counts", R"({"usage":1,"usage":2})", "2;;;"},
    {"too large to keep", "{\"usage\":{\"a\":\"" + kBig + "\"},\"model\":\"m\"}", ";\"m\";;"},
    {"too long a list to keep", "{\"usage\":[" + kBig + "],\"model\":\"m\"}", ";\"m\";;"},
    {"too long a number to keep", "{\"usage\":1" + kBig + ",\"model\":\"m\"}", ";\"m\";;"},
    {"cut off", R"({"model":"m","usage":{"a":)", R"(;"m";;)"},
    {"behind the end is nothing", R"({"model":"m"},"usage":1})", R"(;"m";;)"},
    {"a list on top", R"([{"usage":1}])", ";;;"},
    {"not JSON", "usage: 1", ";;;"},
    {"nothing", "", ";;;"},
};

TEST(UsageTail, FindsTheMembersAtAnySegmentation) {
  for (const Case& c : kCases) {
    UsageTail whole;
    whole.feed(c.text);
    EXPECT_EQ(shown(whole), c.shown) << c.why;
    UsageTail bytes;
    for (const char& byte : c.text) bytes.feed({&byte, 1});
    EXPECT_EQ(shown(bytes), c.shown) << c.why << ", byte by byte";
    for (std::size_t cut = 1; cut < std::min<std::size_t>(c.text.size(), 80); ++cut) {
      UsageTail two;
      two.feed(std::string_view(c.text).substr(0, cut));
      two.feed(std::string_view(c.text).substr(cut));
      EXPECT_EQ(shown(two), c.shown) << c.why << ", cut at " << cut;
    }
  }
}

TEST(UsageTail, MegabytesPassUnkept) {
  std::string text = "{\"data\":[";
  for (int i = 0; i < 500'000; ++i) text += "-0.0123456,";
  text += "0],\"b64\":\"" + std::string(5 << 20, 'A') + "\",\"usage\":{\"total_tokens\":1}}";
  UsageTail tail;
  for (std::size_t at = 0; at < text.size(); at += 16'384) tail.feed(text.substr(at, 16'384));
  EXPECT_EQ(tail.value("usage"), "{\"total_tokens\":1}");
}

// A prompt of backslashes comes back in the answer: it must not cost the thread seconds.
TEST(UsageTail, BackslashesAloneAreLinear) {
  std::string text = "{\"instructions\":\"";
  for (int i = 0; i < 4 << 20; ++i) text += "\\\\";
  text += "\",\"usage\":1}";
  UsageTail tail;
  const auto begun = std::chrono::steady_clock::now();
  tail.feed(text);
  EXPECT_EQ(tail.value("usage"), "1");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
}

TEST(UsageTail, DepthTakesNoStack) {
  UsageTail tail;
  tail.feed("{\"a\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') +
            ",\"usage\":1}");
  EXPECT_EQ(tail.value("usage"), "1");
}

}  // namespace
}  // namespace sallyport::meter
