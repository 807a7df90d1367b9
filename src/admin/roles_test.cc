// SPDX-License-Identifier: Apache-2.0
// Invariants of the table of routes, walked route by route over real sockets: nobody gets in
// without a name, nobody above his role, and every attempt to change something leaves a record.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "admin/house_for_test.h"
#include "admin/litellm_routes.h"
#include "admin/peer_user.h"

namespace sallyport::admin {
namespace {

constexpr Role kRoles[] = {Role::kViewer, Role::kOperator, Role::kAdmin};

class RolesTest : public AdminHouse {
 protected:
  // The routes that only a configuration brings stand in the same walk.
  void configure(Config&, AdminParts& parts) override {
    parts.more.push_back([parts](Routes& routes) {
      add_litellm_routes(routes,
                         {.loop = parts.loop,
                          .offload = parts.offload,
                          .keys = parts.keys,
                          .clock = parts.clock,
                          .acts = KeyActs(parts.keys, parts.recorder, parts.clock),
                          .rotation = RotationActs(parts.keys, parts.recorder, parts.clock)});
    });
  }
  void SetUp() override {
    AdminHouse::SetUp();
    for (const Role role : kRoles) tokens_.push_back(make_token(name(role), name(role)));
  }
  std::string make_token(std::string_view called, std::string_view role, std::string life = "8h") {
    const Answer made = local({.method = "POST",
                               .path = "/admin/v1/tokens",
                               .extra = "content-type: application/json\r\n",
                               .body = R"({"name":")" + std::string(called) + R"(","role":")" +
                                       std::string(role) + R"(","life":")" + life + "\"}"});
    EXPECT_EQ(made.status, 201) << made.body;
    return made.text("token");
  }
  static Ask ask_of(const Route& route) {
    std::string path(route.path);
    for (std::size_t at = 0; (at = path.find('{')) != std::string::npos;) {
      path.replace(at, path.find('}', at) - at + 1, "nobody");
    }
    return {.method = std::string(route.method), .path = path};
  }
  Answer as(Role role, Ask ask) {
    ask.extra += "authorization: Bearer " + tokens_[static_cast<std::size_t>(role)] + "\r\n";
    return tcp(ask);
  }
  static std::string title(const Route& route) {
    return std::string(route.method) + " " + std::string(route.path);
  }

  std::vector<std::string> tokens_;  // by role
};

TEST_F(RolesTest, EveryRouteHasARoleAndAnActIfItChanges) {
  ASSERT_GE(api_->routes().all().size(), 10u);
  for (const Route& route : api_->routes().all()) {
    EXPECT_NE(name(route.least), "unknown") << title(route);
    EXPECT_EQ(route.act.empty(), route.method == "GET") << title(route);
    if (route.method != "GET" && route.path != "/admin/v1/logout") {
      EXPECT_GE(route.least, Role::kOperator) << title(route) << ": a viewer changes nothing";
    }
  }
}

TEST_F(RolesTest, NoRouteIsReachedWithoutAName) {
  for (const Route& route : api_->routes().all()) {
    clock_.advance(std::chrono::seconds(1));  // a flood would be folded
    const std::size_t before = recorder_.events().size();
    Ask forged = ask_of(route);
    forged.extra = "authorization: Bearer spadmin1-AAAAAAAAAAAA-" + std::string(40, 'A') + "\r\n";
    for (const Ask& ask : {ask_of(route), forged}) {
      const Answer answer = tcp(ask);
      EXPECT_EQ(answer.status, 401) << title(route);
      EXPECT_EQ(answer.code(), "invalid_admin_token") << title(route);
    }
    const auto events = recorder_.events();
    ASSERT_EQ(events.size(), before + 2) << title(route);
    EXPECT_EQ(events.back().action, "admin.refused") << title(route);
    EXPECT_EQ(events.back().endpoint, title(route));
    EXPECT_EQ(events.back().ip, "127.0.0.1") << title(route);
    EXPECT_EQ(events.back().status, 401) << title(route);
  }
}

TEST_F(RolesTest, NoRouteIsReachedBelowItsRole) {
  for (const Route& route : api_->routes().all()) {
    for (const Role role : kRoles) {
      const std::size_t before = recorder_.events().size();
      const Answer answer = as(role, ask_of(route));
      EXPECT_NE(answer.status, 401) << title(route);
      EXPECT_EQ(answer.code() == "role_too_low", role < route.least)
          << title(route) << " as " << name(role) << ": " << answer.body;
      if (role >= route.least) continue;
      EXPECT_EQ(answer.status, 403) << title(route);
      const auto events = recorder_.events();
      ASSERT_EQ(events.size(), before + 1) << title(route);
      EXPECT_EQ(events.back().action, "admin.refused");
      EXPECT_EQ(events.back().status, 403);
      EXPECT_EQ(events.back().actor, "token:" + std::string(name(role))) << title(route);
    }
  }
}

TEST_F(RolesTest, EveryAttemptToChangeSomethingLeavesARecord) {
  for (const Route& route : api_->routes().all()) {
    if (route.act.empty()) continue;
    const std::size_t before = recorder_.events().size();
    const Answer answer = as(Role::kAdmin, ask_of(route));
    EXPECT_GE(answer.status, 400) << title(route) << ": nothing was said to be changed";
    const auto events = recorder_.events();
    ASSERT_EQ(events.size(), before + 1) << title(route) << ": " << answer.body;
    EXPECT_EQ(events.back().action, route.act) << title(route);
    EXPECT_EQ(events.back().actor, "token:admin") << title(route);
    EXPECT_EQ(events.back().ip, "127.0.0.1") << title(route);
    EXPECT_EQ(events.back().status, answer.status) << title(route);
    EXPECT_EQ(events.back().error, answer.code()) << title(route);
  }
}

TEST_F(RolesTest, TheManualListsEveryRoute) {
  const std::string path = std::string(SALLYPORT_SOURCE_DIR) + "/docs/admin-api.md";
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  std::string page = text.str();
  const std::string begin = "<!-- routes: written by admin_test -->\n", end = "<!-- end -->";
  const std::size_t from = page.find(begin), to = page.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos) << "the marks are missing";
  const std::size_t start = from + begin.size();
  const std::string table = routes_manual(api_->routes().all());
  if (std::getenv("SALLYPORT_GOLDEN_WRITE") != nullptr) {
    std::ofstream(path) << page.substr(0, start) + table + page.substr(to);
    return;
  }
  EXPECT_EQ(page.substr(start, to - start), table)
      << "stale: SALLYPORT_GOLDEN_WRITE=1 build/dev/admin_test writes it anew";
}

