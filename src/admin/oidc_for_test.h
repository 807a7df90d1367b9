// SPDX-License-Identifier: Apache-2.0
// For tests only: a small OpenID Connect provider that is strict with its clients, on a thread of
// its own, with real signatures; and knobs to make its tokens wrong.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/text.h"
#include "keys/form.h"
#include "keys/jwk.h"
#include "keys/signer_for_test.h"
#include "net/http_server.h"

namespace sallyport::admin {

class OidcForTest final : public net::ServerHandler {
 public:
  // What the next tokens say. Empty texts: the right thing.
  struct Token {
    std::string alg = "RS256";
    std::string issuer = {}, audience_json = {}, nonce = {}, subject = "1001";
    std::string more = {};  // ,"groups":[..]
    std::chrono::seconds life{300};
    bool other_key = false;  // signed by a stranger with our kid
  };

  explicit OidcForTest(const Clock& clock) : clock_(clock) {
    server_ = std::make_unique<net::HttpServer>(loop_, *this, net::ServerLimits{});
    const auto fd = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
    EXPECT_TRUE(fd);
    port_ = net::local_endpoint(*fd)->port;
    server_->serve(*fd);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~OidcForTest() override {
    loop_.stop();
    thread_.join();
    server_.reset();
    loop_.drop_tasks();
  }

  std::string issuer() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void says(Token token) {
    const std::lock_guard lock(mutex_);
    token_ = std::move(token);
  }
  void names_itself(std::string issuer) {
    const std::lock_guard lock(mutex_);
    discovery_issuer_ = std::move(issuer);
  }
  int token_requests() const {
    const std::lock_guard lock(mutex_);
    return token_requests_;
  }

  // What a browser's visit at `location` comes back with: "code=..&state=..". Fails the test when
  // the request is not as the specification wants it.
  std::string visit(const std::string& location) {
    const std::string at = issuer() + "/authorize?";
    EXPECT_TRUE(location.starts_with(at)) << location;
    const auto form = keys::parse_form(location.substr(at.size()));
    EXPECT_TRUE(form) << location;
    const auto is = [&](const char* name, const std::string& value) {
      EXPECT_EQ(form->contains(name) ? form->at(name) : "(none)", value) << name;
    };
    is("response_type", "code");
    is("client_id", "sallyport");
    is("redirect_uri", kRedirect);
    is("code_challenge_method", "S256");
    EXPECT_TRUE(form->at("scope").contains("openid"));
    EXPECT_GE(form->at("state").size(), 43u);
    EXPECT_GE(form->at("nonce").size(), 43u);
    EXPECT_EQ(form->at("code_challenge").size(), 43u);
    const std::lock_guard lock(mutex_);
    const std::string code = "code-" + random_base62(20);
    codes_[code] = {form->at("nonce"), form->at("code_challenge")};
    return "code=" + code + "&state=" + form->at("state");
  }

  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    net::ServerResponse answer;
    if (request.path == "/.well-known/openid-configuration") {
      answer.body = discovery();
    } else if (request.path == "/jwks") {
      answer.body = R"({"keys":[)" + rsa_.jwk("r1") + "," + p256_.jwk("e1") + "]}";
    } else if (request.path == "/token" && request.method == "POST") {
      answer.body = redeem(request);
      if (answer.body.empty()) {
        answer.status = 400;
        answer.body = R"({"error":"invalid_grant"})";
      }
    } else {
      answer.status = 404;
    }
    co_return std::move(answer);
  }

  static constexpr const char* kRedirect = "http://localhost:9443/admin/callback";
  static constexpr const char* kClientSecret = "s3cret+/=";

 private:
  struct Code {
    std::string nonce, challenge;
  };

  std::string discovery() {
    const std::lock_guard lock(mutex_);
    const std::string self = discovery_issuer_.empty() ? issuer() : discovery_issuer_;
    return R"({"issuer":")" + self + R"(","authorization_endpoint":")" + issuer() +
           R"(/authorize","token_endpoint":")" + issuer() + R"(/token","jwks_uri":")" + issuer() +
           R"(/jwks"})";
  }

  std::string redeem(const net::ServerRequest& request) {
    const std::lock_guard lock(mutex_);
    ++token_requests_;
    const std::string* login = request.find("authorization");
    const std::string pair = "sallyport:s3cret%2B%2F%3D";
    if (login == nullptr || *login != "Basic " + base64_encode(pair)) return "";
    const auto form = keys::parse_form(request.body);
    if (!form || !form->contains("code") || !form->contains("code_verifier")) return "";
    if (form->at("grant_type") != "authorization_code") return "";
    if (form->at("redirect_uri") != kRedirect) return "";
    const auto at = codes_.find(form->at("code"));
    if (at == codes_.end()) return "";
    const Code code = at->second;
    codes_.erase(at);  // each counts once
    if (base64url_encode(keys::sha256(form->at("code_verifier"))) != code.challenge) return "";
    return R"({"access_token":"x","token_type":"Bearer","id_token":")" + id_token(code.nonce) +
           "\"}";
  }

  std::string id_token(const std::string& nonce) const {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.now()).time_since_epoch();
    const std::string aud = token_.audience_json.empty() ? R"("sallyport")" : token_.audience_json;
    const std::string claims =
        R"({"iss":")" + (token_.issuer.empty() ? issuer() : token_.issuer) + R"(","aud":)" + aud +
        R"(,"sub":")" + token_.subject + R"(","nonce":")" +
        (token_.nonce.empty() ? nonce : token_.nonce) + R"(","iat":)" +
        std::to_string((token_.life.count() < 0 ? now + 2 * token_.life : now).count()) +
        R"(,"exp":)" + std::to_string((now + token_.life).count()) + token_.more + "}";
    const bool ec = token_.alg == "ES256";
    const std::string header =
        R"({"alg":")" + token_.alg + R"(","kid":")" + (ec ? "e1" : "r1") + R"("})";
    if (token_.alg == "none") {
      return base64url_encode(header) + "." + base64url_encode(claims) + ".";
    }
    if (token_.other_key) return stranger_.token(token_.alg, header, claims);
    return (ec ? p256_ : rsa_).token(token_.alg, header, claims);
  }

  const Clock& clock_;
  inline static const keys::SignerForTest rsa_ = keys::SignerForTest::rsa();
  inline static const keys::SignerForTest p256_ = keys::SignerForTest::p256();
  inline static const keys::SignerForTest stranger_ = keys::SignerForTest::rsa();
  mutable std::mutex mutex_;
  Token token_;
  std::string discovery_issuer_;
  std::map<std::string, Code> codes_;
  int token_requests_ = 0;
  net::Loop loop_;
  std::unique_ptr<net::HttpServer> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace sallyport::admin
