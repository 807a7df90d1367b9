// SPDX-License-Identifier: Apache-2.0
// The exchange through its route: what a workload sends, what it gets, what the ring is asked for.
#include "keys/token_exchange.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/json_reader.h"
#include "keys/exchange_route.h"
#include "keys/key_ring.h"
#include "keys/signer_for_test.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::keys {
namespace {

using std::string;

const UtcTime kNow{std::chrono::seconds(1'800'000'000)};
constexpr const char* kForm = "application/x-www-form-urlencoded";
constexpr const char* kGrantType =
    "grant_type=urn:ietf:params:oauth:grant-type:token-exchange"
    "&subject_token_type=urn:ietf:params:oauth:token-type:jwt";

const SignerForTest& issuer_key() {
  static const SignerForTest key = SignerForTest::p256();
  return key;
}

string claims(const string& more = "", const string& exp = "1800000300",
              const string& iat = "1800000000") {
  return R"({"iss":"https://id.example","aud":"gate","sub":"repo:acme/web","exp":)" + exp +
         R"(,"iat":)" + iat + R"(,"repository":"acme/web")" + more + "}";
}
string token(const string& body = claims(), const string& head = R"({"alg":"ES256","kid":"k"})") {
  return issuer_key().token("ES256", head, body);
}
// By somebody who knows the form, and not the key.
string forged_token() {
  static const SignerForTest stranger = SignerForTest::p256();
  return stranger.token("ES256", R"({"alg":"ES256","kid":"k"})", claims());
}
string form(const string& subject, const string& more = "") {
  return string(kGrantType) + "&subject_token=" + subject + more;
}

class TokenExchangeTest : public testing::Test {
 protected:
  TokenExchangeTest() {
    path_ = testing::TempDir() + "exchange-jwks-" + std::to_string(::getpid());
    std::ofstream(path_) << "{\"keys\":[" + issuer_key().jwk("k") + "]}";
    mapping_.name = "ci";
    mapping_.issuer = "https://id.example";
    mapping_.audience = "gate";
    mapping_.jwks_file = path_;
    mapping_.algorithms = {"ES256"};
    mapping_.claims = {{"repository", "acme/*"}};
    mapping_.principal = "ci-{repository}";
    mapping_.layer = "acme/ci";
    mapping_.models = {"gpt-5*"};
    mapping_.module = "ci";
  }
  ~TokenExchangeTest() override {
    verify_.stop();
    offload_.stop();
    std::remove(path_.c_str());
  }

  void open(std::vector<IdentityMapping> mappings) {
    const Mint mint = [this](const Exchanged& granted) -> Result<Issued> {
      const std::lock_guard lock(mutex_);
      asked_.push_back(granted);
      if (mint_fails_) return fail(Code::kUnavailable, "the store is down");
      if (mapping_is_full_) return fail(Code::kExhausted, full_);
      return Issued{Secret("sk-sp1-new"), "kid", clock_.now() + *granted.spec.life};
    };
    auto made = TokenExchange::make(mappings, sources_, {verify_, offload_}, clock_, mint);
    ASSERT_TRUE(made) << made.error().what;
    exchange_ = std::move(*made);
    auto proofs = DpopProofs::make("https://gate.example", clock_);
    ASSERT_TRUE(proofs);
    proofs_ = std::move(*proofs);
  }
  void open() { open({mapping_}); }

  struct Said {
    OwnAnswer answer;
    string reason;
    string error() const {
      const auto json = JsonValue::parse(answer.body);
      const auto member = json ? json->at("error") : std::nullopt;
      return member ? string(member->string().value_or("")) : "";
    }
  };
  static Task<void> ask(OwnRoute& route, Exchange& x, string body, Said& out) {
    out.answer = co_await route.answer(x, std::move(body));
  }
  Said say(const string& body, const string& type = kForm, const string& dpop = "",
           const string& certificate = "") {
    if (!exchange_) open();
    ExchangeRoute route(*exchange_, proofs_.get(), clock_);
    net::Loop loop;
    Exchange x;
    x.loop = &loop;
    x.method = "POST";
    x.path = "/oauth/token";
    x.source = *IpAddress::parse("192.0.2.7");
    x.certificate_thumbprint = certificate;
    x.headers = {{"content-type", type}};
    if (!dpop.empty()) x.headers.push_back({"dpop", dpop});
    EXPECT_TRUE(route.takes(x));
    Said said;
    net::run_on(loop, ask(route, x, body, said));
    said.reason = x.denied_because != nullptr ? x.denied_because : "";
    return said;
  }

  string path_;
  ManualClock clock_{kNow};
  net::Resolver resolver_;
  net::Offload offload_{1}, verify_{1};
  KeySources sources_{{resolver_, offload_, clock_}};
  IdentityMapping mapping_;
  std::unique_ptr<TokenExchange> exchange_;
  std::unique_ptr<DpopProofs> proofs_;
  std::mutex mutex_;
  std::vector<Exchanged> asked_;
  std::string full_ = "the mapping has 2 live keys";
  bool mint_fails_ = false, mapping_is_full_ = false;
};

TEST_F(TokenExchangeTest, AGoodTokenGetsAShortKey) {
  const Said said = say(form(token()));
  EXPECT_EQ(said.answer.status, 200);
  EXPECT_EQ(said.answer.body,
            R"({"access_token":"sk-sp1-new",)"
            R"("issued_token_type":"urn:ietf:params:oauth:token-type:access_token",)"
            R"("token_type":"Bearer","expires_in":300})");
  ASSERT_EQ(asked_.size(), 1U);
  const Exchanged& granted = asked_[0];
  EXPECT_EQ(granted.spec.name, "ci-acme.2fweb");
  EXPECT_EQ(granted.spec.layer, "acme/ci");
  EXPECT_EQ(granted.spec.life, std::chrono::minutes(5)) << "not longer than the token";
  EXPECT_EQ(granted.spec.scope.module, "ci");
  EXPECT_EQ(granted.spec.restrictions.models, std::vector<string>{"gpt-5*"});
  EXPECT_EQ(granted.spec.restrictions.certificate, std::nullopt);
  EXPECT_EQ(granted.mapping_id, "ci");
  EXPECT_EQ(granted.issuer, "https://id.example");
  EXPECT_EQ(granted.subject, "repo:acme/web");
  EXPECT_EQ(granted.ip, "192.0.2.7");
}

TEST_F(TokenExchangeTest, JsonIsAcceptedToo) {
  const string body = R"({"grant_type":"urn:ietf:params:oauth:grant-type:token-exchange",)"
                      R"("subject_token_type":"urn:ietf:params:oauth:token-type:id_token",)"
                      R"("subject_token":")" +
                      token() + "\"}";
  EXPECT_EQ(say(body, "application/json").answer.status, 200);
  EXPECT_EQ(say(body, "application/json; charset=UTF-8").answer.status, 200);
}

TEST_F(TokenExchangeTest, TheLifeIsTheShortestOfThree) {
  const auto life = [&](const string& exp) {
    asked_.clear();
    say(form(token(claims("", exp))));
    return asked_.size() == 1 ? asked_[0].spec.life->count() / 1000 : -1;
  };
  EXPECT_EQ(life("1800009999"), 900) << "fifteen minutes";
  EXPECT_EQ(life("1800000120"), 120) << "the token's";
  EXPECT_EQ(life("1800000001"), 1);
  mapping_.life = std::chrono::seconds(60);
  open();
  EXPECT_EQ(life("1800000120"), 60) << "the mapping's";
}

TEST_F(TokenExchangeTest, WhatIsRefused) {
  const SignerForTest stranger = SignerForTest::p256();
  const string good = token();
  const struct {
    const char* why;
    string body, type;
    int status;
    string error, reason;
  } kCases[] = {
      {"another content type", form(good), "text/plain", 400, "invalid_request",
       "exchange_malformed"},
      {"no content type", form(good), "", 400, "invalid_request", "exchange_malformed"},
      {"another charset", form(good), string(kForm) + "; charset=utf-16", 400, "invalid_request",
       "exchange_malformed"},
      {"a form as JSON", form(good), "application/json", 400, "invalid_request",
       "exchange_malformed"},
      {"a parameter twice", form(good, "&subject_token=x"), kForm, 400, "invalid_request",
       "exchange_malformed"},
      {"another grant", "grant_type=client_credentials", kForm, 400, "unsupported_grant_type",
       "exchange_grant_type"},
      {"no grant", "subject_token=" + good, kForm, 400, "invalid_request", "exchange_malformed"},
      {"no token", form(""), kForm, 400, "invalid_request", "exchange_token_type"},
      {"another type of token",
       "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token_type="
       "urn:ietf:params:oauth:token-type:saml2&subject_token=" +
           good,
       kForm, 400, "invalid_request", "exchange_token_type"},
      {"another type wanted",
       form(good, "&requested_token_type=urn:ietf:params:oauth:token-type:jwt"), kForm, 400,
       "invalid_request", "exchange_token_type"},
      {"delegation", form(good, "&actor_token=" + good), kForm, 400, "invalid_request",
       "exchange_delegation"},
      {"another target", form(good, "&audience=other"), kForm, 400, "invalid_target",
       "exchange_target"},
      {"another resource", form(good, "&resource=https://x"), kForm, 400, "invalid_target",
       "exchange_target"},

      {"not a token", form("x"), kForm, 400, "invalid_grant", "jwt_malformed"},
      {"another issuer", form(token(R"({"iss":"https://evil.example","aud":"gate"})")), kForm, 400,
       "invalid_grant", "jwt_issuer"},
      {"another audience", form(token(R"({"iss":"https://id.example","aud":"other","sub":"a"})")),
       kForm, 400, "invalid_grant", "jwt_audience"},
      {"another algorithm",
       form(SignerForTest::ed25519().token("EdDSA", R"({"alg":"EdDSA","kid":"k"})", claims())),
       kForm, 400, "invalid_grant", "jwt_algorithm"},
      {"claims that do not fit",
       form(token(R"({"iss":"https://id.example","aud":"gate",)"
                  R"("sub":"a","exp":1800000300,"iat":1800000000,)"
                  R"("repository":"other/web"})")),
       kForm, 400, "invalid_grant", "exchange_claims"},
      {"expired", form(token(claims("", "1799999900", "1799999000"))), kForm, 400, "invalid_grant",
       "jwt_expired"},
      {"expired within the leeway: no time is left for a key",
       form(token(claims("", "1799999990", "1799999000"))), kForm, 400, "invalid_grant",
       "jwt_expired"},
      {"an unknown key", form(token(claims(), R"({"alg":"ES256","kid":"other"})")), kForm, 400,
       "invalid_grant", "jwt_unknown_key"},
      {"no kid", form(token(claims(), R"({"alg":"ES256"})")), kForm, 400, "invalid_grant",
       "jwt_unknown_key"},
      {"signed by a stranger",
       form(stranger.token("ES256", R"({"alg":"ES256","kid":"k"})", claims())), kForm, 400,
       "invalid_grant", "jwt_signature"},
      {"a scope that is wider", form(good, "&scope=model:*"), kForm, 400, "invalid_scope",
       "exchange_scope"},
      {"a scope nobody knows", form(good, "&scope=admin"), kForm, 400, "invalid_scope",
       "exchange_scope"},
  };
  for (const auto& c : kCases) {
    const Said said = say(c.body, c.type);
    EXPECT_EQ(said.answer.status, c.status) << c.why;
    EXPECT_EQ(said.answer.body, "{\"error\":\"" + c.error + "\"}") << c.why << ": and no more";
    EXPECT_EQ(said.answer.error_code, c.error) << c.why;
    EXPECT_EQ(said.reason, c.reason) << c.why;
  }
  EXPECT_TRUE(asked_.empty()) << "no key is made for any of them";
}

TEST_F(TokenExchangeTest, AMappingThatIsFullIsToldToComeAgain) {
  mapping_.live_max = 7;
  mapping_.single_use = true;
  open();
  const string once = token();
  mapping_is_full_ = true;
  const Said said = say(form(once));
  EXPECT_EQ(said.answer.status, 429);
  EXPECT_EQ(said.error(), "temporarily_unavailable");
  EXPECT_EQ(said.reason, "exchange_mapping_full");
  EXPECT_EQ(asked_.back().spec.mapping_limits.live_max, 7u);
  EXPECT_EQ(asked_.back().spec.mapping_limits.mints_per_minute_max, 300u);
  EXPECT_EQ(asked_.back().spec.mapping_limits.principal_live_max, 10u) << "a quarter, but 10";
  EXPECT_EQ(asked_.back().spec.mapping_limits.principal_mints_per_minute_max, 75u);
  full_ = KeyRing::kPrincipalFull;
  EXPECT_EQ(say(form(once)).reason, "exchange_principal_full");
  mapping_is_full_ = false;
  EXPECT_EQ(say(form(once)).answer.status, 200) << "the token was not used up";
}

TEST_F(TokenExchangeTest, AScopeNarrows) {
  EXPECT_EQ(say(form(token(), "&scope=model:gpt-5-mini+read_only")).answer.status, 200);
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].spec.restrictions.models, std::vector<string>{"gpt-5-mini"});
  EXPECT_TRUE(asked_[0].spec.restrictions.read_only);
}

TEST_F(TokenExchangeTest, TheFirstMappingThatFitsDecides) {
  IdentityMapping main = mapping_;
  main.name = "main";
  main.claims = {{"repository", "acme/*"}, {"ref", "refs/heads/main"}};
  main.principal = "release";
  open({main, mapping_});
  say(form(token()));
  say(form(token(claims(R"(,"ref":"refs/heads/main")"))));
  ASSERT_EQ(asked_.size(), 2U);
  EXPECT_EQ(asked_[0].mapping_id, "ci");
  EXPECT_EQ(asked_[1].mapping_id, "main");
  EXPECT_EQ(asked_[1].spec.name, "release");
}

TEST_F(TokenExchangeTest, TheReasonIsThatOfItsIssuersMapping) {
  IdentityMapping other = mapping_;
  other.name = "other";
  other.issuer = "https://other.example";
  other.algorithms = {"RS256"};
  open({mapping_, other});
  EXPECT_EQ(say(form(token(claims("", "1799999000", "1799998000")))).reason, "jwt_expired");
}

TEST_F(TokenExchangeTest, SingleUse) {
  mapping_.single_use = true;
  open();
  const string first = token();
  EXPECT_EQ(say(form(first)).answer.status, 200);
  EXPECT_EQ(say(form(first)).reason, "exchange_replay");
  const string resigned = token();
  ASSERT_NE(resigned, first) << "ECDSA signs anew";
  EXPECT_EQ(say(form(resigned)).reason, "exchange_replay") << "another signature, the same token";
  EXPECT_EQ(say(form(token(claims(R"(,"jti":"2")")))).answer.status, 200);
  EXPECT_EQ(say(form(token(claims("", "1800000300", "1799999999")))).reason,
            "exchange_older_than_memory")
      << "it may have been used before this process began";

  mint_fails_ = true;
  const string unlucky = token(claims(R"(,"jti":"3")"));
  EXPECT_EQ(say(form(unlucky)).answer.status, 503);
  mint_fails_ = false;
  EXPECT_EQ(say(form(unlucky)).answer.status, 200) << "no key was made: it is not used up";
}

TEST_F(TokenExchangeTest, WithoutSingleUseATokenMayComeAgain) {
  EXPECT_EQ(say(form(token())).answer.status, 200);
  EXPECT_EQ(say(form(token())).answer.status, 200);
}

TEST_F(TokenExchangeTest, OurOwnTroubleIsSaidAsSuch) {
  mint_fails_ = true;
  const Said said = say(form(token()));
  EXPECT_EQ(said.answer.status, 503);
  EXPECT_EQ(said.error(), "temporarily_unavailable");
  EXPECT_EQ(said.reason, "exchange_mint_failed");

  mapping_.jwks_file = "/nonexistent/jwks";
  open();
  EXPECT_EQ(say(form(token())).reason, "exchange_no_keys");
}

// Nobody mints before two requests were told to come again.
struct Flood {
  std::mutex mutex;
  std::condition_variable opened;
  bool open = false;
  int ended = 0, busy = 0;
};
Task<void> one_of_a_flood(net::Loop& loop, TokenExchange& exchange, Flood& flood, int size) {
  ExchangeRequest request{Secret(token()), ""};
  ExchangeBinding binding;
  auto outcome = co_await exchange.exchange(loop, std::move(request), std::move(binding));
  if (!outcome && std::string_view(outcome.error().reason) == "exchange_busy") {
    ++flood.busy;
    const std::lock_guard lock(flood.mutex);
    flood.open = flood.busy == 2;
    flood.opened.notify_all();
  }
  if (++flood.ended == size) loop.stop();
}

TEST_F(TokenExchangeTest, AFloodCostsAFewThreadsWorkAtMost) {
  Flood flood;
  const Mint mint = [&](const Exchanged& granted) -> Result<Issued> {
    std::unique_lock lock(flood.mutex);
    flood.opened.wait(lock, [&] { return flood.open; });
    return Issued{Secret("sk-sp1-new"), "kid", clock_.now() + *granted.spec.life};
  };
  auto exchange = TokenExchange::make({mapping_}, sources_, {verify_, offload_}, clock_, mint);
  ASSERT_TRUE(exchange);
  constexpr int kSize = TokenExchange::kUnderWayMax + 2;
  net::Loop loop;
  for (int i = 0; i < kSize; ++i) loop.spawn(one_of_a_flood(loop, **exchange, flood, kSize));
  loop.run();
  EXPECT_EQ(flood.busy, 2);
  EXPECT_EQ(flood.ended, kSize);
}

// Forged tokens wait for their verification, at most a few of each source; they never take a place
// from those whose keys are being made.
struct Crowd {
  std::size_t size = 0, busy = 0;
  std::vector<string> heard;
  std::mutex gate;
  std::unique_lock<std::mutex> closed{gate};  // no signature is verified meanwhile
};
Task<void> one_of_a_crowd(net::Loop& loop, TokenExchange& exchange, string subject,
                          const char* source, Crowd& crowd) {
  ExchangeRequest request{Secret(subject), ""};
  ExchangeBinding binding;
  binding.source = *IpAddress::parse(source);
  auto outcome = co_await exchange.exchange(loop, std::move(request), std::move(binding));
  crowd.heard.push_back(string(source) + " " + (outcome ? "key" : outcome.error().reason));
  if (crowd.heard.size() == crowd.busy) crowd.closed.unlock();
  if (crowd.heard.size() == crowd.size) loop.stop();
}

TEST_F(TokenExchangeTest, ForgedTokensKeepNobodyOut) {
  open();
  constexpr std::size_t kBusy = 5, kForged = TokenExchange::kPlacesPerSource + kBusy;
  Crowd crowd;
  crowd.size = kForged + 1;
  crowd.busy = kBusy;
  net::Loop loop;
  std::function<void()> wait = [&crowd] { const std::lock_guard lock(crowd.gate); };
  loop.spawn(verify_.run(loop, wait));
  for (std::size_t i = 0; i < kForged; ++i) {
    loop.spawn(one_of_a_crowd(loop, *exchange_, forged_token(), "203.0.113.9", crowd));
  }
  loop.spawn(one_of_a_crowd(loop, *exchange_, token(), "192.0.2.7", crowd));
  loop.run();
  EXPECT_EQ(std::ranges::count(crowd.heard, "203.0.113.9 exchange_busy"),
            static_cast<std::ptrdiff_t>(kBusy));
  EXPECT_EQ(std::ranges::count(crowd.heard, "203.0.113.9 jwt_signature"),
            static_cast<std::ptrdiff_t>(TokenExchange::kPlacesPerSource));
  EXPECT_EQ(std::ranges::count(crowd.heard, "192.0.2.7 key"), 1);
}

TEST_F(TokenExchangeTest, KeysAreBoundToWhatWasShown) {
  const SignerForTest client = SignerForTest::p256();
  const auto proof = [&](const string& jti, const string& htu) {
    return client.token(
        "ES256", R"({"typ":"dpop+jwt","alg":"ES256","jwk":{)" + client.jwk_members() + "}}",
        R"({"htm":"POST","htu":")" + htu + R"(","iat":1800000000,"jti":")" + jti + "\"}");
  };
  const string here = "https://gate.example/oauth/token";
  const Said said = say(form(token()), kForm, proof("1", here), "certificate-print");
  EXPECT_EQ(said.answer.status, 200);
  EXPECT_TRUE(said.answer.body.contains(R"("token_type":"DPoP")"));
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_[0].spec.restrictions.certificate, "certificate-print");
  EXPECT_EQ(asked_[0].spec.restrictions.dpop.value_or("").size(), 43U);

  EXPECT_EQ(say(form(token()), kForm, proof("1", here)).reason, "dpop_replayed");
  EXPECT_EQ(say(form(token()), kForm, proof("2", here + "s")).error(), "invalid_dpop_proof");
  EXPECT_EQ(say(form(token()), kForm, "x").reason, "dpop_malformed");
  proofs_.reset();
  EXPECT_EQ(say(form(token()), kForm, proof("3", here)).reason, "dpop_not_here")
      << "a client that believes its key is bound gets none that is not";
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(TokenExchangeTest, AMappingThatWasTakenOutMintsNothing) {
  open();
  EXPECT_EQ(say(form(token())).answer.status, 200);
  EXPECT_EQ(asked_.back().spec.mapping, "ci") << "the key remembers it";
  ASSERT_TRUE(exchange_->take({}));
  Said said = say(form(token()));
  EXPECT_EQ(said.error(), "invalid_grant");
  IdentityMapping other = mapping_;
  other.principal = "x";
  other.claims = {{"repository", "else/*"}};
  ASSERT_TRUE(exchange_->take({other}));
  EXPECT_EQ(say(form(token())).reason, "exchange_claims") << "the new rules count";
  IdentityMapping broken = mapping_;
  broken.claims.clear();
  EXPECT_FALSE(exchange_->take({mapping_, broken}));
  EXPECT_EQ(say(form(token())).error(), "invalid_grant") << "a bad configuration changes nothing";
  ASSERT_TRUE(exchange_->take({mapping_}));
  EXPECT_EQ(say(form(token())).answer.status, 200) << "it is back";
  EXPECT_EQ(asked_.size(), 2u);
}

Task<void> exchange_once(net::Loop& loop, TokenExchange& exchange, ExchangeRequest request,
                         ExchangeBinding binding, string& heard) {
  auto outcome = co_await exchange.exchange(loop, std::move(request), std::move(binding));
  heard = outcome ? "key" : outcome.error().reason;
}

// The proof is asked for between signature and key: that is where the configuration changes here.
TEST_F(TokenExchangeTest, AMappingThatIsTakenOutMeanwhileMintsNothing) {
  open();
  ExchangeRequest request{Secret(token()), ""};
  ExchangeBinding binding;
  binding.source = *IpAddress::parse("192.0.2.7");
  binding.prove = [this]() -> std::expected<string, const char*> {
    EXPECT_TRUE(exchange_->take({}));
    return string(43, 'A');
  };
  net::Loop loop;
  string heard;
  net::run_on(loop, exchange_once(loop, *exchange_, std::move(request), std::move(binding), heard));
  EXPECT_EQ(heard, "exchange_mapping_removed");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(TokenExchangeTest, TakesItsOwnRouteOnly) {
  open();
  ExchangeRoute route(*exchange_, nullptr, clock_);
  Exchange x;
  x.method = "GET";
  x.path = "/oauth/token";
  EXPECT_FALSE(route.takes(x));
  x.method = "POST";
  x.path = "/oauth/tokens";
  EXPECT_FALSE(route.takes(x));
}

TEST_F(TokenExchangeTest, AMappingThatMayNotStandOpensNothing) {
  mapping_.claims = {{"sub", "*"}};
  EXPECT_FALSE(TokenExchange::make({mapping_}, sources_, {verify_, offload_}, clock_, nullptr));
}

}  // namespace
}  // namespace sallyport::keys
