// SPDX-License-Identifier: Apache-2.0
#include "keys/form.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace sallyport::keys {
namespace {

using std::string;

TEST(Form, UrlEncoded) {
  const string many = [] {
    string out = "a=1";
    for (int i = 0; i < 32; ++i) out += "&x" + std::to_string(i) + "=1";
    return out;
  }();
  const struct {
    const char* why;
    string text;
    std::optional<Form> form;
  } kCases[] = {
      {"one", "a=1", Form{{"a", "1"}}},
      {"two", "a=1&b=2", Form{{"a", "1"}, {"b", "2"}}},
      {"as curl sends it", "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
       Form{{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"}}},
      {"escapes", "a=%41%2b+%3d", Form{{"a", "A+ ="}}},
      {"an escaped name", "%61=1", Form{{"a", "1"}}},
      {"without a value it is left out", "a=&b=1", Form{{"b", "1"}}},
      {"empty", "", std::nullopt},
      {"no equals sign", "a", std::nullopt},
      {"no name", "=1", std::nullopt},
      {"an empty part", "a=1&&b=2", std::nullopt},
      {"an end too many", "a=1&", std::nullopt},
      {"twice", "a=1&a=1", std::nullopt},
      {"twice, one escaped", "a=1&%61=2", std::nullopt},
      {"twice, one without a value", "a=&a=1", std::nullopt},
      {"two equals signs", "a=1=2", std::nullopt},
      {"half an escape", "a=%4", std::nullopt},
      {"no escape", "a=%zz", std::nullopt},
      {"a raw blank", "a=1 2", std::nullopt},
      {"a raw line feed", "a=1\n", std::nullopt},
      {"an escaped line feed", "a=%0a", std::nullopt},
      {"an escaped NUL", "a=%00", std::nullopt},
      {"a NUL", string("a=1\0", 4), std::nullopt},
      {"not ASCII", "a=\xc3\xa4", std::nullopt},
      {"escaped, not ASCII", "a=%c3%a4", std::nullopt},
      {"a blank in a name", "a+b=1", std::nullopt},
      {"a long name", string(65, 'a') + "=1", std::nullopt},
      {"too many", many, std::nullopt},
      {"too large", "a=" + string(kFormBytesMax, 'x'), std::nullopt},
  };
  for (const auto& c : kCases) {
    const Result<Form> form = parse_form(c.text);
    EXPECT_EQ(form.has_value(), c.form.has_value()) << c.why;
    if (form && c.form) EXPECT_EQ(*form, *c.form) << c.why;
  }
}

TEST(Form, Json) {
  const struct {
    const char* why;
    string text;
    std::optional<Form> form;
  } kCases[] = {
      {"texts", R"({"a":"1","b":"x y"})", Form{{"a", "1"}, {"b", "x y"}}},
      {"null is left out", R"({"a":null,"b":"1"})", Form{{"b", "1"}}},
      {"nothing in it", "{}", Form{}},
      {"a number", R"({"a":1})", std::nullopt},
      {"an object", R"({"a":{}})", std::nullopt},
      {"twice", R"({"a":"1","a":"1"})", std::nullopt},
      {"twice, in capitals", R"({"a":"1","A":"1"})", std::nullopt},
      {"a list", R"(["a"])", std::nullopt},
      {"a line feed", R"({"a":"1\n"})", std::nullopt},
      {"not ASCII", "{\"a\":\"\xc3\xa4\"}", std::nullopt},
      {"not JSON", "a=1", std::nullopt},
  };
  for (const auto& c : kCases) {
    const Result<Form> form = parse_json_form(c.text);
    EXPECT_EQ(form.has_value(), c.form.has_value()) << c.why;
    if (form && c.form) EXPECT_EQ(*form, *c.form) << c.why;
  }
}

}  // namespace
}  // namespace sallyport::keys
