// SPDX-License-Identifier: Apache-2.0
// Login of people against a provider that is strict with us, over real sockets.
#include "admin/oidc_login.h"

#include <gtest/gtest.h>

#include "admin/house_for_test.h"
#include "admin/oidc_for_test.h"

namespace sallyport::admin {
namespace {

class OidcLoginTest : public AdminHouse {
 protected:
  void SetUp() override {
    provider_ = std::make_unique<OidcForTest>(clock_);
    AdminHouse::SetUp();
  }
  void configure(Config& config, AdminParts&) override {
    config.oidc.issuer = provider_->issuer();
    config.oidc.client_id = "sallyport";
    config.oidc.client_secret = std::make_shared<const Secret>(OidcForTest::kClientSecret);
    config.oidc.redirect_url = OidcForTest::kRedirect;
    config.viewers = {"staff"};
    config.operators = {"soc", "email:op@example.com"};
    config.admins = {"sub:1000"};
  }

  struct Begun {
    std::string cookie, location;
  };
  Begun begin() {
    const Answer answer = tcp({.path = "/admin/login"});
    EXPECT_EQ(answer.status, 302) << answer.body;
    return {cookie_of(answer, "sallyport-login"), header_of(answer, "location")};
  }
  Answer come_back(const std::string& cookie, const std::string& query) {
    return tcp({.path = "/admin/callback?" + query,
                .extra = "cookie: " + cookie + "\r\nsec-fetch-site: cross-site\r\n"});
  }
  Answer log_in(const OidcForTest::Token& token) {
    provider_->says(token);
    const Begun begun = begin();
    return come_back(begun.cookie, provider_->visit(begun.location));
  }
  static std::string header_of(const Answer& answer, const std::string& name) {
    const std::size_t at = answer.head.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    const std::size_t start = at + name.size() + 4;
    return answer.head.substr(start, answer.head.find("\r\n", start) - start);
  }
  // "name=value" of Set-Cookie.
  static std::string cookie_of(const Answer& answer, const std::string& name) {
    const std::size_t at = answer.head.find("set-cookie: " + name + "=");
    if (at == std::string::npos) return "";
    const std::size_t start = at + 12;
    return answer.head.substr(start, answer.head.find(';', start) - start);
  }
  std::string session(const OidcForTest::Token& token) {
    const Answer answer = log_in(token);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return "cookie: " + cookie_of(answer, "sallyport") + "\r\n";
  }
  std::string last_reason() {
    const auto detail = recorder_.events().back().detail.value_or("{}");
    const auto why = JsonValue::parse(detail)->at("why");
    return std::string(why ? why->string().value_or("") : "");
  }

