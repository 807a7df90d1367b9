// SPDX-License-Identifier: Apache-2.0
// The admin API over real sockets: a loopback listener and a UNIX socket on one loop.
#include "admin/admin_api.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "admin/envelope.h"
#include "admin/house_for_test.h"
#include "admin/key_json.h"
#include "admin/open_metrics.h"
#include "admin/peer_user.h"

namespace sallyport::admin {
namespace {

class AdminApiTest : public AdminHouse {};

TEST_F(AdminApiTest, LivelinessNeedsNothing) {
  const Answer answer = tcp({.path = "/health/liveliness"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "alive\n");
}

TEST_F(AdminApiTest, ReadinessTellsWhatIsWrong) {
  EXPECT_EQ(tcp({.path = "/health/readiness"}).status, 200);
  recorder_.breaks(true);
  const Answer answer = tcp({.path = "/health/readiness"});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.text("status"), "not_ready");
  const auto checks = answer.json().at("checks")->items();
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].at("name")->string(), "journal");
  EXPECT_EQ(checks[0].at("detail")->string(), "cannot write");
}

TEST_F(AdminApiTest, ReadinessHasTheNameThatOrchestratorsAskFor) {
  EXPECT_EQ(tcp({.path = "/readyz"}).status, 200);
  EXPECT_EQ(tcp({.method = "POST", .path = "/readyz"}).status, 405);
  sick_.ok = false;
  EXPECT_EQ(tcp({.path = "/readyz"}).status, 503);
}

class OpenRouteTest : public AdminHouse {
 protected:
  void configure(Config&, AdminParts& parts) override {
    parts.more.push_back([](Routes& routes) {
      for (const bool open : {true, false}) {
        routes.add({.method = "GET",
                    .path = open ? "/public/{name}" : "/private",
                    .least = Role::kViewer,
                    .summary = "A page.",
                    .handle =
                        [](AdminRequest request) {
                          return at_once(json_answer(200, "\"" + request.caller.name + "\""));
                        },
                    .open = open});
      }
    });
  }
};