TEST_F(RolesTest, ATokenIsShownOnceListedAndDeadWhenRevoked) {
  const std::string token = make_token("ci", "viewer", "2h");
  const Ask me{.path = "/admin/v1/me", .extra = "authorization: Bearer " + token + "\r\n"};
  const Answer known = tcp(me);
  EXPECT_EQ(known.text("name"), "token:ci");
  EXPECT_EQ(known.text("role"), "viewer");
  EXPECT_EQ(known.text("until"), "2026-11-24T14:00:00.000Z");

  const Answer listed = as(Role::kAdmin, {.path = "/admin/v1/tokens"});
  EXPECT_EQ(listed.json().at("data")->items().size(), 4u);
  EXPECT_FALSE(listed.body.contains(token.substr(token.size() - 40)));

  const Answer revoked = as(Role::kAdmin, {.method = "POST", .path = "/admin/v1/tokens/ci/revoke"});
  EXPECT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(revoked.text("status"), "revoked");
  EXPECT_EQ(tcp(me).status, 401);
  const auto events = recorder_.events();
  std::vector<Event> acts;
  for (const Event& event : events) {
    if (event.action == "admin_token.create" || event.action == "admin_token.revoke") {
      acts.push_back(event);
    }
    EXPECT_FALSE(event.detail.value_or("").contains(token.substr(token.size() - 40)));
  }
  ASSERT_EQ(acts.size(), 5u);
  EXPECT_EQ(acts[3].actor, own_user());
  EXPECT_EQ(acts[4].actor, "token:admin");
  const auto detail = JsonValue::parse(*acts[4].detail);
  EXPECT_EQ(detail->at("before")->at("status")->string(), "active");
  EXPECT_EQ(detail->at("after")->at("status")->string(), "revoked");
}

TEST_F(RolesTest, ATokenEndsByItself) {
  const std::string token = make_token("short", "viewer", "1m");
  const Ask me{.path = "/admin/v1/me", .extra = "authorization: Bearer " + token + "\r\n"};
  EXPECT_EQ(tcp(me).status, 200);
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(tcp(me).status, 401);
}

TEST_F(RolesTest, ATokenThatCannotBeRecordedDoesNotLive) {
  recorder_.breaks(true);
  const Answer made = local({.method = "POST",
                             .path = "/admin/v1/tokens",
                             .extra = "content-type: application/json\r\n",
                             .body = R"({"name":"silent","role":"admin"})"});
  EXPECT_EQ(made.status, 503);
  EXPECT_EQ(made.code(), "journal_unavailable");
  recorder_.breaks(false);
  EXPECT_EQ(as(Role::kAdmin, {.path = "/admin/v1/tokens"}).json().at("data")->items().size(), 3u);
}

TEST_F(RolesTest, ANewFirstTokenIsRecorded) {
  ASSERT_EQ(local({.method = "POST", .path = "/admin/v1/token"}).status, 201);
  EXPECT_EQ(recorder_.events().back().action, "admin_token.replace");
  EXPECT_EQ(recorder_.events().back().actor, own_user());
  recorder_.breaks(true);
  EXPECT_EQ(local({.method = "POST", .path = "/admin/v1/token"}).status, 503);
}

TEST_F(RolesTest, TheSocketIsItsUser) {
  const Answer me = local({.path = "/admin/v1/me"});
  EXPECT_EQ(me.text("role"), "admin");
  EXPECT_EQ(me.text("name"), own_user());
  EXPECT_TRUE(own_user().starts_with("local:"));
}

}  // namespace
}  // namespace sallyport::admin
