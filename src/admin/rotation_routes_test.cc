// SPDX-License-Identifier: Apache-2.0
#include "admin/rotation_routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "admin/house_for_test.h"
#include "keys/derived_token.h"
#include "keys/key_delivery.h"

namespace sallyport::admin {
namespace {

class RotationHouse : public AdminHouse {
 protected:
  Ask post(const std::string& path, std::string body) {
    return {.method = "POST",
            .path = "/admin/v1/keys/" + path,
            .extra = "content-type: application/json\r\n",
            .body = std::move(body)};
  }
  std::string make(const std::string& body) { return local(create(body)).text("key"); }
  keys::KeyFault check(std::string_view key) {
    return keys::KeyRing::Reader::make(*ring_)->check(key, {.now = clock_.now()}).fault;
  }
};

TEST_F(RotationHouse, AnIncidentEndsEveryGenerationAndTheRecordNamesThem) {
  const std::string first = make(R"({"name":"app-chat","owner":"blue"})");
  const std::string kid = ring_->show("app-chat")->kid;
  const Answer second = local(post("app-chat/rotate", R"({"overlap":"1h"})"));
  ASSERT_EQ(second.status, 201) << second.body;
  const Answer third = local(post("app-chat/rotate", R"({"overlap":"0s"})"));
  ASSERT_EQ(third.status, 201) << third.body;
  EXPECT_EQ(check(first), keys::KeyFault::kExpired);
  EXPECT_EQ(check(second.text("key")), keys::KeyFault::kExpired);
  EXPECT_EQ(check(third.text("key")), keys::KeyFault::kNone);
  EXPECT_TRUE(recorder_.events().back().detail->contains("\"also_ended\":[\"" + kid + "\"]"));
}

// The command line beside us has made it, and we have not looked yet.
TEST_F(RotationHouse, AKeyThatAnotherProcessMadeIsRevoked) {
  keys::Config config;
  config.pepper = Secret(std::string(32, 'p'));
  const auto other = keys::KeyRing::open(config, store_, clock_).value();
  keys::KeySpec spec;
  spec.name = "theirs";
  store_.other([&] { ASSERT_TRUE(other->create(spec, "cli")); });
  const Answer revoked = local(revoke("theirs"));
  EXPECT_EQ(revoked.status, 200) << revoked.body;
  EXPECT_EQ(ring_->show("theirs")->state, keys::KeyState::kRevoked);
  EXPECT_EQ(local(revoke("nobody")).status, 404);
}

TEST_F(RotationHouse, ANewSecretUnderTheSameName) {
  const std::string old = make(R"({"name":"app-chat","owner":"blue"})");
  const Answer done =
      local(post("app-chat/rotate", R"({"overlap":"1h","rotation_id":"r-1","why":"planned"})"));
  ASSERT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(check(old), keys::KeyFault::kNone);
  EXPECT_EQ(check(done.text("key")), keys::KeyFault::kNone);
  EXPECT_EQ(done.text("rotation_id"), "r-1");
  const JsonValue body = done.json();
  EXPECT_EQ(body.at("successor")->at("name")->string(), "app-chat");
  EXPECT_EQ(body.at("old")->at("status")->string(), "retiring");
  EXPECT_EQ(body.at("old")->at("expires_at")->string(), "2026-11-24T13:00:00.000Z");
  EXPECT_EQ(body.at("old")->at("replaced_by")->string(), body.at("successor")->at("kid")->string());

  const Event record = recorder_.events().back();
  EXPECT_EQ(record.action, "key.rotate");
  EXPECT_EQ(record.api_key_id, "app-chat");
  EXPECT_EQ(record.kid, std::string(*body.at("successor")->at("kid")->string()));
  ASSERT_TRUE(record.detail);
  EXPECT_TRUE(record.detail->contains("\"rotation_id\":\"r-1\""));
  EXPECT_TRUE(record.detail->contains("\"status\":\"active\"")) << "before";
  EXPECT_TRUE(record.detail->contains("\"status\":\"retiring\"")) << "after";
  EXPECT_TRUE(record.detail->contains("planned"));
  EXPECT_FALSE(record.detail->contains(done.text("key")));

  const Answer again = local(post("app-chat/rotate", R"({"rotation_id":"r-1"})"));
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(again.json().at("repeated")->boolean(), true);
  EXPECT_FALSE(again.json().at("key")) << "a secret is shown once";
  EXPECT_EQ(recorder_.events().back().detail, record.detail) << "nothing new was done";
}

TEST_F(RotationHouse, AnIncidentEndsTheOldOneAtOnce) {
  const std::string old = make(R"({"name":"app-chat"})");
  ASSERT_EQ(local(post("app-chat/rotate", R"({"overlap":"0s"})")).status, 201);
  EXPECT_EQ(check(old), keys::KeyFault::kExpired);
}

TEST_F(RotationHouse, WhatIsRefused) {
  make(R"({"name":"app-chat"})");
  struct Case {
    const char* why;
    const char* path;
    const char* body;
    int status;
    const char* code;
  };
  const Case cases[] = {
      {"no such key", "nobody/rotate", "{}", 404, "key_not_found"},
      {"a long overlap", "app-chat/rotate", R"({"overlap":"25h"})", 400, "invalid_rotation"},
      {"no duration", "app-chat/rotate", R"({"overlap":"soon"})", 400, "invalid_rotation"},
      {"an unknown member", "app-chat/rotate", R"({"overlpa":"1h"})", 400, "invalid_rotation"},
      {"an odd id", "app-chat/rotate", R"({"rotation_id":"a b"})", 400, "invalid_rotation"},
      {"no object", "app-chat/rotate", "[]", 400, nullptr},
      {"nowhere to deliver", "app-chat/rotate", R"({"deliver":true})", 400, "no_delivery_target"},
      {"no such token id", "app-chat/tokens/short/revoke", "{}", 400, "invalid_key_spec"},
      {"nothing to look up", "which", "{}", 400, "invalid_body"},
      {"no text", "which", R"({"secret":5})", 400, "invalid_body"},
  };
  for (const Case& c : cases) {
    const Answer answer = local(post(c.path, c.body));
    EXPECT_EQ(answer.status, c.status) << c.why << ": " << answer.body;
    if (c.code) {
      EXPECT_EQ(answer.code(), c.code) << c.why;
    }
  }
  ASSERT_EQ(local(revoke("app-chat")).status, 200);
  EXPECT_EQ(local(post("app-chat/rotate", "{}")).code(), "not_rotatable");
}

TEST_F(RotationHouse, WithoutARecordNothingChanges) {
  const std::string old = make(R"({"name":"app-chat"})");
  recorder_.breaks(true);
  EXPECT_EQ(local(post("app-chat/rotate", "{}")).code(), "journal_unavailable");
  recorder_.breaks(false);
  EXPECT_EQ(ring_->list().size(), 1U);
  EXPECT_EQ(check(old), keys::KeyFault::kNone);
}

// The journal took nothing, though it seemed to work. What was only planned did not happen; a key
// in wrong hands is dead, and the answer says so.
TEST_F(RotationHouse, WhatIsNotRecordedIsNotDoneButForAnIncident) {
  const std::string planned = make(R"({"name":"planned"})"), stolen = make(R"({"name":"stolen"})");
  recorder_.loses(true);
  const Answer not_done = local(post("planned/rotate", R"({"overlap":"1h"})"));
  EXPECT_EQ(not_done.code(), "journal_unavailable");
  EXPECT_TRUE(not_done.body.contains("nothing was done")) << not_done.body;
  const auto end_of = [&](std::string_view key) {
    return ring_->show(keys::parse_key(key).kid)->expires_at;
  };
  EXPECT_GT(end_of(planned), clock_.now() + std::chrono::hours(2)) << "it keeps its end";
  EXPECT_EQ(check(planned), keys::KeyFault::kNone);
  const Answer dead = local(post("stolen/rotate", R"({"overlap":"0s"})"));
  EXPECT_EQ(dead.code(), "journal_unavailable");
  EXPECT_TRUE(dead.body.contains("the old key is dead all the same")) << dead.body;
  EXPECT_EQ(check(stolen), keys::KeyFault::kExpired);
  recorder_.loses(false);
  EXPECT_EQ(local(post("planned/rotate", "{}")).status, 201) << "and it can be done again";
}

// The store fails between the new key and the old one's end: the end holds here, and the answer
// says that it is not durable.
TEST_F(RotationHouse, AnEndThatIsNotDurableIsTold) {
  const std::string old = make(R"({"name":"app-chat"})");
  store_.retire_fails = true;
  const Answer done = local(post("app-chat/rotate", R"({"overlap":"1h"})"));
  EXPECT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(done.json().at("durable")->boolean(), false);
  EXPECT_EQ(done.json().at("old")->at("expires_at")->string(), "2026-11-24T13:00:00.000Z");
  EXPECT_EQ(check(done.text("key")), keys::KeyFault::kNone) << "the new one is not lost";
}

// Its targets lie in a folder that is not there: nothing arrives.
class UndeliveredHouse : public RotationHouse {
 protected:
  void configure(Config&, AdminParts& parts) override {
    const std::vector<keys::DeliveryConfig> targets = {{.key = "app-*",
                                                        .layer = {},
                                                        .to = "file:" + folder_ + "/none/{name}",
                                                        .sign_with = {},
                                                        .ca_file = {}}};
    delivery_ = keys::KeyDelivery::make(targets, {resolver_, offload_, clock_}).value();
    parts.delivery = delivery_.get();
  }
  std::unique_ptr<keys::KeyDelivery> delivery_;
};

TEST_F(UndeliveredHouse, TheOldKeyLivesUnlessItIsAnIncident) {
  const struct {
    const char* name;
    const char* body;
    keys::KeyFault old;
  } kCases[] = {
      {"app-planned", R"({"deliver":true})", keys::KeyFault::kNone},
      {"app-stolen", R"({"deliver":true,"overlap":"0s"})", keys::KeyFault::kExpired},
  };
  for (const auto& c : kCases) {
    const std::string old = make(std::string("{\"name\":\"") + c.name + "\"}");
    const Answer answer = local(post(std::string(c.name) + "/rotate", c.body));
    EXPECT_EQ(answer.status, 502) << answer.body;
    EXPECT_EQ(answer.code(), "not_delivered");
    EXPECT_EQ(check(old), c.old) << c.name;
    // Behind it stands that of the request that failed.
    const std::vector<Event> events = recorder_.events();
    const auto found = std::ranges::find(events.rbegin(), events.rend(), "key.rotate_failed",
                                         [](const Event& one) { return one.action.value_or(""); });
    ASSERT_NE(found, events.rend());
    const Event& record = *found;
    EXPECT_EQ(record.error, "not_delivered");
    ASSERT_TRUE(record.kid);
    EXPECT_EQ(ring_->show(*record.kid)->state, keys::KeyState::kRevoked);
  }
}

TEST_F(RotationHouse, WhoseSecretItIs) {
  const std::string key = make(R"({"name":"app-chat"})");
  const Answer ours = local(post("which", R"({"secret":")" + key + R"("})"));
  ASSERT_EQ(ours.status, 200) << ours.body;
  EXPECT_EQ(ours.json().at("ours")->boolean(), true);
  EXPECT_EQ(ours.json().at("key")->at("name")->string(), "app-chat");
  EXPECT_FALSE(ours.body.contains(key)) << "it is never echoed";
  const Event record = recorder_.events().back();
  EXPECT_EQ(record.action, "key.which");
  EXPECT_EQ(record.api_key_id, "app-chat");
  EXPECT_FALSE(record.detail.value_or("").contains(key));

  const Secret other = keys::mint_key();
  const Answer not_ours =
      local(post("which", R"({"secret":")" + std::string(other.reveal()) + R"("})"));
  EXPECT_EQ(not_ours.json().at("ours")->boolean(), false);
  EXPECT_FALSE(not_ours.json().at("kid"));
  EXPECT_EQ(not_ours.text("claimed_kid"), keys::parse_key(other.reveal()).kid);
  EXPECT_FALSE(local(post("which", R"({"secret":"hello"})")).json().at("claimed_kid"));
}

TEST_F(RotationHouse, OfATokenItsOwnEndIsTold) {
  Answer made = local(create(R"({"name":"app-chat","derive":true})"));
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string iat = std::to_string(clock_.now().time_since_epoch().count() / 1000);
  const std::string exp = std::to_string(clock_.now().time_since_epoch().count() / 1000 + 60);
  const std::vector<std::string> caveats = {"iat=" + iat, "exp=" + exp};
  const Secret token = keys::mint_derived(Secret(made.text("key")), caveats).value();
  const auto ask = [&] {
    return local(post("which", R"({"secret":")" + std::string(token.reveal()) + R"("})"));
  };
  Answer which = ask();
  EXPECT_EQ(which.json().at("token")->at("status")->string(), "active") << which.body;
  EXPECT_EQ(which.json().at("token")->at("expires_at")->string(), "2026-11-24T12:01:00.000Z");
  const std::string tid(keys::parse_derived(token.reveal()).tid);
  ASSERT_EQ(local(post("app-chat/tokens/" + tid + "/revoke", "{}")).status, 200);
  which = ask();
  EXPECT_EQ(which.json().at("token")->at("status")->string(), "revoked");
  EXPECT_EQ(which.json().at("key")->at("status")->string(), "active") << "its key lives";
}

TEST_F(RotationHouse, OneTokenIsRevoked) {
  make(R"({"name":"app-chat"})");
  const Answer done = local(post("app-chat/tokens/0123456789abcdef/revoke", R"({"why":"leaked"})"));
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.text("tid"), "0123456789abcdef");
  EXPECT_EQ(done.json().at("durable")->boolean(), true);
  const Event record = recorder_.events().back();
  EXPECT_EQ(record.action, "token.revoke");
  EXPECT_EQ(record.tid, "0123456789abcdef");
  EXPECT_TRUE(record.detail->contains("leaked"));
}

}  // namespace
}  // namespace sallyport::admin
