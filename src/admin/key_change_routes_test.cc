// SPDX-License-Identifier: Apache-2.0
// Changing, pausing and ending keys over the admin API, with the records of it; floods of refusals;
// how large a body may be.
#include <gtest/gtest.h>

#include <algorithm>

#include "admin/house_for_test.h"
#include "event/refusal_fold.h"

namespace sallyport::admin {
namespace {

class KeyChangeRoutes : public AdminHouse {
 protected:
  Answer ask(std::string method, std::string path, std::string body = "") {
    return tcp(with_token({.method = std::move(method),
                           .path = std::move(path),
                           .extra = "content-type: application/json\r\n",
                           .body = std::move(body)}));
  }
  void make(const std::string& name, const std::string& mapping = "") {
    keys::KeySpec spec;
    spec.name = name;
    spec.mapping = mapping;
    spec.beside_own = true;
    ASSERT_TRUE(ring_->create(spec, "admin"));
  }
  std::string status_of(const std::string& name) {
    return ask("GET", "/admin/v1/keys/" + name).text("status");
  }
  std::vector<Event> acts(std::string_view action) {
    std::vector<Event> all = recorder_.events();
    std::erase_if(all, [&](const Event& event) { return event.action != action; });
    return all;
  }
  static std::string text_at(const Event& event, const char* side, const char* member) {
    const auto detail = JsonValue::parse(event.detail.value_or("{}"));
    const auto object = detail->at(side);
    const auto value = object ? object->at(member) : std::nullopt;
    return std::string(value ? value->string().value_or("") : "");
  }
};

TEST_F(KeyChangeRoutes, APauseAndItsEnd) {
  make("app");
  const Answer blocked = ask("POST", "/admin/v1/keys/app/block", R"({"why":"looks odd"})");
  ASSERT_EQ(blocked.status, 200) << blocked.body;
  EXPECT_EQ(blocked.json().at("durable")->boolean(), true);
  EXPECT_EQ(status_of("app"), "blocked");
  ASSERT_EQ(acts("key.block").size(), 1u);
  const Event act = acts("key.block")[0];
  EXPECT_EQ(act.actor, "admin_token");
  EXPECT_EQ(act.ip, "127.0.0.1");
  EXPECT_EQ(act.api_key_id, "app");
  EXPECT_EQ(text_at(act, "before", "status"), "active");
  EXPECT_EQ(text_at(act, "after", "status"), "blocked");
  EXPECT_EQ(text_at(act, "after", "blocked_why"), "looks odd");
  EXPECT_TRUE(blocked.json().at("unchanged")->items().empty());
  const Answer opened = ask("POST", "/admin/v1/keys/app/unblock");
  ASSERT_EQ(opened.status, 200);
  EXPECT_TRUE(opened.json().at("unchanged")->items().empty());
  EXPECT_EQ(status_of("app"), "active");
  ASSERT_EQ(acts("key.unblock").size(), 1u);
  const Answer twice = ask("POST", "/admin/v1/keys/app/unblock");
  ASSERT_EQ(twice.status, 200);
  EXPECT_EQ(twice.json().at("unchanged")->items().size(), 1u) << "it was not blocked";
  EXPECT_EQ(text_at(acts("key.unblock")[0], "before", "status"), "blocked");
  EXPECT_EQ(ask("POST", "/admin/v1/keys/nobody/block").status, 404);
  ASSERT_EQ(ask("POST", "/admin/v1/keys/app/revoke").status, 200);
  EXPECT_EQ(ask("POST", "/admin/v1/keys/app/block").code(), "key_not_active");
  EXPECT_EQ(ask("POST", "/admin/v1/keys/app/unblock").code(), "key_not_active");
  EXPECT_EQ(status_of("app"), "revoked");
}

TEST_F(KeyChangeRoutes, WithoutAJournalAPauseStandsAndNothingComesBack) {
  make("app");
  recorder_.breaks(true);
  const Answer blocked = ask("POST", "/admin/v1/keys/app/block");
  EXPECT_EQ(blocked.status, 200) << blocked.body;
  EXPECT_EQ(blocked.json().at("recorded")->boolean(), false);
  EXPECT_EQ(ask("POST", "/admin/v1/keys/app/unblock").code(), "journal_unavailable");
  EXPECT_EQ(ask("PATCH", "/admin/v1/keys/app", R"({"rpm":1})").code(), "journal_unavailable");
  EXPECT_EQ(status_of("app"), "blocked");
  EXPECT_TRUE(ring_->show("app")->restrictions.empty()) << "nothing half-done";
}

TEST_F(KeyChangeRoutes, AFullStoreIsToldAndLeavesNothingHalfDone) {
  make("app");
  store_.read_only = true;
  const Answer blocked = ask("POST", "/admin/v1/keys/app/block");
  EXPECT_EQ(blocked.status, 200) << blocked.body;
  EXPECT_EQ(blocked.json().at("durable")->boolean(), false);
  EXPECT_EQ(status_of("app"), "blocked");
  EXPECT_EQ(ask("POST", "/admin/v1/keys/app/unblock").code(), "store_unavailable");
  EXPECT_EQ(ask("PATCH", "/admin/v1/keys/app", R"({"rpm":1})").code(), "store_unavailable");
  EXPECT_EQ(status_of("app"), "blocked");
  EXPECT_TRUE(ring_->show("app")->restrictions.empty());
}

struct ChangeCase {
  const char* why;
  const char* body;
  const char* told;  // in the message
};

TEST_F(KeyChangeRoutes, AChange) {
  make("app");
  const Answer changed = ask("PATCH", "/admin/v1/keys/app",
                             R"({"owner":"alice","rpm":5,"models":["gpt-5*"],"life":"2h"})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  const JsonValue key = changed.json().at("data")->items()[0];
  EXPECT_EQ(key.at("owner")->string(), "alice");
  EXPECT_EQ(key.at("expires_at")->string(), "2026-11-24T14:00:00.000Z");
  EXPECT_EQ(restrictions_json(ring_->show("app")->restrictions),
            R"({"models":["gpt-5*"],"rpm":5})");
  ASSERT_EQ(ask("PATCH", "/admin/v1/keys/app", R"({"rpm":null})").status, 200);
  EXPECT_EQ(restrictions_json(ring_->show("app")->restrictions), R"({"models":["gpt-5*"]})");
  ASSERT_EQ(acts("key.update").size(), 2u);
  EXPECT_EQ(text_at(acts("key.update")[0], "before", "owner"), "");
  EXPECT_EQ(text_at(acts("key.update")[0], "after", "owner"), "alice");

  const ChangeCase cases[] = {
      {"nothing", "{}", "nothing"},
      {"no object", "[]", "not a JSON object"},
      {"another name", R"({"name":"b"})", "name does not change"},
      {"another layer", R"({"layer":"acme"})", "layer does not change"},
      {"derived tokens", R"({"derive":true})", "derive does not change"},
      {"a mistyped limit", R"({"rmp":1})", "rmp"},
      {"a negative limit", R"({"rpm":-1})", "rpm must be"},
      {"an overflowing budget", R"({"budgets":[{"usd":"99999999999","per":"day"}]})", "budgets"},
      {"a malformed life", R"({"life":"soon"})", "life must be"},
      {"two ends", R"({"life":"1h","expires_at":"2026-11-24T13:00:00Z"})", "life and expires_at"},
      {"too long", R"({"expires_at":"2027-01-01T00:00:00Z"})", "expires_at"},
      {"in the past", R"({"expires_at":"2026-01-01T00:00:00Z"})", "expires_at"},
      {"twice the same", R"({"rpm":1,"rpm":2})", ""},
  };
  const std::uint64_t version = ring_->show("app")->version;
  for (const ChangeCase& c : cases) {
    const Answer refused = ask("PATCH", "/admin/v1/keys/app", c.body);
    EXPECT_EQ(refused.status, 400) << c.why;
    EXPECT_EQ(refused.code(), "invalid_key_change") << c.why;
    EXPECT_TRUE(refused.body.contains(c.told)) << c.why << ": " << refused.body;
  }
  EXPECT_EQ(ring_->show("app")->version, version) << "nothing was written";
}

TEST_F(KeyChangeRoutes, OneMappingIsOneHandle) {
  make("ci-web", "ci");
  make("ci-web", "ci");
  make("pod", "cluster");
  make("plain");
  const auto count = [&](const std::string& query) {
    return ask("GET", "/admin/v1/keys" + query).json().at("data")->items().size();
  };
  EXPECT_EQ(count(""), 4u);
  EXPECT_EQ(count("?mapping=ci"), 2u);
  EXPECT_EQ(count("?mapping=nobody"), 0u);
  EXPECT_EQ(ask("GET", "/admin/v1/keys?owner=x").code(), "invalid_filter");
  EXPECT_EQ(ask("GET", "/admin/v1/keys/pod").text("mapping"), "cluster");
  EXPECT_EQ(ask("POST", "/admin/v1/mappings/nobody/revoke").code(), "mapping_not_found");

  const Answer revoked = ask("POST", "/admin/v1/mappings/ci/revoke", R"({"why":"issuer"})");
  ASSERT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(revoked.json().at("data")->items().size(), 2u);
  EXPECT_EQ(status_of("ci-web"), "revoked");
  EXPECT_EQ(status_of("pod"), "active");
  EXPECT_EQ(acts("key.revoke").size(), 2u) << "each key has its record";
  ASSERT_EQ(acts("mapping.revoke").size(), 2u) << "the attempt at nobody's, too";
  EXPECT_EQ(acts("mapping.revoke")[0].error, "mapping_not_found");
  EXPECT_EQ(text_at(acts("mapping.revoke")[1], "after", "mapping"), "ci");
  EXPECT_EQ(acts("mapping.revoke")[1].actor, "admin_token");
}

TEST_F(KeyChangeRoutes, AListTellsWhichLayerEndedAKey) {
  keys::LayerSpec layer;
  for (const char* path : {"acme", "acme/web"}) {
    layer.path = path;
    ASSERT_TRUE(ring_->put_layer(layer, "admin"));
  }
  keys::KeySpec spec;
  spec.name = "app";
  spec.layer = "acme/web";
  ASSERT_TRUE(ring_->create(spec, "admin"));
  EXPECT_TRUE(ask("GET", "/admin/v1/keys/app").json().at("ended_by")->is_null());
  ASSERT_EQ(ask("POST", "/admin/v1/layers/acme/revoke").status, 200);
  const JsonValue listed = ask("GET", "/admin/v1/keys").json().at("data")->items()[0];
  EXPECT_EQ(listed.at("status")->string(), "layer_revoked");
  EXPECT_EQ(listed.at("ended_by")->string(), "acme");
}

TEST_F(KeyChangeRoutes, AFloodOfWrongTokensIsFolded) {
  const Ask forged{.path = "/admin/v1/keys",
                   .extra = "authorization: Bearer " + std::string(60, 'x') + "\r\n"};
  constexpr std::size_t kMore = 5;
  for (std::size_t i = 0; i < RefusalFold::kSinglesPerSource + kMore; ++i) {
    EXPECT_EQ(tcp(forged).status, 401);
  }
  ASSERT_EQ(ask("PATCH", "/admin/v1/keys/nobody", R"({"rpm":1})").status, 404);
  EXPECT_EQ(acts("key.update").size(), 1u) << "whoever has a name has records of his own";
  clock_.advance(std::chrono::milliseconds(RefusalFold::kWindowMs));
  EXPECT_EQ(tcp(forged).status, 401);
  std::int64_t counted = 0;
  for (const Event& event : acts("admin.refused")) counted += event.repeated.value_or(1);
  EXPECT_EQ(counted, static_cast<std::int64_t>(RefusalFold::kSinglesPerSource + kMore + 1))
      << "none is lost";
  EXPECT_EQ(acts("admin.refused").size(), RefusalFold::kSinglesPerSource + 2);
}

TEST_F(KeyChangeRoutes, ATreeMayBeLargeAndNothingElse) {
  std::string tree = R"({"layers":{"acme":{"layers":{)";
  for (int i = 0; i < 2'000; ++i) {
    tree += (i == 0 ? "" : ",") + std::string("\"p") + std::to_string(i) +
            R"(":{"restrictions":{"models":["gpt-5*"],"rpm":60}})";
  }
  tree += "}}}}";
  ASSERT_GT(tree.size(), 64u * 1024);
  const Answer applied = ask("PUT", "/admin/v1/layers", tree);
  EXPECT_EQ(applied.status, 200) << applied.body.substr(0, 300);
  EXPECT_EQ(applied.json().at("recorded")->boolean(), true);
  EXPECT_EQ(acts("layer.create").size(), 2'001u) << "each has its record";
  const std::string large(65 * 1024, ' ');
  for (const char* path : {"/admin/v1/layers", "/admin/v1/keys"}) {
    EXPECT_EQ(ask("POST", path, large).code(), "body_too_large") << path;
  }
  EXPECT_EQ(ask("PUT", "/admin/v1/layers", std::string(4'194'305, ' ')).code(), "body_too_large");
}

}  // namespace
}  // namespace sallyport::admin
