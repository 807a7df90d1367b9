// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_tokens.h"

#include <gtest/gtest.h>

#include "admin/test_parts.h"

namespace sallyport::admin {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class AdminTokensTest : public ::testing::Test {
 protected:
  std::string make(std::string_view name, Role role = Role::kViewer,
                   milliseconds life = AdminTokens::kLife) {
    auto made = tokens_.create(name, role, life, "local:test");
    EXPECT_TRUE(made) << made.error().what;
    return made ? std::string(made->text.reveal()) : "";
  }
  ManualClock clock_{*parse_utc("2026-11-24T12:00:00Z")};
  SettingsInMemory settings_;
  AdminTokens tokens_{settings_, clock_};
};

TEST_F(AdminTokensTest, LivesUntilItsEndAndNotAMomentLonger) {
  const std::string text = make("ci", Role::kOperator, hours(1));
  const auto known = tokens_.match(text);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->name, "ci");
  EXPECT_EQ(known->role, Role::kOperator);
  clock_.advance(hours(1) - milliseconds(1));
  EXPECT_TRUE(tokens_.match(text));
  clock_.advance(milliseconds(1));
  EXPECT_FALSE(tokens_.match(text));
}

TEST_F(AdminTokensTest, IsDeadAtOnceWhenRevokedAlsoOnABrokenDisk) {
  const std::string text = make("ci");
  settings_.broken = true;
  const auto done = tokens_.revoke("ci", "local:test");
  ASSERT_TRUE(done) << done.error().what;
  EXPECT_FALSE(done->durable);
  EXPECT_FALSE(tokens_.match(text));
  EXPECT_FALSE(tokens_.refresh());
  EXPECT_FALSE(tokens_.match(text)) << "a store that is silent revives nothing";
  settings_.broken = false;
  ASSERT_TRUE(tokens_.refresh());
  EXPECT_FALSE(tokens_.match(text)) << "the store's old word revives nothing";
  AdminTokens restarted(settings_, clock_);
  ASSERT_TRUE(restarted.refresh());
  EXPECT_FALSE(restarted.match(text)) << "it became durable";
}

// The command line makes one while the server starts: each has read before the other wrote.
TEST_F(AdminTokensTest, TwoProcessesLoseNothingOfEachOther) {
  AdminTokens other(settings_, clock_);
  const std::string mine = make("mine");
  settings_.meanwhile = [&] {
    ASSERT_TRUE(other.create("theirs", Role::kViewer, hours(1), "cli"));
  };
  ASSERT_TRUE(tokens_.create("second", Role::kViewer, hours(1), "local:test"));
  EXPECT_EQ(tokens_.list().size(), 3u);

  settings_.meanwhile = [&] { ASSERT_TRUE(other.revoke("theirs", "cli")); };
  const auto done = tokens_.revoke("mine", "local:test");
  ASSERT_TRUE(done);
  EXPECT_TRUE(done->durable);
  AdminTokens restarted(settings_, clock_);
  ASSERT_TRUE(restarted.refresh());
  EXPECT_FALSE(restarted.match(mine));
  for (const AdminTokenInfo& token : restarted.list()) {
    EXPECT_EQ(token.revoked_at.has_value(), token.name != "second") << token.name;
  }
}

TEST_F(AdminTokensTest, SurvivesARestartAsAHashOnly) {
  const std::string text = make("ci");
  for (const auto& [name, value] : settings_.values) {
    EXPECT_FALSE(value.contains(text.substr(text.size() - 40))) << "the secret part";
  }
  AdminTokens restarted(settings_, clock_);
  EXPECT_FALSE(restarted.match(text));
  ASSERT_TRUE(restarted.refresh());
  EXPECT_TRUE(restarted.match(text));
}

TEST_F(AdminTokensTest, EveryOtherTextIsWrong) {
  const std::string text = make("ci");
  EXPECT_FALSE(tokens_.match(""));
  EXPECT_FALSE(tokens_.match(text + "x"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = other[i] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(tokens_.match(other)) << i;
    EXPECT_FALSE(tokens_.match(text.substr(0, i))) << i;
  }
}

struct BadSpec {
  const char* why;
  std::string name;
  milliseconds life;
  Code code;
};

TEST_F(AdminTokensTest, SpecsThatAreWrong) {
  make("taken");
  const BadSpec kCases[] = {
      {"no name", "", hours(1), Code::kInvalid},
      {"a name with a slash", "a/b", hours(1), Code::kInvalid},
      {"no life", "a", milliseconds(0), Code::kInvalid},
      {"longer than thirty days", "a", hours(24 * 30) + milliseconds(1), Code::kInvalid},
      {"a name that lives", "taken", hours(1), Code::kDenied},
  };
  for (const BadSpec& bad : kCases) {
    const auto made = tokens_.create(bad.name, Role::kAdmin, bad.life, "local:test");
    ASSERT_FALSE(made) << bad.why;
    EXPECT_EQ(made.error().code, bad.code) << bad.why;
  }
  EXPECT_EQ(tokens_.list().size(), 1u);
}

TEST_F(AdminTokensTest, ANameIsFreeAgainWhenItsTokenIsDead) {
  const std::string first = make("ci");
  ASSERT_TRUE(tokens_.revoke("ci", "local:test"));
  const std::string second = make("ci");
  EXPECT_FALSE(tokens_.match(first));
  EXPECT_TRUE(tokens_.match(second));
  ASSERT_TRUE(tokens_.revoke("ci", "local:test"));
  EXPECT_FALSE(tokens_.match(second)) << "the living one of that name is meant";
}

TEST_F(AdminTokensTest, ThereIsALimit) {
  for (std::size_t i = 0; i < AdminTokens::kTokensMax; ++i) make("t" + std::to_string(i));
  const auto made = tokens_.create("one-more", Role::kViewer, hours(1), "local:test");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, Code::kExhausted);
  ASSERT_TRUE(tokens_.revoke("t0", "local:test"));
  EXPECT_TRUE(tokens_.create("one-more", Role::kViewer, hours(1), "local:test"));
}

TEST_F(AdminTokensTest, TheDeadLeaveTheListAfterThirtyDays) {
  make("old", Role::kViewer, hours(1));
  clock_.advance(hours(24 * 31 + 2));
  make("new");
  ASSERT_EQ(tokens_.list().size(), 1u);
  EXPECT_EQ(tokens_.list()[0].name, "new");
}

TEST_F(AdminTokensTest, ASettingThatCannotBeReadIsNotAnEmptyList) {
  const std::string text = make("ci");
  const std::string good = settings_.values["admin_tokens"];
  for (const char* bad :
       {"", "{}", "[]", R"({"version":2,"tokens":[]})", R"({"version":1,"tokens":[{"id":"x"}]})"}) {
    settings_.values["admin_tokens"] = bad;
    const auto read = tokens_.refresh();
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, Code::kCorrupt) << bad;
    EXPECT_TRUE(tokens_.match(text)) << "what is known stays";
    EXPECT_FALSE(tokens_.create("more", Role::kViewer, hours(1), "x")) << "nothing is overwritten";
  }
}

}  // namespace
}  // namespace sallyport::admin