// A public document is there for whoever asks; pages of other origins and foreign names are still
// refused, and nothing beside it opens.
TEST_F(OpenRouteTest, NeedsNobodysName) {
  const Answer answer = tcp({.path = "/public/keys"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "\"\"");
  EXPECT_EQ(tcp({.path = "/public/keys", .extra = "authorization: Bearer wrong\r\n"}).status, 200);
  EXPECT_EQ(tcp({.path = "/private"}).status, 401);
  EXPECT_EQ(tcp({.path = "/public"}).status, 401);
  EXPECT_EQ(tcp({.method = "POST", .path = "/public/keys"}).status, 401);
  EXPECT_EQ(tcp({.path = "/public/keys", .extra = "origin: https://evil.example\r\n"}).status, 403);
}

TEST_F(AdminApiTest, OnlyEssentialChecksCount) {
  sick_.ok = false;
  EXPECT_EQ(tcp({.path = "/health/readiness"}).status, 503);
  sick_.essential = false;
  EXPECT_EQ(tcp({.path = "/health/readiness"}).status, 200);
}

TEST_F(AdminApiTest, MetricsAreOpenFromThisHost) {
  const Answer answer = tcp({.path = "/metrics"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.head.find(std::string(kOpenMetricsType)), std::string::npos) << answer.head;
  EXPECT_NE(answer.body.find("sallyport_requests_total{status=\"200\"} 7\n"), std::string::npos);
  EXPECT_TRUE(answer.body.ends_with("# EOF\n"));
}

struct Refused {
  const char* why;
  Ask ask;
  int status;
  const char* code;
};

TEST_F(AdminApiTest, WhoIsNotLetIn) {
  const std::string bearer = "authorization: Bearer ";
  const Refused kCases[] = {
      {"no token", {.path = "/admin/v1/keys"}, 401, "invalid_admin_token"},
      {"wrong token",
       {.path = "/admin/v1/keys", .extra = bearer + "spadmin1-wrong\r\n"},
       401,
       "invalid_admin_token"},
      {"token cut short",
       {.path = "/admin/v1/keys", .extra = bearer + token_.substr(0, 40) + "\r\n"},
       401,
       "invalid_admin_token"},
      {"other scheme",
       {.path = "/admin/v1/keys", .extra = "authorization: Basic " + token_ + "\r\n"},
       401,
       "invalid_admin_token"},
      {"a rebound name",
       {.path = "/health/liveliness", .host = "evil.example.com"},
       403,
       "forbidden_host"},
      {"a name that begins like ours",
       {.path = "/metrics", .host = "localhost.evil.example.com:9443"},
       403,
       "forbidden_host"},
      {"a foreign address", {.path = "/metrics", .host = "203.0.113.9"}, 403, "forbidden_host"},
      {"a page of another origin",
       with_token({.path = "/admin/v1/keys", .extra = "origin: https://evil.example.com\r\n"}), 403,
       "forbidden_origin"},
      {"an unknown page, with a token", with_token({.path = "/admin/v2"}), 404, "not_found"},
      {"a form",
       with_token({.method = "POST",
                   .path = "/admin/v1/keys",
                   .extra = "content-type: text/plain\r\n",
                   .body = "{}"}),
       415, "unsupported_media_type"},
      {"another method", with_token({.method = "DELETE", .path = "/admin/v1/keys"}), 405,
       "method_not_allowed"},
      {"a new token over the network", with_token({.method = "POST", .path = "/admin/v1/token"}),
       403, "local_only"},
  };
  for (const Refused& refused : kCases) {
    const Answer answer = tcp(refused.ask);
    EXPECT_EQ(answer.status, refused.status) << refused.why;
    EXPECT_EQ(answer.code(), refused.code) << refused.why;
    EXPECT_NE(answer.head.find("x-request-id: req_"), std::string::npos) << refused.why;
  }
}

TEST_F(AdminApiTest, NamesThatAreServed) {
  for (const char* host :
       {"localhost", "LOCALHOST:9443", "127.0.0.1:1", "[::1]:9443", "sallyport.internal:9443"}) {
    EXPECT_EQ(tcp({.path = "/health/liveliness", .host = host}).status, 200) << host;
  }
}

TEST_F(AdminApiTest, AKeyIsCreatedShownOnceListedAndRevoked) {
  const Answer made =
      tcp(with_token(create(R"({"name":"user_42_readonly","life":"2h",)"
                            R"("endpoints":["GET /v1/models"],"owner":"support"})")));
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string key = made.text("key");
  EXPECT_EQ(key.size(), keys::kKeyBytes);
  EXPECT_EQ(made.text("expires_at"), "2026-11-24T14:00:00.000Z");
  EXPECT_NE(made.head.find("cache-control: no-store"), std::string::npos);

  const Answer listed = tcp(with_token({.path = "/admin/v1/keys"}));
  EXPECT_EQ(listed.status, 200);
  EXPECT_EQ(listed.json().at("data")->items().size(), 1u);
  const Answer shown = tcp(with_token({.path = "/admin/v1/keys/user_42_readonly"}));
  EXPECT_EQ(shown.text("status"), "active");
  for (const std::string& body : {listed.body, shown.body}) {
    EXPECT_EQ(body.find(key), std::string::npos) << "the key is shown only once";
    EXPECT_EQ(body.find(key.substr(20)), std::string::npos);
  }
  const Answer revoked = tcp(with_token(revoke("user_42_readonly")));
  EXPECT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(tcp(with_token({.path = "/admin/v1/keys/" + made.text("kid")})).text("status"),
            "revoked");

  const auto events = recorder_.events();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].kind, Kind::kAdmin);
  EXPECT_EQ(events[0].action, "key.create");
  EXPECT_EQ(events[0].actor, "admin_token");
  EXPECT_EQ(events[0].ip, "127.0.0.1");
  EXPECT_EQ(events[0].kid, made.text("kid"));
  EXPECT_EQ(events[1].action, "key.revoke");
  EXPECT_NE(events[1].detail->find("seen in a paste"), std::string::npos);
  for (const Event& event : events) {
    EXPECT_TRUE(JsonValue::parse(*event.detail)) << *event.detail;
    EXPECT_EQ(event.detail->find(key.substr(20)), std::string::npos) << "no part of the secret";
  }
}

