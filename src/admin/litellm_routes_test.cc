// SPDX-License-Identifier: Apache-2.0
// LiteLLM's routes as its clients call them, over real sockets.
#include "admin/litellm_routes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "admin/house_for_test.h"
#include "admin/litellm_shapes.h"
#include "admin/litellm_spend.h"
#include "audit/journal.h"
#include "event/money.h"

namespace sallyport::admin {
namespace {

struct MemberCase {
  const char* why;
  const char* body;
  const char* error;  // begins so; empty: it is taken
};

TEST(LitellmShapes, WhatAKeyMayBeAskedFor) {
  const MemberCase kCases[] = {
      {"nothing", "{}", ""},
      {"labels", R"({"metadata":{"a":1},"tags":["x"]})", ""},
      {"what asks for nothing",
       R"({"guardrails":[],"permissions":{},"blocked":false,"budget_id":null})", ""},
      {"guardrails", R"({"guardrails":["pii"]})", "guardrails is not supported"},
      {"permissions", R"({"permissions":{"a":true}})", "permissions is not supported"},
      {"blocked from the start", R"({"blocked":true})", "blocked is not supported"},
      {"a key of one's own", R"({"key":"sk-1234"})", "key is not supported"},
      {"a limit by model", R"({"model_max_budget":{"gpt-5":1}})", "model_max_budget is not"},
      {"a shared budget", R"({"budget_id":"b1"})", "budget_id is not supported"},
      {"routes", R"({"allowed_routes":["/v1/models"]})", "allowed_routes is not supported"},
      {"a mistyped limit", R"({"max_budgt":1})", "max_budgt is not supported"},
      {"a budget below zero", R"({"max_budget":-1})", "max_budget must be"},
      {"a budget beyond all money", R"({"max_budget":1e300})", "max_budget must be"},
      {"half a request", R"({"rpm_limit":1.5})", "rpm_limit must be"},
      {"a budget of a week", R"({"max_budget":1,"budget_duration":"7d"})", "budget_duration must"},
      {"a window without a budget", R"({"budget_duration":"1d"})", "budget_duration needs"},
      {"no end", R"({"duration":"-1"})", "duration must be"},
      {"models as text", R"({"models":"gpt-5"})", "models must be"},
      {"a management key", R"({"key_type":"management"})", "key_type is not supported"},
      {"a list", "[]", "the body is not"},
  };
  for (const MemberCase& c : kCases) {
    const auto read = parse_litellm_key(*JsonValue::parse(c.body));
    EXPECT_EQ(read.has_value(), std::string(c.error).empty()) << c.why;
    if (!read) EXPECT_TRUE(read.error().what.starts_with(c.error)) << read.error().what;
  }
}

TEST(LitellmShapes, LimitsAreOurs) {
  const auto read = parse_litellm_key(*JsonValue::parse(
      R"({"key_alias":"app","duration":"2h","models":["gpt-5*"],"max_budget":12.5,"soft_budget":10,
          "budget_duration":"30d","tpm_limit":1000,"rpm_limit":60,"max_parallel_requests":4,
          "user_id":"alice","team_id":"acme/support","metadata":{"a":1}})"));
  ASSERT_TRUE(read) << read.error().what;
  EXPECT_EQ(read->spec.name, "app");
  EXPECT_EQ(read->spec.life, std::chrono::hours(2));
  EXPECT_EQ(read->spec.owner, "alice");
  EXPECT_EQ(read->spec.layer, "acme/support");
  EXPECT_EQ(read->ignored, std::vector<std::string>{"metadata"});
  EXPECT_EQ(restrictions_json(read->spec.restrictions),
            R"({"models":["gpt-5*"],"budgets":[{"usd":"12.5","per":"month","hard":true},)"
            R"({"usd":"10","per":"month","hard":false}],"rpm":60,"tpm":1000,"parallel":4})");
}

class LitellmTest : public AdminHouse {
 protected:
  void configure(Config&, AdminParts& parts) override {
    journal_ = folder_ + "/journal";
    parts.more.push_back([this, parts](Routes& routes) {
      add_litellm_routes(routes,
                         {.loop = parts.loop,
                          .offload = parts.offload,
                          .keys = parts.keys,
                          .clock = parts.clock,
                          .acts = KeyActs(parts.keys, parts.recorder, parts.clock),
                          .rotation = RotationActs(parts.keys, parts.recorder, parts.clock),
                          .journal = journal_,
                          .spent = [](const std::string&) { return std::optional<double>(1.25); }});
    });
  }
  Answer post(const std::string& path, const std::string& body) {
    return tcp(with_token({.method = "POST",
                           .path = path,
                           .extra = "content-type: application/json\r\n",
                           .body = body}));
  }
  Answer get(const std::string& path) { return tcp(with_token({.path = path})); }
  std::string journal_;
};

TEST_F(LitellmTest, AKeyFromGenerateToDelete) {
  const Answer made = post("/key/generate",
                           R"({"key_alias":"app","duration":"1h","models":["gpt-5.5"],
                               "max_budget":5,"budget_duration":"1d","tags":["x"]})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string key = made.text("key"), token = made.text("token");
  EXPECT_EQ(key.size(), keys::kKeyBytes);
  EXPECT_EQ(made.text("key_alias"), "app");
  EXPECT_EQ(made.text("expires"), "2026-11-24T13:00:00.000Z");
  EXPECT_EQ(made.json().at("max_budget")->number(), 5.0);
  EXPECT_EQ(made.text("budget_duration"), "1d");
  EXPECT_EQ(made.json().at("blocked")->boolean(), false);
  EXPECT_EQ(made.json().at("ignored")->items().size(), 1u);

