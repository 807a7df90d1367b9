// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_token.h"

#include <gtest/gtest.h>

#include "admin/test_parts.h"

namespace sallyport::admin {
namespace {

TEST(AdminToken, IsMadeOnceAndShownOnce) {
  SettingsInMemory settings;
  EXPECT_EQ(AdminToken::load(settings).error().code, Code::kNotFound);
  const auto first = ensure_admin_token(settings);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->reveal().size(), 49u);
  EXPECT_EQ((*first)->reveal().substr(0, 9), "spadmin1-");
  const auto second = ensure_admin_token(settings);
  ASSERT_TRUE(second);
  EXPECT_FALSE(*second) << "a second start shows nothing";
}

TEST(AdminToken, OnlyItsHashIsStored) {
  SettingsInMemory settings;
  const auto token = ensure_admin_token(settings);
  ASSERT_TRUE(token && *token);
  for (const auto& [name, value] : settings.values) {
    EXPECT_EQ(value.find((*token)->reveal()), std::string::npos) << name;
  }
}

TEST(AdminToken, Matches) {
  SettingsInMemory settings;
  const auto token = ensure_admin_token(settings);
  ASSERT_TRUE(token && *token);
  const auto loaded = AdminToken::load(settings);
  ASSERT_TRUE(loaded);
  const std::string good((*token)->reveal());
  EXPECT_TRUE(loaded->matches(good));
  for (const std::string& bad : {std::string(), good + "x", good.substr(1), std::string(300, 'a'),
                                 good + std::string(1, '\0')}) {
    EXPECT_FALSE(loaded->matches(bad));
  }
  EXPECT_FALSE(AdminToken().matches("")) << "a token that was never loaded matches nothing";
}

TEST(AdminToken, AReplacedTokenIsDead) {
  SettingsInMemory settings;
  const auto old_one = ensure_admin_token(settings);
  const auto new_one = replace_admin_token(settings);
  ASSERT_TRUE(old_one && *old_one && new_one);
  const auto loaded = AdminToken::load(settings);
  ASSERT_TRUE(loaded);
  EXPECT_FALSE(loaded->matches((*old_one)->reveal()));
  EXPECT_TRUE(loaded->matches(new_one->reveal()));
}

TEST(AdminToken, AStoreThatDoesNotAnswerIsNotAMissingToken) {
  SettingsInMemory settings;
  settings.broken = true;
  EXPECT_EQ(ensure_admin_token(settings).error().code, Code::kUnavailable);
  EXPECT_EQ(AdminToken::load(settings).error().code, Code::kUnavailable);
}

TEST(AdminToken, ADamagedSettingIsCorrupt) {
  for (const char* text : {"", "1:", "1:00:00", "2:00:00", "1:zz:zz", "nonsense"}) {
    SettingsInMemory settings;
    settings.values["admin_token"] = text;
    EXPECT_EQ(AdminToken::load(settings).error().code, Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace sallyport::admin