  std::unique_ptr<OidcForTest> provider_;
};

struct GoodLogin {
  const char* why;
  OidcForTest::Token token;
  const char* role;
  const char* name;
};

TEST_F(OidcLoginTest, WhoGetsIn) {
  const GoodLogin kCases[] = {
      {"a group", {.more = R"(,"groups":["staff","other"])"}, "viewer", "oidc:1001"},
      {"the higher of two", {.more = R"(,"groups":["staff","soc"])"}, "operator", "oidc:1001"},
      {"one group as text", {.more = R"(,"groups":"soc")"}, "operator", "oidc:1001"},
      {"a verified address",
       {.more = R"(,"email":"op@example.com","email_verified":true)"},
       "operator",
       "oidc:op@example.com"},
      {"a subject", {.subject = "1000"}, "admin", "oidc:1000"},
      {"ES256", {.alg = "ES256", .more = R"(,"groups":["staff"])"}, "viewer", "oidc:1001"},
      {"PS256", {.alg = "PS256", .more = R"(,"groups":["staff"])"}, "viewer", "oidc:1001"},
      {"several audiences, issued to us",
       {.audience_json = R"(["sallyport","other"])",
        .more = R"(,"azp":"sallyport","groups":["staff"])"},
       "viewer",
       "oidc:1001"},
  };
  for (const GoodLogin& good : kCases) {
    const Answer answer = log_in(good.token);
    ASSERT_EQ(answer.status, 200) << good.why << ": " << answer.body;
    EXPECT_TRUE(answer.head.contains("HttpOnly; SameSite=Strict")) << answer.head;
    EXPECT_TRUE(answer.head.contains("default-src 'none'"));
    const Event event = recorder_.events().back();
    EXPECT_EQ(event.action, "admin.login") << good.why;
    EXPECT_EQ(event.actor, good.name) << good.why;
    EXPECT_EQ(event.ip, "127.0.0.1");
    const Answer me =
        tcp({.path = "/admin/v1/me",
             .extra = "cookie: a=b; " + cookie_of(answer, "sallyport") + "; c=d\r\n"});
    EXPECT_EQ(me.status, 200) << good.why << me.body;
    EXPECT_EQ(me.text("role"), good.role) << good.why;
    EXPECT_EQ(me.text("name"), good.name) << good.why;
    EXPECT_EQ(me.text("until"), "2026-11-24T20:00:00.000Z");
  }
}

struct BadLogin {
  const char* why;
  OidcForTest::Token token;
  const char* code;
  const char* reason;
};

TEST_F(OidcLoginTest, TokensThatAreNotForUs) {
  const std::string staff = R"(,"groups":["staff"])";
  const BadLogin kCases[] = {
      {"another's nonce", {.nonce = "bm9uY2U", .more = staff}, "login_refused", "wrong_nonce"},
      {"another audience",
       {.audience_json = R"("other")", .more = staff},
       "login_refused",
       "jwt_audience"},
      {"issued to another",
       {.audience_json = R"(["sallyport","other"])", .more = staff + R"(,"azp":"other")"},
       "login_refused",
       "wrong_azp"},
      {"several audiences, issued to nobody",
       {.audience_json = R"(["sallyport","other"])", .more = staff},
       "login_refused",
       "wrong_azp"},
      {"another issuer",
       {.issuer = "https://evil.example", .more = staff},
       "login_refused",
       "jwt_issuer"},
      {"no signature", {.alg = "none", .more = staff}, "login_refused", "jwt_algorithm"},
      {"a stranger's signature",
       {.more = staff, .other_key = true},
       "login_refused",
       "jwt_signature"},
      {"expired",
       {.more = staff, .life = std::chrono::seconds(-120)},
       "login_refused",
       "jwt_expired"},
      {"a role that nobody has", {.more = R"(,"groups":["guests"])"}, "no_role", "no_role"},
      {"no claim of groups", {}, "no_role", "no_role"},
      {"an address that is not verified",
       {.more = R"(,"email":"op@example.com","email_verified":false)"},
       "no_role",
       "no_role"},
      {"an address without a word on it",
       {.more = R"(,"email":"op@example.com")"},
       "no_role",
       "no_role"},
      {"a group that looks like a subject",
       {.more = R"(,"groups":["sub:1000"])"},
       "no_role",
       "no_role"},
  };
  for (const BadLogin& bad : kCases) {
    const Answer answer = log_in(bad.token);
    EXPECT_EQ(answer.status, 403) << bad.why << ": " << answer.body;
    EXPECT_EQ(answer.code(), bad.code) << bad.why;
    EXPECT_EQ(cookie_of(answer, "sallyport"), "") << bad.why;
    EXPECT_EQ(recorder_.events().back().action, "admin.refused") << bad.why;
    EXPECT_EQ(last_reason(), bad.reason) << bad.why;
    EXPECT_FALSE(answer.body.contains(bad.reason) && std::string(bad.reason) != "no_role")
        << bad.why << ": the reason is for the record";
  }
}

TEST_F(OidcLoginTest, StateBindsTheAnswerToTheBrowserThatAsked) {
  provider_->says({.more = R"(,"groups":["staff"])"});
  const Begun mine = begin(), other = begin();
  const std::string query = provider_->visit(mine.location);
  const std::string state = query.substr(query.find("&state=") + 7);
  struct Wrong {
    const char* why;
    std::string cookie, query, reason;
  };
  const Wrong kCases[] = {
      {"no cookie", "x=y", query, "no_attempt"},
      {"another attempt's cookie", other.cookie, query, "wrong_state"},
      {"no state", mine.cookie, query.substr(0, query.find('&')), "wrong_state"},
      {"a state that was changed", mine.cookie, query + "x", "wrong_state"},
      {"state twice", mine.cookie, query + "&state=" + state, "wrong_state"},
      {"an end that was moved", mine.cookie + "0", query, "wrong_state"},
      {"the cookie twice", mine.cookie + "; " + mine.cookie, query, "no_attempt"},
      {"no code", mine.cookie, "state=" + state, "refused_by_provider"},
      {"an error", mine.cookie, "error=access_denied&state=" + state, "refused_by_provider"},
      {"from another issuer", mine.cookie, query + "&iss=https%3A%2F%2Fevil.example",
       "wrong_issuer"},
      {"a code that nobody gave", mine.cookie, "code=none&state=" + state, "code_refused"},
  };
  for (const Wrong& wrong : kCases) {
    const Answer answer = come_back(wrong.cookie, wrong.query);
    EXPECT_GE(answer.status, 400) << wrong.why;
    EXPECT_EQ(last_reason(), wrong.reason) << wrong.why;
  }
  EXPECT_EQ(provider_->token_requests(), 1) << "only the last was worth a question";
  EXPECT_EQ(come_back(mine.cookie, query).status, 200) << "and the right one still works";
}

TEST_F(OidcLoginTest, ACodeAndAnAttemptCountOnce) {
  provider_->says({.more = R"(,"groups":["staff"])"});
  const Begun first = begin();
  const std::string query = provider_->visit(first.location);
  ASSERT_EQ(come_back(first.cookie, query).status, 200);
  EXPECT_EQ(come_back(first.cookie, query).code(), "login_refused");
  EXPECT_EQ(last_reason(), "attempt_used");
  // The code in another attempt: the provider knows it, and the verifier is another.
  const Begun second = begin();
  const std::string fresh = provider_->visit(second.location);
  const std::string stolen = query.substr(0, query.find('&')) + fresh.substr(fresh.find('&'));
  EXPECT_EQ(come_back(second.cookie, stolen).status, 403);
  EXPECT_EQ(last_reason(), "code_refused");
}

TEST_F(OidcLoginTest, ACodeOfAnotherBrowserLacksOurVerifier) {
  provider_->says({.more = R"(,"groups":["staff"])"});
  const Begun victim = begin(), thief = begin();
  const std::string theirs = provider_->visit(victim.location);
  const std::string mine = provider_->visit(thief.location);
  EXPECT_EQ(
      come_back(thief.cookie, theirs.substr(0, theirs.find('&')) + mine.substr(mine.find('&')))
          .status,
      403);
  EXPECT_EQ(last_reason(), "code_refused");
}

TEST_F(OidcLoginTest, AnAttemptEnds) {
  const Begun begun = begin();
  const std::string query = provider_->visit(begun.location);
  clock_.advance(OidcLogin::kAttemptLife);
  EXPECT_EQ(come_back(begun.cookie, query).code(), "login_expired");
}

TEST_F(OidcLoginTest, ADiscoveryDocumentOfAnotherIssuerIsRefused) {
  provider_->names_itself("https://evil.example");
  const Answer answer = tcp({.path = "/admin/login"});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.code(), "login_unavailable");
}

TEST_F(OidcLoginTest, WithoutAJournalNobodyGetsIn) {
  provider_->says({.more = R"(,"groups":["staff"])"});
  const Begun begun = begin();
  const std::string query = provider_->visit(begun.location);
  recorder_.breaks(true);
  const Answer answer = come_back(begun.cookie, query);
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(cookie_of(answer, "sallyport"), "");
}

TEST_F(OidcLoginTest, ASessionEndsByLogoutAndByTime) {
  const std::string cookie = session({.more = R"(,"groups":["staff"])"});
  const std::string other = session({.more = R"(,"groups":["staff"])"});
  const Ask me{.path = "/admin/v1/me", .extra = cookie};
  EXPECT_EQ(tcp(me).status, 200);
  const Answer out = tcp({.method = "POST",
                          .path = "/admin/v1/logout",
                          .extra = cookie + "origin: http://localhost\r\nx-sallyport-csrf: 1\r\n"});
  EXPECT_EQ(out.status, 200) << out.body;
  EXPECT_TRUE(out.head.contains("Max-Age=0"));
  EXPECT_EQ(recorder_.events().back().action, "admin.logout");
  EXPECT_EQ(tcp(me).status, 401);
  EXPECT_EQ(tcp({.path = "/admin/v1/me", .extra = other}).status, 200);
  clock_.advance(Sessions::kLife);
  EXPECT_EQ(tcp({.path = "/admin/v1/me", .extra = other}).status, 401);
}

TEST_F(OidcLoginTest, AnAdminSeesSessionsAndEndsThem) {
  const std::string first = session({.subject = "1000"});
  const std::string second = session({.subject = "1000"});
  const Answer listed = local({.path = "/admin/v1/sessions"});
  ASSERT_EQ(listed.status, 200) << listed.body;
  const auto sessions = listed.json().at("data")->items();
  ASSERT_EQ(sessions.size(), 2U);
  const std::string who(*sessions[0].at("who")->string());
  EXPECT_TRUE(who.starts_with("oidc:")) << who;
  const auto revoke = [&](const std::string& body) {
    return local({.method = "POST",
                  .path = "/admin/v1/sessions/revoke",
                  .extra = "content-type: application/json\r\n",
                  .body = body});
  };
  const auto alive = [&](const std::string& cookie) {
    return tcp({.path = "/admin/v1/me", .extra = cookie}).status == 200;
  };
  EXPECT_EQ(revoke(R"({"id":")" + std::string(*sessions[0].at("id")->string()) + R"("})").status,
            200);
  EXPECT_EQ(recorder_.events().back().action, "admin.session_revoke");
  EXPECT_TRUE(recorder_.events().back().detail->contains(who));
  EXPECT_NE(alive(first), alive(second)) << "one of them";
  EXPECT_EQ(revoke(R"({"who":")" + who + R"("})").status, 200);
  EXPECT_FALSE(alive(first) || alive(second));
  EXPECT_EQ(revoke(R"({"who":")" + who + R"("})").status, 404);
  for (const char* body : {"{}", "[]", R"({"id":""})", R"({"id":"a","who":"b"})", R"({"id":1})"}) {
    EXPECT_EQ(revoke(body).status, 400) << body;
  }
}

struct PageCase {
  const char* why;
  std::string extra;
  int status;
  const char* code;
};

TEST_F(OidcLoginTest, AChangeNeedsOurOwnPage) {
  const std::string cookie = session({.subject = "1000"});
  const std::string json = "content-type: application/json\r\n";
  const std::string own = "origin: http://localhost\r\n", header = "x-sallyport-csrf: 1\r\n";
  const PageCase kCases[] = {
      {"a cookie alone", "", 403, "forbidden_origin"},
      {"another origin", "origin: https://evil.example\r\n" + header, 403, "forbidden_origin"},
      {"no origin at all", header, 403, "forbidden_origin"},
      {"the null origin", "origin: null\r\n" + header, 403, "forbidden_origin"},
      {"another scheme", "origin: https://localhost\r\n" + header, 403, "forbidden_origin"},
      {"another port", "origin: http://localhost:81\r\n" + header, 403, "forbidden_origin"},
      {"our page without the header", own, 403, "csrf_header_missing"},
      {"the browser says it comes from elsewhere", own + header + "sec-fetch-site: same-site\r\n",
       403, "forbidden_origin"},
      {"our page", own + header + "sec-fetch-site: same-origin\r\n", 201, ""},
  };
  for (const PageCase& page : kCases) {
    const Answer answer = tcp({.method = "POST",
                               .path = "/admin/v1/keys",
                               .extra = cookie + json + page.extra,
                               .body = R"({"name":"app"})"});
    EXPECT_EQ(answer.status, page.status) << page.why << answer.body;
    EXPECT_EQ(answer.code(), page.code) << page.why;
  }
  const Event made = recorder_.events().back();
  EXPECT_EQ(made.action, "key.create");
  EXPECT_EQ(made.actor, "oidc:1000");
  EXPECT_EQ(
      tcp({.path = "/admin/v1/keys", .extra = cookie + "sec-fetch-site: cross-site\r\n"}).status,
      403)
      << "other sites do not read either";
}

TEST_F(OidcLoginTest, ASessionHasTheRoleOfItsPersonOnly) {
  const std::string cookie = session({.more = R"(,"groups":["staff"])"});
  EXPECT_EQ(tcp({.path = "/admin/v1/keys", .extra = cookie}).status, 200);
  const Answer refused =
      tcp({.method = "POST",
           .path = "/admin/v1/keys",
           .extra = cookie + "origin: http://localhost\r\nx-sallyport-csrf: 1\r\n"
                             "content-type: application/json\r\n",
           .body = R"({"name":"app"})"});
  EXPECT_EQ(refused.code(), "role_too_low");
  EXPECT_EQ(recorder_.events().back().actor, "oidc:1001");
}

class NoLoginTest : public AdminHouse {};

TEST_F(NoLoginTest, WithoutAProviderThereIsNoLogin) {
  for (const char* path : {"/admin/login", "/admin/callback?code=a&state=b"}) {
    EXPECT_EQ(tcp({.path = path}).status, 401) << path;
  }
}

TEST(OidcConfigTest, OnlyHttpsOutsideOfThisHost) {
  ManualClock clock{*parse_utc("2026-11-24T12:00:00Z")};
  net::Loop loop;
  net::Resolver resolver;
  net::Offload offload(1);
  const OidcProvider::Parts parts{
      .loop = loop, .resolver = resolver, .offload = offload, .clock = clock};
  OidcConfig config;
  config.redirect_url = "https://gate.example.com/admin/callback";
  config.issuer = "http://issuer.example.com";
  EXPECT_FALSE(OidcProvider::make(config, parts));
  config.issuer = "https://issuer.example.com";
  EXPECT_TRUE(OidcProvider::make(config, parts));
  config.redirect_url = "http://gate.example.com/admin/callback";
  EXPECT_FALSE(OidcProvider::make(config, parts)) << "the cookie would travel in the clear";
}

}  // namespace
}  // namespace sallyport::admin
