// SPDX-License-Identifier: Apache-2.0
#include "provider/workload_identity.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "provider/provider_for_test.h"

namespace sallyport::provider {
namespace {

using namespace std::chrono_literals;

const UtcTime kStart{std::chrono::sys_days(std::chrono::year(2026) / 11 / 24)};

struct Folder {
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport_XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  std::filesystem::path path;
};

std::vector<std::string> parts_of(const std::string& jwt) {
  std::vector<std::string> parts{""};
  for (const char c : jwt) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

JsonValue json_of(const std::string& part) {
  return JsonValue::parse(base64url_decode(part).value()).value();
}

// The signature as somebody checks it who has only the JWKS.
bool verifies(const std::string& jwks, const std::string& jwt) {
  const JsonValue set = JsonValue::parse(jwks).value();
  const JsonValue key = set.at("keys")->items().at(0);
  const auto number = [&](const char* name) {
    const std::string bytes = base64url_decode(key.at(name)->string().value()).value();
    return BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                     static_cast<int>(bytes.size()), nullptr);
  };
  BIGNUM* n = number("n");
  BIGNUM* e = number("e");
  OSSL_PARAM_BLD* build = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n);
  OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e);
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(build);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr);
  EVP_PKEY* rsa = nullptr;
  EVP_PKEY_fromdata_init(context);
  EVP_PKEY_fromdata(context, &rsa, EVP_PKEY_PUBLIC_KEY, params);
  const std::string text = jwt.substr(0, jwt.rfind('.'));
  const std::string signature = base64url_decode(jwt.substr(jwt.rfind('.') + 1)).value();
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(digest, nullptr, EVP_sha256(), nullptr, rsa);
  const int good = EVP_DigestVerify(
      digest, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
      reinterpret_cast<const unsigned char*>(text.data()), text.size());
  EVP_MD_CTX_free(digest);
  EVP_PKEY_free(rsa);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(build);
  BN_free(n);
  BN_free(e);
  return good == 1;
}

TEST(IdentityKey, IsMadeOnceAndSignsWhatItsJwksVerifies) {
  const Folder folder;
  const auto made = IdentityKey::open(folder.file("k.pem"));
  ASSERT_TRUE(made) << made.error().what;
  const auto again = IdentityKey::open(folder.file("k.pem"));
  ASSERT_TRUE(again) << again.error().what;
  EXPECT_EQ((*made)->kid(), (*again)->kid());
  struct stat info{};
  ::stat(folder.file("k.pem").c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777, 0600u);

  const IdentityClaims claims{.issuer = "https://gate.example.com",
                              .audience = "https://api.openai.com/v1",
                              .subject = "sallyport:a",
                              .issued_at = kStart,
                              .life = 300s};
  const std::string jwt = (*made)->sign(claims).value();
  EXPECT_TRUE(verifies((*again)->jwks(), jwt));
  std::string other = jwt;
  other[jwt.find('.') + 5] ^= 1;
  EXPECT_FALSE(verifies((*again)->jwks(), other));
  const auto parts = parts_of(jwt);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(json_of(parts[0]).at("alg")->string(), "RS256");
  EXPECT_EQ(json_of(parts[0]).at("kid")->string(), (*made)->kid());
  const JsonValue payload = json_of(parts[1]);
  EXPECT_EQ(payload.at("iss")->string(), claims.issuer);
  EXPECT_EQ(payload.at("aud")->string(), claims.audience);
  EXPECT_EQ(payload.at("sub")->string(), claims.subject);
  EXPECT_EQ(payload.at("exp")->integer().value() - payload.at("iat")->integer().value(), 300);
  EXPECT_FALSE((*made)->jwks().contains("\"d\"")) << "only the public part";
}

TEST(IdentityKey, AFileThatIsNoneIsRefusedByName) {
  const Folder folder;
  std::ofstream(folder.file("text")) << "hello";
  std::filesystem::permissions(folder.file("text"), std::filesystem::perms::owner_read);
  ASSERT_TRUE(IdentityKey::open(folder.file("open")));
  std::filesystem::permissions(folder.file("open"), std::filesystem::perms::group_read,
                               std::filesystem::perm_options::add);
  for (const char* name : {"text", "open", "no/such/folder"}) {
    const auto key = IdentityKey::open(folder.file(name));
    ASSERT_FALSE(key) << name;
    EXPECT_TRUE(key.error().what.contains(name)) << key.error().what;
  }
}

