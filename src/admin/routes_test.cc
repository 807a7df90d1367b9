// SPDX-License-Identifier: Apache-2.0
#include "admin/routes.h"

#include <gtest/gtest.h>

#include "admin/envelope.h"

namespace sallyport::admin {
namespace {

using Names = std::vector<std::string>;

struct PathCase {
  const char* why;
  const char* pattern;
  const char* path;
  std::optional<Names> names;
};

TEST(Routes, PathsAndPatterns) {
  const PathCase kCases[] = {
      {"the same", "/a/b", "/a/b", Names{}},
      {"another", "/a/b", "/a/c", std::nullopt},
      {"longer", "/a/b", "/a/b/c", std::nullopt},
      {"shorter", "/a/b", "/a", std::nullopt},
      {"a slash at the end is another path", "/a/b", "/a/b/", std::nullopt},
      {"a beginning of a segment", "/a/b", "/a/bc", std::nullopt},
      {"a name", "/keys/{key}", "/keys/app", Names{"app"}},
      {"an empty name", "/keys/{key}", "/keys/", std::nullopt},
      {"two names", "/a/{x}/b/{y}", "/a/1/b/2", Names{"1", "2"}},
      {"a name takes one segment", "/keys/{key}", "/keys/a/b", std::nullopt},
      {"a rest of one", "/layers/{path...}", "/layers/acme", Names{"acme"}},
      {"a rest of three", "/layers/{path...}", "/layers/a/b/c", Names{"a/b/c"}},
      {"a rest in the middle", "/layers/{path...}/revoke", "/layers/a/b/revoke", Names{"a/b"}},
      {"a rest needs one", "/layers/{path...}/revoke", "/layers/revoke", std::nullopt},
      {"an empty rest", "/layers/{path...}", "/layers/", std::nullopt},
      {"a rest that ends in a slash", "/layers/{path...}", "/layers/a/", std::nullopt},
      {"no slash in front", "/a", "a", std::nullopt},
      {"nothing", "/a", "", std::nullopt},
  };
  for (const PathCase& c : kCases) EXPECT_EQ(match_path(c.pattern, c.path), c.names) << c.why;
}

Route route(std::string_view method, std::string_view path) {
  return {.method = method,
          .path = path,
          .act = method == "GET" ? "" : "test.act",
          .summary = "A test.",
          .handle = [](AdminRequest) { return at_once(json_answer(200, "{}")); }};
}

TEST(Routes, TheMostLiteralRouteWinsWhateverTheOrder) {
  Routes routes;
  routes.add(route("GET", "/keys/{key}"));
  routes.add(route("GET", "/keys/special"));
  routes.add(route("POST", "/keys/{key}"));
  EXPECT_EQ(routes.find("GET", "/keys/special")->route->path, "/keys/special");
  EXPECT_EQ(routes.find("GET", "/keys/other")->route->path, "/keys/{key}");
  EXPECT_FALSE(routes.find("PUT", "/keys/other"));
  EXPECT_EQ(routes.methods_of("/keys/other"), "GET, POST");
  EXPECT_EQ(routes.methods_of("/nothing"), "");
}

TEST(Routes, WhoForgetsTheRoleGetsTheHighest) { EXPECT_EQ(Route().least, Role::kAdmin); }

TEST(RoutesDeathTest, ABadRowEndsTheProgram) {
  Routes routes;
  routes.add(route("GET", "/a"));
  EXPECT_DEATH(routes.add(route("GET", "/a")), "");
  Route silent = route("POST", "/b");
  silent.act = {};
  EXPECT_DEATH(routes.add(silent), "") << "a change without a name in the record";
  Route loud = route("GET", "/b");
  loud.act = "b.read";
  EXPECT_DEATH(routes.add(loud), "");
  Route empty = route("GET", "/b");
  empty.handle = {};
  EXPECT_DEATH(routes.add(empty), "");
  Route open = route("POST", "/d");
  open.act = "open.change";
  open.open = true;
  EXPECT_DEATH(routes.add(open), "") << "who changes something has a name";
}

TEST(Roles, EachMayDoWhatTheOneBeforeMay) {
  EXPECT_LT(Role::kViewer, Role::kOperator);
  EXPECT_LT(Role::kOperator, Role::kAdmin);
  for (const Role role : {Role::kViewer, Role::kOperator, Role::kAdmin}) {
    EXPECT_EQ(parse_role(name(role)), role);
  }
  EXPECT_FALSE(parse_role("Admin"));
  EXPECT_FALSE(parse_role(""));
}

}  // namespace
}  // namespace sallyport::admin