  for (const std::string& shown : {key, token, std::string("app")}) {
    const Answer info = get("/key/info?key=" + shown);
    EXPECT_EQ(info.status, 200) << info.body;
    EXPECT_EQ(info.json().at("info")->at("key_alias")->string(), "app");
    EXPECT_EQ(info.json().at("info")->at("spend")->number(), 1.25);
    EXPECT_FALSE(info.body.contains(key.substr(20))) << "shown once";
  }
  EXPECT_EQ(get("/key/list").json().at("total_count")->integer(), 1);
  EXPECT_EQ(get("/key/list?team_id=none").json().at("total_count")->integer(), 0);
  EXPECT_EQ(get("/key/list?organization_id=x").status, 400) << "a filter that is not one";

  const Answer again = post("/key/" + key + "/regenerate", R"({"grace_period":"1h"})");
  ASSERT_EQ(again.status, 200) << again.body;
  EXPECT_NE(again.text("key"), key);
  EXPECT_EQ(again.text("key_alias"), "app");

  const Answer deleted = post("/key/delete", R"({"keys":[")" + again.text("key") + "\"]}");
  ASSERT_EQ(deleted.status, 200) << deleted.body;
  EXPECT_FALSE(ring_->alive(again.text("token"), clock_.now()));
  EXPECT_EQ(post("/key/unblock", R"({"key":")" + again.text("token") + "\"}").code(),
            "key_not_active");
  for (const Event& event : recorder_.events()) {
    EXPECT_FALSE(event.endpoint.contains("sk-sp1-")) << event.endpoint;
    EXPECT_FALSE(event.detail.value_or("").contains(key.substr(20)));
  }
}