// The provider's token endpoint.
class TokensForTest final : public net::ServerHandler {
 public:
  explicit TokensForTest(net::Loop& loop) : loop_(loop), server_(loop, *this, net::ServerLimits()) {
    const Result<int> fd = net::listen_tcp({IpAddress::v4(0x7f000001), 0}, false);
    port_ = net::local_endpoint(*fd)->port;
    server_.serve(*fd);
  }
  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    bodies.push_back(request.body);
    while (hangs) co_await loop_.sleep_for(1);
    net::ServerResponse response;
    response.status = status;
    response.body = status == 200
                        ? R"({"access_token":"tok-CANARY)" + std::to_string(bodies.size()) +
                              "\",\"token_type\":\"Bearer\"" + expires + "}"
                        : R"({"error":"invalid_grant","error_description":"SECRET"})";
    if (!answer.empty()) response.body = answer;
    co_return response;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/oauth/token"; }
  int status = 200;
  bool hangs = false;  // no answer comes
  std::string expires = ",\"expires_in\":900", answer;
  std::vector<std::string> bodies;

 private:
  net::Loop& loop_;
  net::HttpServer server_;
  std::uint16_t port_ = 0;
};

// Making a key takes half a second: one is made, and each world has a copy.
const std::string& key_of_tests() {
  static const Folder folder;
  static const std::string path = folder.file("k.pem");
  EXPECT_TRUE(IdentityKey::open(path));
  return path;
}

struct World {
  World() {
    std::filesystem::copy_file(key_of_tests(), folder.file("k.pem"));
    LeaseConfig config;
    config.mode = "workload_identity";
    config.token_url = tokens.url();
    config.identity_provider_id = "idp-1";
    config.service_account_id = "svc_acct_1";
    config.issuer = "https://gate.example.com";
    config.instance = "a";
    config.key_file = folder.file("k.pem");
    AskLimits limits{.attempts_max = 1};
    const ExchangeTimes times{
        .tick_ms = 1, .retry_ms = 1, .retry_max_ms = 2, .refused_pause_ms = 1};
    identity =
        WorkloadIdentity::make({loop, resolver, clock, recorder}, "openai", config, limits, times)
            .value();
  }
  ~World() {
    for (const std::string& line : recorder.lines) {
      EXPECT_EQ(line.find("CANARY"), std::string::npos) << line;
      EXPECT_EQ(line.find("SECRET"), std::string::npos) << line;
    }
  }
  bool shows(const char* token) const {
    const auto now = identity->current();
    return now && *now->secret == Secret(token);
  }
  Folder folder;
  net::Loop loop;
  net::Resolver resolver;
  ManualClock clock{kStart};
  RecorderForTest recorder;
  TokensForTest tokens{loop};
  std::shared_ptr<WorkloadIdentity> identity;
};

TEST(WorkloadIdentity, OneExchangeForAllAndANewOneAtTwoThirdsOfItsLife) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.identity->start();
        auto waiting = until(w.loop, [&w] { return w.shows("tok-CANARY1"); });
        const bool first = co_await waiting;
        EXPECT_TRUE(first);
        const auto asked = JsonValue::parse(w.tokens.bodies.at(0)).value();
        EXPECT_EQ(asked.at("grant_type")->string(),
                  "urn:ietf:params:oauth:grant-type:token-exchange");
        EXPECT_EQ(asked.at("identity_provider_id")->string(), "idp-1");
        EXPECT_EQ(asked.at("service_account_id")->string(), "svc_acct_1");
        const auto claims =
            json_of(parts_of(std::string(asked.at("subject_token")->string().value()))[1]);
        EXPECT_EQ(claims.at("sub")->string(), "sallyport:a");
        w.clock.advance(9min);
        for (int turn = 0; turn < 5; ++turn) co_await w.loop.sleep_for(1);
        EXPECT_EQ(w.tokens.bodies.size(), 1u) << "not before two thirds of 15 minutes";
        w.clock.advance(2min);
        waiting = until(w.loop, [&w] { return w.shows("tok-CANARY2"); });
        const bool second = co_await waiting;
        EXPECT_TRUE(second);
      });
}

