// SPDX-License-Identifier: Apache-2.0
#include "policy/model_list.h"

#include <gtest/gtest.h>

namespace sallyport::policy {
namespace {

bool only_gpt(std::string_view model) { return model.starts_with("gpt-"); }

struct Case {
  const char* list;
  const char* cut;  // null: refused
};

const Case kCases[] = {
    {R"({"object":"list","data":[{"id":"gpt-5","x":[1,{"y":"]}"}]},{"id":"o9"},{"id":"gpt-4"}]})",
     R"({"object":"list","data":[{"id":"gpt-5","x":[1,{"y":"]}"}]},{"id":"gpt-4"}]})"},
    {R"({ "data" : [ { "object":"model", "id" : "o9" } ] , "has_more":false })",
     R"({ "data" : [] , "has_more":false })"},
    {R"({"data":[]})", R"({"data":[]})"},
    {R"({"data":[{"id":"gpt-\u0035"}]})", R"({"data":[{"id":"gpt-\u0035"}]})"},
    {R"({"data":[{"name":"a\"]","id":"o9"},{"id":"gpt-1"}]})", R"({"data":[{"id":"gpt-1"}]})"},
    {R"({"data":[{"id":5}]})", nullptr},
    {R"({"data":["gpt-5"]})", nullptr},
    {R"({"data":{}})", nullptr},
    {R"({"models":[]})", nullptr},
    {R"({"data":[{"id":"gpt-5"}])", nullptr},
    {R"([{"id":"gpt-5"}])", nullptr},
    {"", nullptr},
};

TEST(ModelList, KeepsOnlyWhatIsAllowed) {
  for (const Case& c : kCases) {
    const auto cut = cut_model_list(c.list, only_gpt);
    if (c.cut == nullptr) {
      EXPECT_FALSE(cut) << c.list;
    } else {
      ASSERT_TRUE(cut) << c.list;
      EXPECT_EQ(*cut, c.cut);
    }
  }
}

}  // namespace
}  // namespace sallyport::policy