TEST_F(AdminApiTest, TheSocketNeedsNoToken) {
  struct stat info{};
  ASSERT_EQ(::stat(socket_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const Answer made = local(create(R"({"name":"app"})"));
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(recorder_.events().at(0).actor, own_user()) << "the peer's user, from the kernel";
}

struct BadBody {
  const char* why;
  const char* body;
  int status;
  const char* code;
};

TEST_F(AdminApiTest, BodiesThatAreNoKeys) {
  const BadBody kCases[] = {
      {"nothing", "", 400, "invalid_key_spec"},
      {"not JSON", "{", 400, "invalid_key_spec"},
      {"a list", "[]", 400, "invalid_key_spec"},
      {"no name", R"({"life":"1h"})", 400, "invalid_key_spec"},
      {"a mistyped limit", R"({"name":"a","endpoint":["GET /v1/models"]})", 400,
       "invalid_key_spec"},
      {"a life that is none", R"({"name":"a","life":"forever"})", 400, "invalid_key_spec"},
      {"longer than allowed", R"({"name":"a","life":"48h"})", 400, "invalid_key_spec"},
      {"text for a list", R"({"name":"a","models":"gpt-5"})", 400, "invalid_key_spec"},
      {"a bad name", R"({"name":"a/b"})", 400, "invalid_key_spec"},
      {"twice the same member", R"({"name":"a","name":"b"})", 400, "invalid_key_spec"},
  };
  for (const BadBody& bad : kCases) {
    const Answer answer = local(create(bad.body));
    EXPECT_EQ(answer.status, bad.status) << bad.why << ": " << answer.body;
    EXPECT_EQ(answer.code(), bad.code) << bad.why;
  }
  EXPECT_TRUE(ring_->list().empty());
}

TEST_F(AdminApiTest, ANameIsGivenOnce) {
  EXPECT_EQ(local(create(R"({"name":"app"})")).status, 201);
  const Answer second = local(create(R"({"name":"app"})"));
  EXPECT_EQ(second.status, 409);
  EXPECT_EQ(second.code(), "name_taken");
}

TEST_F(AdminApiTest, UnknownKeys) {
  for (const char* name : {"nobody", "revoke", "a/b"}) {
    EXPECT_EQ(local({.path = std::string("/admin/v1/keys/") + name}).status, 404) << name;
  }
  EXPECT_EQ(local(revoke("nobody")).status, 404);
}

TEST_F(AdminApiTest, WithoutAJournalNothingIsCreatedButRevokingWorks) {
  const Answer made = local(create(R"({"name":"app"})"));
  ASSERT_EQ(made.status, 201);
  recorder_.breaks(true);
  const Answer refused = local(create(R"({"name":"second"})"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.code(), "journal_unavailable");
  EXPECT_FALSE(ring_->show("second"));

  const Answer revoked = local(revoke("app"));
  EXPECT_EQ(revoked.status, 200);
  EXPECT_EQ(revoked.json().at("recorded")->boolean(), false);
  EXPECT_FALSE(ring_->alive(made.text("kid"), clock_.now())) << "fails safe: the key is dead";
}

TEST_F(AdminApiTest, ANewTokenKillsTheOldOne) {
  const Answer made = local({.method = "POST", .path = "/admin/v1/token"});
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(tcp(with_token({.path = "/admin/v1/status"})).status, 401);
  token_ = made.text("token");
  const Answer status = tcp(with_token({.path = "/admin/v1/status"}));
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.text("version"), "1.2.3");
}

TEST_F(AdminApiTest, RefusalsAreRecordedWithoutWhatWasTyped) {
  tcp({.path = "/admin/v1/keys", .extra = "authorization: Bearer canary-canary\r\n"});
  tcp({.path = "/canary-in-the-path"});
  const auto events = recorder_.events();
  ASSERT_EQ(events.size(), 2u);
  for (const Event& event : events) {
    EXPECT_EQ(event.action, "admin.refused");
    EXPECT_EQ(event.error, "invalid_admin_token");
    EXPECT_EQ(event.endpoint.find("canary"), std::string::npos);
  }
}

TEST(KeyJson, ASpecSurvivesTheRoundTrip) {
  keys::KeySpec spec;
  spec.name = "app";
  spec.owner = "team \"a\"";
  spec.life = std::chrono::hours(3);
  spec.restrictions.endpoints = {"POST /v1/responses"};
  spec.restrictions.models = {"gpt-5*", "gpt-4.1"};
  spec.scope.modules = {"etl"};
  spec.scope.purposes = {"support"};
  spec.scope.module = "etl";
  spec.scope.purpose = "support";
  spec.scope.upstream = "azure";
  spec.scope.may_name_organization = true;
  const std::string written = write_key_spec(spec);
  const auto read = parse_key_spec(written);
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(write_key_spec(*read), written);
  EXPECT_EQ(read->life, spec.life);
  EXPECT_EQ(read->scope.upstream, "azure");
}

}  // namespace
}  // namespace sallyport::admin