TEST(WorkloadIdentity, WhenTheProviderRefusesTheTokenItIsExchangedAnew) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.identity->start();
        auto waiting = until(w.loop, [&w] { return w.shows("tok-CANARY1"); });
        co_await waiting;
        w.identity->refused("svc_acct_1");
        waiting = until(w.loop, [&w] { return w.shows("tok-CANARY2"); });
        const bool renewed = co_await waiting;
        EXPECT_TRUE(renewed);
        EXPECT_EQ(w.identity->status().last->trigger, "refused");
      });
}

TEST(WorkloadIdentity, AFailedExchangeKeepsTheTokenUntilItsEndAndNoLonger) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.identity->start();
        auto waiting = until(w.loop, [&w] { return w.shows("tok-CANARY1"); });
        co_await waiting;
        w.tokens.status = 403;
        w.clock.advance(11min);
        waiting = until(
            w.loop, [&w] { return w.recorder.has("identity.exchange!identity_exchange_failed"); });
        const bool told = co_await waiting;
        EXPECT_TRUE(told);
        EXPECT_TRUE(w.shows("tok-CANARY1"));
        w.clock.advance(5min);
        waiting = until(w.loop, [&w] { return w.identity->current() == nullptr; });
        const bool gone = co_await waiting;
        EXPECT_TRUE(gone) << "a token that is over is not shown";
        w.tokens.status = 200;
        waiting = until(w.loop, [&w] { return w.identity->current() != nullptr; });
        const bool back = co_await waiting;
        EXPECT_TRUE(back);
      });
}

TEST(WorkloadIdentity, ATokenEndsInTimeAlsoWhileTheNextIsAwaited) {
  World world;
  play<World>(
      world.loop, world, +[](World& w) -> Task<void> {
        w.identity->start();
        auto waiting = until(w.loop, [&w] { return w.shows("tok-CANARY1"); });
        co_await waiting;
        w.tokens.hangs = true;
        w.clock.advance(11min);
        waiting = until(w.loop, [&w] { return w.tokens.bodies.size() == 2; });
        const bool asked = co_await waiting;
        EXPECT_TRUE(asked);
        EXPECT_TRUE(w.shows("tok-CANARY1"));
        w.clock.advance(4min);
        waiting = until(w.loop, [&w] { return w.identity->current() == nullptr; });
        const bool gone = co_await waiting;
        EXPECT_TRUE(gone);
        EXPECT_EQ(trouble_of(w.identity->status()), "one is being obtained");
        w.tokens.hangs = false;
        waiting = until(w.loop, [&w] { return w.shows("tok-CANARY2"); });
        const bool back = co_await waiting;
        EXPECT_TRUE(back);
        EXPECT_EQ(trouble_of(w.identity->status()), "");
      });
}

struct AnswerCase {
  const char* why;
  const char* answer;  // of the token endpoint; "" is the usual one
  const char* expires;
  std::optional<std::chrono::seconds> life;  // nothing: no token
};

const AnswerCase kAnswers[] = {
    {"as told", "", ",\"expires_in\":900", 900s},
    {"not told is an hour", "", "", 3600s},
    {"never longer than what it was made from", "", ",\"expires_in\":999999", 3600s},
    {"a life of nothing", "", ",\"expires_in\":0", {}},
    {"no token", "{\"token_type\":\"Bearer\"}", "", {}},
    {"a token that would end a header line", "{\"access_token\":\"a\\r\\nb\"}", "", {}},
    {"no JSON", "<html>", "", {}},
};

TEST(WorkloadIdentity, AnswersOfTheTokenEndpoint) {
  for (const AnswerCase& c : kAnswers) {
    SCOPED_TRACE(c.why);
    struct Told : World {
      const AnswerCase* c = nullptr;
    } world;
    world.c = &c;
    world.tokens.answer = c.answer;
    world.tokens.expires = c.expires;
    play<Told>(
        world.loop, world, +[](Told& w) -> Task<void> {
          w.identity->start();
          auto waiting = until(w.loop, [&w] { return !w.recorder.events.empty(); });
          co_await waiting;
          const auto now = w.identity->current();
          EXPECT_EQ(now != nullptr, w.c->life.has_value());
          if (now && w.c->life) EXPECT_EQ(*now->ends_at - now->issued_at, *w.c->life);
        });
  }
}

}  // namespace
}  // namespace sallyport::provider
