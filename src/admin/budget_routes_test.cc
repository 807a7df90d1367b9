// SPDX-License-Identifier: Apache-2.0
#include "admin/budget_routes.h"

#include <gtest/gtest.h>

#include "admin/act_record.h"
#include "admin/house_for_test.h"
#include "admin/key_acts.h"
#include "admin/layer_acts.h"
#include "event/no_record.h"

namespace sallyport::admin {
namespace {

class BudgetHouse : public AdminHouse {
 protected:
  void configure(Config&, AdminParts& parts) override {
    parts.more.push_back([this](Routes& routes) {
      add_budget_routes(routes, {ledger_, recorder_, clock_, loop_, offload_});
    });
    key_.account = "key:app";
    key_.restrictions.limits.budgets = {{BudgetUnit::kTokens, BudgetWindow::kDay, 100, true}};
    spend();
  }

  void spend() {
    meter::Need need;
    need.request_id = "req_1";
    need.chain = &key_;
    need.worst = {.nano_usd = 1'500, .tokens = 100, .requests = 1};
    meter::RateRoom room;
    std::vector<meter::Alert> alerts;
    auto held = ledger_.reserve(need, room, alerts);
    ASSERT_TRUE(held);
    ledger_.settle(std::move(*held), need.worst, alerts);
  }
  std::int64_t spent() { return ledger_.show("key:app", 1)[0].state.windows[2].settled[1]; }

  Answer reset(const std::string& account, std::string body) {
    Ask ask{.method = "POST", .path = "/admin/v1/budgets/" + account + "/reset"};
    if (!body.empty()) ask.extra = "content-type: application/json\r\n";
    ask.body = std::move(body);
    return tcp(with_token(std::move(ask)));
  }

  Layer key_;
  meter::Ledger ledger_{clock_, recorder_};
};

TEST_F(BudgetHouse, AResetIsDoneAndOnRecord) {
  const Answer answer = reset("key:app", "");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.text("account"), "key:app");
  EXPECT_EQ(spent(), 0);
  const auto events = recorder_.events();
  ASSERT_FALSE(events.empty());
  const Event& event = events.back();
  EXPECT_EQ(event.kind, Kind::kAdmin);
  EXPECT_EQ(event.action, "budget.reset");
  EXPECT_EQ(event.actor, "admin_token");
  EXPECT_EQ(event.ip, "127.0.0.1");
  EXPECT_EQ(
      event.detail,
      R"({"before":{"account":"key:app","ledger_time":"2026-11-24T12:00:00.000Z","windows":{)"
      R"("minute":{"since":"2026-11-24T12:00:00.000Z","usd":"0.0000015","tokens":100,"requests":1},)"
      R"("hour":{"since":"2026-11-24T12:00:00.000Z","usd":"0.0000015","tokens":100,"requests":1},)"
      R"("day":{"since":"2026-11-24T00:00:00.000Z","usd":"0.0000015","tokens":100,"requests":1},)"
      R"("month":{"since":"2026-11-01T00:00:00.000Z","usd":"0.0000015","tokens":100,"requests":1},)"
      R"("total":{"since":"1970-01-01T00:00:00.000Z","usd":"0.0000015","tokens":100,"requests":1}}},)"
      R"("after":{"account":"key:app","ledger_time":"2026-11-24T12:00:00.000Z","windows":{)"
      R"("minute":{"since":"2026-11-24T12:00:00.000Z","usd":"0","tokens":0,"requests":0},)"
      R"("hour":{"since":"2026-11-24T12:00:00.000Z","usd":"0","tokens":0,"requests":0},)"
      R"("day":{"since":"2026-11-24T00:00:00.000Z","usd":"0","tokens":0,"requests":0},)"
      R"("month":{"since":"2026-11-01T00:00:00.000Z","usd":"0","tokens":0,"requests":0},)"
      R"("total":{"since":"1970-01-01T00:00:00.000Z","usd":"0","tokens":0,"requests":0}}}})");
}

TEST_F(BudgetHouse, WhatIsStatedIsListedBeforeAnyCall) {
  keys::LayerSpec acme;
  acme.path = "acme";
  acme.restrictions.limits.budgets = {{BudgetUnit::kNanoUsd, BudgetWindow::kMonth, 5, true}};
  ASSERT_TRUE(ring_->put_layer(acme, "admin"));
  keys::KeySpec spec;
  spec.name = "fresh";
  spec.restrictions.limits.budgets = {{BudgetUnit::kRequests, BudgetWindow::kDay, 7, true}};
  ASSERT_TRUE(ring_->create(spec, "admin"));
  spec.name = "free";
  spec.restrictions = {};
  ASSERT_TRUE(ring_->create(spec, "admin"));
  spec.name = "app";  // it has used its account; what it states has changed since
  spec.restrictions.limits.budgets = {{BudgetUnit::kTokens, BudgetWindow::kDay, 400, true}};
  ASSERT_TRUE(ring_->create(spec, "admin"));

  const auto get = [&](const std::string& rest) {
    return tcp(with_token({.path = "/admin/v1/budgets" + rest}));
  };
  const auto first = [](const JsonValue& account) {
    const auto budgets = account.at("budgets")->items();
    if (budgets.empty()) return std::string();
    const auto number = [&](const char* member) {
      const auto value = budgets[0].at(member);
      return value->string() ? std::string(*value->string()) : std::to_string(*value->integer());
    };
    return number("spent") + " of " + number("amount");
  };
  EXPECT_EQ(first(get("/key:fresh").json()), "0 of 7");
  EXPECT_EQ(first(get("/organisation:acme").json()), "0 of 0.000000005");
  EXPECT_EQ(first(get("/key:app").json()), "100 of 400");
  EXPECT_EQ(get("/key:free").status, 200) << "it is there, and has none";
  for (const char* unknown : {"/key:nope", "/organisation:nope", "/project:acme", "/fresh"}) {
    EXPECT_EQ(get(unknown).code(), "account_not_found") << unknown;
  }
  std::string listed;
  for (const JsonValue& one : get("").json().at("data")->items()) {
    listed += std::string(*one.at("account")->string()) + " ";
  }
  EXPECT_EQ(listed, "key:app key:fresh organisation:acme ");
  EXPECT_EQ(reset("key:fresh", "").status, 404) << "nothing to reset";

  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(first(get("/key:app").json()), "0 of 400") << "another day has begun";
}

struct WishCase {
  const char* why;
  const char* account;
  const char* body;
  int status;
  const char* code;
};
const WishCase kWishes[] = {
    {"one window", "key:app", R"({"window":"day"})", 200, ""},
    {"a window nobody knows", "key:app", R"({"window":"week"})", 400, "invalid_body"},
    {"a window that is no text", "key:app", R"({"window":1})", 400, "invalid_body"},
    {"a word that is no switch", "key:app", R"({"trust_clock":"yes"})", 400, "invalid_body"},
    {"a mistyped member", "key:app", R"({"windw":"day"})", 400, "invalid_body"},
    {"a list", "key:app", "[]", 400, "invalid_body"},
    {"nobody's account", "key:other", "", 404, "account_not_found"},
};

TEST_F(BudgetHouse, WhatMayBeAskedFor) {
  for (const WishCase& c : kWishes) {
    const Answer answer = reset(c.account, c.body);
    EXPECT_EQ(answer.status, c.status) << c.why << answer.body;
    if (*c.code != 0) EXPECT_EQ(answer.code(), c.code) << c.why;
  }
}

TEST_F(BudgetHouse, AClockThatWasAheadIsAskedAbout) {
  const UtcTime now = clock_.now();
  clock_.set(*parse_utc("2027-06-01T00:00:00Z"));
  spend();
  clock_.set(now);
  EXPECT_EQ(reset("key:app", "").code(), "clock_differs");
  EXPECT_EQ(spent(), 100);
  EXPECT_EQ(reset("key:app", R"({"trust_clock":true})").status, 200);
  EXPECT_EQ(spent(), 0);
}

TEST_F(BudgetHouse, WithoutARecordNothingIsDone) {
  recorder_.breaks(true);
  const Answer answer = reset("key:app", "");
  EXPECT_EQ(answer.status, 503) << answer.body;
  EXPECT_EQ(spent(), 100);
}

TEST_F(BudgetHouse, OnlyAdministratorsMay) {
  const auto match = [&] {
    Routes routes;
    add_budget_routes(routes, {ledger_, recorder_, clock_, loop_, offload_});
    const auto found = routes.find("POST", "/admin/v1/budgets/project:acme/support/reset");
    return found ? found->route->least : Role::kViewer;
  }();
  EXPECT_EQ(match, Role::kAdmin);
}

struct KeptCase {
  const char* why;
  const char* restrictions;
  bool kept;  // without a journal
};
const KeptCase kKept[] = {
    {"no budget", "{}", true},
    {"rates", R"({"rpm":5})", true},
    {"a soft budget", R"({"budgets":[{"usd":"1","per":"day","hard":false}]})", true},
    {"a hard budget", R"({"budgets":[{"usd":"1","per":"day"}]})", false},
    {"a hard budget of requests", R"({"budgets":[{"requests":1,"per":"day"}]})", false},
    {"one of two", R"({"budgets":[{"usd":"1","per":"day","hard":false},{"tokens":1,"per":"day"}]})",
     false},
};

TEST_F(BudgetHouse, AHardBudgetIsRefusedWhileThereIsNoJournal) {
  NoRecord none;
  int number = 0;
  for (const KeptCase& c : kKept) {
    for (const bool recorded : {true, false}) {
      Recorder& recorder = recorded ? static_cast<Recorder&>(recorder_) : none;
      const std::string name = "app_" + std::to_string(++number);
      keys::KeySpec key;
      key.name = name;
      key.owner = "ops";
      key.restrictions = *parse_restrictions(c.restrictions);
      const auto created = KeyActs(*ring_, recorder, clock_).create(key, {"admin_token", ""});
      keys::LayerSpec layer;
      layer.path = name;
      layer.restrictions = key.restrictions;
      const auto put =
          LayerActs(*ring_, recorder, clock_).put(std::span(&layer, 1), true, {"admin_token", ""});
      const bool passes = recorded || c.kept;
      EXPECT_EQ(created.has_value(), passes) << c.why;
      EXPECT_EQ(put.has_value(), passes) << c.why;
      if (passes) continue;
      EXPECT_EQ(created.error().code, Code::kInvalid) << c.why;
      EXPECT_TRUE(created.error().what.contains("audit.enabled is false")) << created.error().what;
      EXPECT_EQ(put.error().code, Code::kInvalid) << c.why;
      EXPECT_FALSE(ring_->layer(name)) << c.why << ": nothing was made";
    }
  }
}

}  // namespace
}  // namespace sallyport::admin