TEST_F(LitellmTest, AnAliasMeansAllKeysOfIt) {
  const Answer made = post("/key/generate", R"({"key_alias":"app"})");
  const Answer next = post("/key/app/regenerate", R"({"grace_period":"1h"})");
  const auto lives = [&](const Answer& of) { return ring_->alive(of.text("token"), clock_.now()); };
  ASSERT_TRUE(lives(made) && lives(next));
  ASSERT_EQ(post("/key/block", R"({"key":"app"})").status, 200);
  EXPECT_FALSE(lives(made) || lives(next));
  ASSERT_EQ(post("/key/unblock", R"({"key":"app"})").status, 200);
  EXPECT_TRUE(lives(made) && lives(next));

  const Answer deleted = post("/key/delete", R"({"key_aliases":["app"]})");
  ASSERT_EQ(deleted.status, 200) << deleted.body;
  EXPECT_FALSE(lives(made) || lives(next));
  EXPECT_EQ(deleted.json().at("deleted_keys")->items().size(), 2u);
}

TEST_F(LitellmTest, WhatIsNotDoneIsNotSaidToBeDone) {
  const Answer made = post("/key/generate", R"({"key_alias":"app"})");
  const std::string body = R"({"key":")" + made.text("key") + "\"}";
  EXPECT_EQ(post("/key/unblock", body).status, 200);
  EXPECT_EQ(post("/key/block", R"({"key":"nobody"})").status, 404);
  EXPECT_EQ(post("/key/block", R"({"key":"app","until":"tomorrow"})").status, 400);
  EXPECT_EQ(post("/key/update", R"({"key":"app","guardrails":["pii"]})").status, 400);
  EXPECT_EQ(post("/key/update", R"({"max_budget":1})").status, 400) << "which key?";
  EXPECT_TRUE(ring_->alive(made.text("token"), clock_.now()));
  EXPECT_EQ(post("/key/generate", R"({"team_id":"nobody"})").code(), "unknown_team");
  EXPECT_EQ(post("/key/delete", R"({"key_aliases":["app","nobody"]})").status, 404);
  EXPECT_TRUE(ring_->alive(made.text("token"), clock_.now())) << "all or nothing";
  EXPECT_EQ(post("/key/app/regenerate", R"({"new_master_key":"x"})").status, 400);
}

TEST_F(LitellmTest, AKeyIsPausedAndComesBack) {
  const Answer made = post("/key/generate", R"({"key_alias":"app"})");
  const std::string body = R"({"key":")" + made.text("key") + "\"}";
  const Answer blocked = post("/key/block", body);
  ASSERT_EQ(blocked.status, 200) << blocked.body;
  EXPECT_EQ(blocked.json().at("blocked")->boolean(), true);
  EXPECT_EQ(blocked.text("status"), "blocked");
  EXPECT_FALSE(ring_->alive(made.text("token"), clock_.now()));
  const auto records = recorder_.events();
  const auto acted = std::ranges::find(records, "key.block", &Event::action);
  ASSERT_NE(acted, records.end());
  EXPECT_EQ(acted->actor, "admin_token");
  EXPECT_EQ(acted->ip, "127.0.0.1");
  const auto detail = JsonValue::parse(*acted->detail);
  EXPECT_EQ(detail->at("before")->at("status")->string(), "active");
  EXPECT_EQ(detail->at("after")->at("status")->string(), "blocked");

  const Answer back = post("/key/unblock", body);
  ASSERT_EQ(back.status, 200) << back.body;
  EXPECT_EQ(back.json().at("blocked")->boolean(), false);
  EXPECT_TRUE(ring_->alive(made.text("token"), clock_.now()));
}

