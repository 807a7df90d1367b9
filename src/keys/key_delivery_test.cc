// SPDX-License-Identifier: Apache-2.0
#include "keys/key_delivery.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/json_reader.h"
#include "base/text.h"
#include "keys/webhook_signature.h"
#include "net/http_server.h"

namespace sallyport::keys {
namespace {

namespace fs = std::filesystem;

const char kSigningText[] = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";  // 24 bytes 00 to 17

TEST(WebhookSignature, KnownValues) {
  const Secret secret(kSigningText);
  const auto signature = webhook_signature(secret, "msg_1", 1'700'000'000, "{\"a\":1}");
  ASSERT_TRUE(signature);
  EXPECT_EQ(*signature, "v1,YOREwC5BRUvI4ezImQEgEteB7JbPr/Iy2YCZe049/5g=");
  const Secret plain(*base64_decode(std::string_view(kSigningText).substr(6)));
  EXPECT_EQ(webhook_signature(plain, "msg_1", 1'700'000'000, "{\"a\":1}"), *signature);
  EXPECT_NE(webhook_signature(secret, "msg_2", 1'700'000'000, "{\"a\":1}"), *signature);
  EXPECT_NE(webhook_signature(secret, "msg_1", 1'700'000'001, "{\"a\":1}"), *signature);
  EXPECT_NE(webhook_signature(secret, "msg_1", 1'700'000'000, "{\"a\":2}"), *signature);
  EXPECT_FALSE(webhook_signature(Secret("short"), "msg_1", 1, ""));
  EXPECT_FALSE(webhook_signature(Secret("whsec_???"), "msg_1", 1, ""));
  EXPECT_FALSE(webhook_signature(secret, "msg.1", 1, ""));
}

// Answers with one status after the other; keeps what it was sent.
class Receiver final : public net::ServerHandler {
 public:
  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    net::ServerResponse response;
    response.status = seen.size() < statuses.size() ? statuses[seen.size()] : 200;
    seen.push_back(std::move(request));
    co_return response;
  }
  std::vector<int> statuses;
  std::vector<net::ServerRequest> seen;
};

class KeyDeliveryTest : public testing::Test {
 protected:
  KeyDeliveryTest() : disk_(1), clock_(UtcTime(std::chrono::seconds(1'700'000'000))) {
    std::string name = (fs::canonical(fs::temp_directory_path()) / "delivery_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    start();
  }
  ~KeyDeliveryTest() override {
    disk_.stop();
    loop_->drop_tasks();
    server_.reset();
    fs::remove_all(root_);
  }

  // A loop runs once: each delivery has its own.
  void start() {
    server_.reset();
    loop_.emplace();
    const Result<int> fd = net::listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
    url_ = "http://127.0.0.1:" + std::to_string(net::local_endpoint(*fd)->port) + "/hook";
    server_.emplace(*loop_, receiver_, net::ServerLimits{});
    server_->serve(*fd);
  }

  DeliveryConfig to(std::string key, std::string where) const {
    return {.key = std::move(key),
            .layer = {},
            .to = std::move(where),
            .sign_with = std::make_shared<const Secret>(kSigningText),
            .ca_file = {}};
  }

  Result<std::unique_ptr<KeyDelivery>> make(const std::vector<DeliveryConfig>& targets) {
    return KeyDelivery::make(targets, {resolver_, disk_, clock_}, 1);
  }

  static Task<void> run(net::Loop& loop, const KeyDelivery& delivery, KeyDelivery::Parcel parcel,
                        Result<void>& outcome) {
    outcome = co_await delivery.deliver(loop, std::move(parcel));
    loop.stop();
  }

  Result<void> deliver(const KeyDelivery& delivery, std::string name) {
    KeyDelivery::Parcel parcel{.secret = std::make_shared<const Secret>("sk-sp1-the-new-one"),
                               .kid = "AbCdEfGhIjKl",
                               .name = std::move(name),
                               .layer = "acme/support",
                               .replaces = "000000000001",
                               .expires_at = UtcTime(std::chrono::seconds(1'700'003'600)),
                               .rotation_id = "rot_1"};
    Result<void> outcome = fail(Code::kCorrupt, "did not end");
    loop_->spawn(run(*loop_, delivery, std::move(parcel), outcome));
    loop_->run();
    return outcome;
  }

  std::optional<net::Loop> loop_;
  net::Resolver resolver_;
  net::Offload disk_;
  ManualClock clock_;
  Receiver receiver_;
  std::optional<net::HttpServer> server_;
  std::string root_, url_;
};

TEST_F(KeyDeliveryTest, IntoAFile) {
  const auto delivery = make({to("app-*", "file:" + root_ + "/{name}.key")});
  ASSERT_TRUE(delivery);
  EXPECT_EQ(deliver(**delivery, "other").error().code, Code::kNotFound);
  start();
  ASSERT_TRUE(deliver(**delivery, "app-chat"));
  std::ifstream in(root_ + "/app-chat.key");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), "sk-sp1-the-new-one");
}

TEST_F(KeyDeliveryTest, AsASignedMessage) {
  const auto delivery = make({to("", url_)});
  ASSERT_TRUE(delivery) << delivery.error().what;
  ASSERT_TRUE(deliver(**delivery, "app-chat"));
  ASSERT_EQ(receiver_.seen.size(), 1U);
  const net::ServerRequest& request = receiver_.seen[0];
  EXPECT_EQ(request.method + " " + request.path, "POST /hook");
  EXPECT_EQ(*request.find("webhook-id"), "msg_AbCdEfGhIjKl");
  EXPECT_EQ(*request.find("webhook-timestamp"), "1700000000");
  EXPECT_EQ(
      *request.find("webhook-signature"),
      webhook_signature(Secret(kSigningText), "msg_AbCdEfGhIjKl", 1'700'000'000, request.body));
  const auto body = JsonValue::parse(request.body);
  ASSERT_TRUE(body);
  const auto data = body->at("data");
  EXPECT_EQ(body->at("type")->string(), "key.rotated");
  EXPECT_EQ(data->at("key")->string(), "sk-sp1-the-new-one");
  EXPECT_EQ(data->at("name")->string(), "app-chat");
  EXPECT_EQ(data->at("replaces")->string(), "000000000001");
  EXPECT_EQ(data->at("rotation_id")->string(), "rot_1");
  EXPECT_EQ(data->at("expires_at")->string(), "2023-11-14T23:13:20.000Z");
}

TEST_F(KeyDeliveryTest, TriesAgainWhatMayWorkLater) {
  struct Case {
    const char* why;
    std::vector<int> statuses;
    std::optional<Code> code;  // nothing: delivered
    std::size_t attempts;
  };
  const Case cases[] = {
      {"any 2xx is enough", {204}, {}, 1},
      {"overloaded, then well", {503, 429, 200}, {}, 3},
      {"it does not want it", {400}, Code::kDenied, 1},
      {"gone", {410}, Code::kDenied, 1},
      {"redirects are not followed", {307}, Code::kDenied, 1},
      {"broken for good", {500, 500, 500, 500, 500, 500, 200}, Code::kUnavailable, 6},
      {"broken, then unwilling", {500, 403}, Code::kDenied, 2},
  };
  for (const Case& c : cases) {
    receiver_.statuses = c.statuses;
    receiver_.seen.clear();
    start();
    const auto delivery = make({to("", url_)});
    const Result<void> outcome = deliver(**delivery, "app-chat");
    EXPECT_EQ(outcome.has_value(), !c.code.has_value()) << c.why;
    if (!outcome && c.code) {
      EXPECT_EQ(outcome.error().code, *c.code) << c.why;
      EXPECT_FALSE(outcome.error().what.contains("the-new-one")) << c.why;
    }
    EXPECT_EQ(receiver_.seen.size(), c.attempts) << c.why;
    for (const auto& request : receiver_.seen) {
      EXPECT_EQ(*request.find("webhook-id"), "msg_AbCdEfGhIjKl") << "the same on every attempt";
    }
  }
}

TEST_F(KeyDeliveryTest, NobodyListens) {
  const auto delivery = make({to("", "http://127.0.0.1:1/hook")});
  EXPECT_EQ(deliver(**delivery, "app-chat").error().code, Code::kUnavailable);
}

TEST_F(KeyDeliveryTest, TheFirstTargetThatFits) {
  std::vector<DeliveryConfig> targets = {to("app-chat", "file:" + root_ + "/one"),
                                         to("app-*", "file:" + root_ + "/{name}")};
  targets[1].layer = "acme/*";
  const auto delivery = make(targets);
  EXPECT_TRUE((*delivery)->has_target("app-chat", ""));
  EXPECT_TRUE((*delivery)->has_target("app-x", "acme/support"));
  EXPECT_FALSE((*delivery)->has_target("app-x", "other/support"));
  EXPECT_FALSE((*delivery)->has_target("app-x", ""));
  ASSERT_TRUE(deliver(**delivery, "app-chat"));
  EXPECT_TRUE(fs::exists(root_ + "/one"));
  EXPECT_FALSE(fs::exists(root_ + "/app-chat"));
}

TEST_F(KeyDeliveryTest, RefusesTargetsThatCannotBeUsed) {
  struct Case {
    const char* why;
    DeliveryConfig target;
  };
  const Case cases[] = {
      {"http to another machine", to("a", "http://192.0.2.1/hook")},
      {"no scheme", to("a", "/run/key")},
      {"another scheme", to("a", "exec:/bin/sh")},
      {"a relative path", to("a", "file:key")},
      {"a directory", to("a", "file:/run/")},
      {"many keys, one file", to("app-*", "file:/run/key")},
      {"all keys, one file", to("", "file:/run/key")},
      {"a name as a directory", to("app-*", "file:/run/{name}/key")},
      {"a short secret",
       {.key = "a",
        .layer = {},
        .to = url_,
        .sign_with = std::make_shared<const Secret>("short"),
        .ca_file = {}}},
      {"no secret", {.key = "a", .layer = {}, .to = url_, .sign_with = {}, .ca_file = {}}},
      {"no authorities",
       {.key = "a",
        .layer = {},
        .to = "https://example.com/hook",
        .sign_with = std::make_shared<const Secret>(kSigningText),
        .ca_file = "/nowhere/ca.pem"}},
  };
  for (const Case& c : cases) {
    const auto delivery = make({c.target});
    ASSERT_FALSE(delivery) << c.why;
    EXPECT_EQ(delivery.error().code, Code::kInvalid) << c.why;
    EXPECT_TRUE(delivery.error().what.contains("keys.deliver[0]")) << delivery.error().what;
  }
}

}  // namespace
}  // namespace sallyport::keys
