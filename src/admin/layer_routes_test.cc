// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "admin/house_for_test.h"
#include "admin/layer_json.h"

namespace sallyport::admin {
namespace {

class LayerRoutesTest : public AdminHouse {
 protected:
  static Ask send(std::string method, std::string path, std::string body) {
    return {.method = std::move(method),
            .path = "/admin/v1/layers" + std::move(path),
            .extra = body.empty() ? "" : "content-type: application/json\r\n",
            .body = std::move(body)};
  }
};

TEST_F(LayerRoutesTest, ALayerIsCreatedChangedShownReissuedAndRevoked) {
  EXPECT_EQ(local(send("POST", "", R"({"path":"acme","owner":"it"})")).status, 201);
  EXPECT_EQ(local(send("POST", "", R"({"path":"acme"})")).code(), "layer_conflict");
  EXPECT_EQ(local(send("PUT", "/acme/support",
                       R"({"expires_at":"2099-01-01T00:00:00Z","restrictions":{"rpm":5}})"))
                .status,
            200);
  const Answer shown = local(send("GET", "/acme/support", ""));
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.text("kind"), "project");
  EXPECT_EQ(shown.text("status"), "active");
  EXPECT_NE(shown.body.find(R"("restrictions":{"rpm":5})"), std::string::npos) << shown.body;
  EXPECT_EQ(local(send("GET", "", "")).json().at("data")->items().size(), 2u);
  EXPECT_EQ(local(send("GET", "/globex", "")).code(), "layer_not_found");

  const Answer reissued = local(send("POST", "/acme/reissue", ""));
  EXPECT_EQ(reissued.status, 200) << reissued.body;
  EXPECT_NE(reissued.body.find("\"issued_before\":\"2"), std::string::npos);
  const Answer revoked = local(send("POST", "/acme/support/revoke", R"({"why":"leak"})"));
  EXPECT_EQ(revoked.status, 200);
  EXPECT_NE(revoked.body.find("\"durable\":true,\"recorded\":true"), std::string::npos);
  EXPECT_EQ(local(send("PUT", "/acme/support", "{}")).code(), "layer_conflict");
  EXPECT_EQ(local(send("PUT", "/acme/support/user", "{}")).code(), "layer_conflict");
}

// Whoever asks for more than the layer has learns that it will not be given.
TEST_F(LayerRoutesTest, ANewKeyIsToldWhatItsLayerDoesNotGive) {
  ASSERT_EQ(local(send("PUT", "/acme", R"({"restrictions":{"rpm":5}})")).status, 200);
  const Answer wide = local(create(R"({"name":"wide","layer":"acme","rpm":50})"));
  ASSERT_EQ(wide.status, 201) << wide.body;
  ASSERT_EQ(wide.json().at("warnings")->items().size(), 1u) << wide.body;
  EXPECT_TRUE(wide.json().at("warnings")->items()[0].string()->starts_with("rpm "));
  const Answer narrow = local(create(R"({"name":"narrow","layer":"acme","rpm":4})"));
  EXPECT_TRUE(narrow.json().at("warnings")->items().empty()) << narrow.body;
}

TEST_F(LayerRoutesTest, EveryActIsRecordedWithWhoBeforeAndAfter) {
  ASSERT_EQ(tcp(with_token(send("PUT", "/acme", R"({"restrictions":{"rpm":5}})"))).status, 200);
  ASSERT_EQ(tcp(with_token(send("PUT", "/acme", R"({"restrictions":{"rpm":6}})"))).status, 200);
  ASSERT_EQ(tcp(with_token(send("POST", "/acme/revoke", ""))).status, 200);
  std::vector<std::string> acts;
  for (const Event& event : recorder_.events()) {
    if (!event.action || !event.action->starts_with("layer.")) continue;
    acts.push_back(*event.action);
    EXPECT_EQ(event.layer, "acme");
    EXPECT_EQ(event.ip, "127.0.0.1");
    EXPECT_TRUE(event.actor);
    ASSERT_TRUE(event.detail);
    if (*event.action != "layer.change") continue;
    EXPECT_LT(event.detail->find("\"rpm\":5"), event.detail->find("\"after\""));
    EXPECT_GT(event.detail->find("\"rpm\":6"), event.detail->find("\"after\""));
  }
  EXPECT_EQ(acts, (std::vector<std::string>{"layer.create", "layer.change", "layer.revoke"}));
}

TEST_F(LayerRoutesTest, ATreeIsAppliedAllOrNothing) {
  const Answer applied = local(send("PUT", "", R"({"layers":{
      "acme":{"restrictions":{"models":["gpt-5*"]},
              "layers":{"support":{"owner":"s","restrictions":{"models":["o9"]},
                                   "layers":{"user_42":null}},
                        "sales":{}}},
      "globex":null}})"));
  EXPECT_EQ(applied.status, 200) << applied.body;
  EXPECT_EQ(applied.json().at("warnings")->items().size(), 1u);
  EXPECT_EQ(local(send("GET", "", "")).json().at("data")->items().size(), 5u);
  const Answer bad = local(send("PUT", "", R"({"layers":{"new":{},"acme":{"layers":{
      "x":{"restrictions":{"rpm":-1}}}}}})"));
  EXPECT_EQ(bad.code(), "invalid_layer");
  EXPECT_NE(bad.body.find("acme/x"), std::string::npos) << "names the layer: " << bad.body;
  EXPECT_NE(bad.body.find("rpm"), std::string::npos) << "and the member";
  EXPECT_EQ(local(send("GET", "/new", "")).status, 404) << "nothing half-written";
}

struct BadBody {
  const char* body;
  const char* names;
};

TEST(LayerTree, WhatIsMalformedIsRefusedByName) {
  const BadBody cases[] = {
      {"", "layers"},
      {"[]", "layers"},
      {R"({"layers":[]})", "layers"},
      {R"({"layers":{},"more":1})", "layers"},
      {R"({"layers":{"a":{},"a":{}}})", "repeated"},
      {R"({"layers":{"a b":{}}})", "a b"},
      {R"({"layers":{"a":5}})", "a: must be an object"},
      {R"({"layers":{"a":{"x":5}}})", "unknown member x"},
      {R"({"layers":{"a":{"owner":5}}})", "owner"},
      {R"({"layers":{"a":{"expires_at":"soon"}}})", "expires_at"},
      {R"({"layers":{"a":{"restrictions":{"rpm":"5"}}}})", "rpm"},
      {R"({"layers":{"a":{"layers":{"b":{"layers":{"c":{"layers":{"d":{}}}}}}}}})", "a/b/c"},
  };
  for (const BadBody& c : cases) {
    const auto read = read_layer_tree(c.body);
    ASSERT_FALSE(read) << c.body;
    EXPECT_NE(read.error().what.find(c.names), std::string::npos) << read.error().what;
  }
}

TEST(LayerJson, ASpecReadsBack) {
  keys::LayerSpec spec;
  spec.path = "acme/support";
  spec.owner = "team \"blue\"";
  spec.expires_at = parse_utc("2099-01-01T00:00:00Z");
  spec.restrictions = parse_restrictions(R"({"rpm":5,"cidr":["10.0.0.0/8"]})").value();
  const auto back = read_layer_spec(JsonValue::parse(write_layer_spec(spec)).value());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->path, spec.path);
  EXPECT_EQ(back->owner, spec.owner);
  EXPECT_EQ(back->expires_at, spec.expires_at);
  EXPECT_EQ(back->restrictions, spec.restrictions);
}

}  // namespace
}  // namespace sallyport::admin