TEST_F(LitellmTest, ALimitIsChanged) {
  post("/key/generate", R"({"key_alias":"app","max_budget":5,"budget_duration":"1d"})");
  const Answer changed =
      post("/key/update",
           R"({"key":"app","max_budget":7.5,"rpm_limit":10,"duration":"2h","tags":["x"]})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.json().at("max_budget")->number(), 7.5);
  EXPECT_EQ(changed.text("budget_duration"), "1d") << "the window stays";
  EXPECT_EQ(changed.json().at("rpm_limit")->integer(), 10);
  EXPECT_EQ(changed.text("expires"), "2026-11-24T14:00:00.000Z");
  EXPECT_EQ(changed.json().at("ignored")->items().size(), 1u);
  EXPECT_EQ(recorder_.events().back().action, "key.update");
  const auto detail = JsonValue::parse(*recorder_.events().back().detail);
  EXPECT_FALSE(detail->at("before")->at("rpm"));
  EXPECT_EQ(detail->at("after")->at("rpm")->integer(), 10);
  const Answer lifted = post("/key/update", R"({"key":"app","max_budget":null,"rpm_limit":null})");
  EXPECT_TRUE(lifted.json().at("max_budget")->is_null()) << lifted.body;
  EXPECT_TRUE(ring_->show("app")->restrictions.empty());
}

TEST(LitellmShapes, WhatAChangeMayAsk) {
  keys::KeyInfo key;
  key.name = "app";
  key.layer = "acme";
  key.restrictions = parse_restrictions(R"({"rpm":5,"budgets":[{"tokens":9,"per":"hour"},)"
                                        R"({"usd":"5","per":"day"}]})")
                         .value();
  const UtcTime now = *parse_utc("2026-11-24T12:00:00Z");
  struct Case {
    const char* why;
    const char* body;
    const char* error;  // begins so; empty: it is taken
    const char* after;  // the restrictions then
  };
  const char* kSame =
      R"({"budgets":[{"tokens":9,"per":"hour","hard":true},{"usd":"5","per":"day","hard":true}],"rpm":5})";
  const Case kCases[] = {
      {"nothing", "{}", "", kSame},
      {"what stays, as it is", R"({"key":"x","key_alias":"app","team_id":"acme","blocked":false})",
       "", kSame},
      {"another name", R"({"key_alias":"b"})", "key_alias does not change", ""},
      {"another team", R"({"team_id":"b"})", "team_id does not change", ""},
      {"a pause by the way", R"({"blocked":true})", "blocked is changed by /key/block", ""},
      {"a budget refilled", R"({"spend":0})", "spend is not supported", ""},
      {"what asks for nothing", R"({"guardrails":[],"budget_id":null,"metadata":{}})", "", kSame},
      {"guardrails", R"({"guardrails":["pii"]})", "guardrails is not supported", ""},
      {"a mistyped limit", R"({"rpm_limt":1})", "rpm_limt is not supported", ""},
      {"a negative budget", R"({"max_budget":-1})", "max_budget must be", ""},
      {"a budget beyond all money", R"({"max_budget":1e300})", "max_budget must be", ""},
      {"half a request", R"({"rpm_limit":1.5})", "rpm_limit must be", ""},
      {"no end", R"({"duration":"-1"})", "duration must be", ""},
      {"a window of a week", R"({"budget_duration":"7d"})", "budget_duration must be", ""},
      {"a window without a budget", R"({"max_budget":null,"budget_duration":"1d"})",
       "budget_duration needs", ""},
      {"a list", "[]", "the body is not", ""},
      {"another window", R"({"budget_duration":"30d"})", "",
       R"({"budgets":[{"tokens":9,"per":"hour","hard":true},{"usd":"5","per":"month","hard":true}],"rpm":5})"},
      {"a soft budget beside", R"({"soft_budget":4})", "",
       R"({"budgets":[{"tokens":9,"per":"hour","hard":true},{"usd":"5","per":"day","hard":true},)"
       R"({"usd":"4","per":"day","hard":false}],"rpm":5})"},
      {"limits lifted", R"({"max_budget":null,"rpm_limit":null})", "",
       R"({"budgets":[{"tokens":9,"per":"hour","hard":true}]})"},
      {"models", R"({"models":["gpt-5*"],"rpm_limit":7})", "",
       R"({"models":["gpt-5*"],"budgets":[{"tokens":9,"per":"hour","hard":true},)"
       R"({"usd":"5","per":"day","hard":true}],"rpm":7})"},
  };
  for (const Case& c : kCases) {
    const auto read = parse_litellm_change(*JsonValue::parse(c.body), key, now);
    EXPECT_EQ(read.has_value(), std::string(c.error).empty()) << c.why;
    if (!read) {
      EXPECT_TRUE(read.error().what.starts_with(c.error)) << c.why << ": " << read.error().what;
      continue;
    }
    keys::KeyInfo held = key;
    held.expires_at = now + std::chrono::hours(1);
    const auto after = keys::changed(held, read->change);
    ASSERT_TRUE(after) << c.why << ": " << after.error().what;
    EXPECT_EQ(restrictions_json(after->restrictions), c.after) << c.why;
  }
  key.restrictions = parse_restrictions(R"({"budgets":[{"usd":"5","per":"day"},)"
                                        R"({"usd":"50","per":"month"}]})")
                         .value();
  const auto which = parse_litellm_change(*JsonValue::parse(R"({"max_budget":1})"), key, now);
  ASSERT_FALSE(which);
  EXPECT_TRUE(which.error().what.starts_with("max_budget cannot say which"));
}

TEST_F(LitellmTest, AKeyCanNeverMint) {
  const Answer made = post("/key/generate", R"({"key_alias":"app"})");
  for (const Route& route : api_->routes().all()) {
    if (route.key_refusal.empty()) continue;
    std::string path(route.path);
    if (const auto at = path.find("{key}"); at != std::string::npos) path.replace(at, 5, "app");
    const Answer refused =
        tcp({.method = std::string(route.method),
             .path = path,
             .extra = "content-type: application/json\r\nauthorization: Bearer " +
                      made.text("key") + "\r\n",
             .body = route.method == "GET" ? "" : R"({"key_alias":"more","key":"app"})"});
    EXPECT_EQ(refused.status, 403) << route.path;
    EXPECT_EQ(refused.code(), "not_an_admin_token") << route.path;
    EXPECT_EQ(recorder_.events().back().action, "admin.refused");
  }
  EXPECT_EQ(ring_->list().size(), 1u);
}

TEST_F(LitellmTest, WhatCallsCost) {
  audit::Config config;
  config.path = journal_;
  audit::PosixFileSystem files;
  {
    auto journal = audit::Journal::open(config, clock_, files);
    ASSERT_TRUE(journal) << journal.error().what;
    for (int i = 0; i < 3; ++i) {
      Event event;
      event.timestamp_utc = clock_.now();
      event.request_id = "req_" + std::to_string(i);
      event.endpoint = "POST /v1/responses";
      event.api_key_id = i == 2 ? "other" : "app";
      event.kid = "AbCdEfGhIjK" + std::to_string(i);
      event.model = "gpt-5.5";
      event.status = 200;
      event.tokens_input = 10;
      event.tokens_output = 5;
      event.cost_usd = NanoUsd{i == 0 ? 100'000'000 : 200'000'000};
      (*journal)->record(std::move(event), Durability::kWritten, {});
    }
    (*journal)->stop();
  }
  const Answer rows = get("/spend/logs?api_key=app");
  ASSERT_EQ(rows.status, 200) << rows.body;
  ASSERT_EQ(rows.json().items().size(), 2u);
  EXPECT_EQ(rows.json().items()[0].at("total_tokens")->integer(), 15);
  EXPECT_EQ(rows.json().items()[0].at("spend")->number(), 0.2);
  const Answer sums = get("/spend/logs?start_date=2026-11-24&end_date=2026-11-24");
  ASSERT_EQ(sums.status, 200) << sums.body;
  ASSERT_EQ(sums.json().items().size(), 1u);
  EXPECT_TRUE(sums.body.contains(R"("spend":0.5,"api_keys":{"app":0.3,"other":0.2})"))
      << "money is exact: " << sums.body;
  EXPECT_EQ(get("/spend/logs?user_id=x").status, 400);
  EXPECT_EQ(get("/spend/logs?start_date=yesterday").status, 400);
}

}  // namespace
}  // namespace sallyport::admin
