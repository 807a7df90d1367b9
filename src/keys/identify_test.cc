// SPDX-License-Identifier: Apache-2.0
#include "keys/identify.h"

#include <gtest/gtest.h>

#include "keys/memory_key_store.h"

namespace sallyport::keys {
namespace {

using namespace std::chrono_literals;

class IdentifyTest : public ::testing::Test {
 protected:
  IdentifyTest() {
    config_.pepper = Secret(std::string(32, 'p'));
    ring_ = KeyRing::open(config_, store_, clock_).value();
  }
  std::optional<Refusal> ask(Exchange& x, std::optional<std::string_view> credential) {
    if (credential) x.credential.emplace(*credential);
    return Identify::make(config_, *ring_, clock_).value()->decide(x);
  }

  MemoryKeyStore store_;
  ManualClock clock_{UtcTime(1'790'000'000'000ms)};
  Config config_;
  std::unique_ptr<KeyRing> ring_;
};

TEST_F(IdentifyTest, AValidKeyNamesItsHolder) {
  const CreatedKey key = ring_
                             ->create({.name = "user_42",
                                       .owner = "",
                                       .life = {},
                                       .not_before = {},
                                       .scope = {},
                                       .layer = {},
                                       .restrictions = {}},
                                      "admin")
                             .value();
  Exchange x;
  EXPECT_FALSE(ask(x, key.text.reveal()));
  ASSERT_TRUE(x.principal);
  EXPECT_EQ(x.principal->api_key_id, "user_42");
  EXPECT_FALSE(x.claimed_kid);
  EXPECT_EQ(x.denied_because, nullptr);
}

// Invariant 3 begins here: a refusal tells a thief nothing, and nothing of the key comes back.
TEST_F(IdentifyTest, Invariant3AllRefusalsLookTheSameAndQuoteNothing) {
  const CreatedKey revoked = ring_
                                 ->create({.name = "r",
                                           .owner = "",
                                           .life = {},
                                           .not_before = {},
                                           .scope = {},
                                           .layer = {},
                                           .restrictions = {}},
                                          "admin")
                                 .value();
  const CreatedKey expired = ring_
                                 ->create({.name = "e",
                                           .owner = "",
                                           .life = 1s,
                                           .not_before = {},
                                           .scope = {},
                                           .layer = {},
                                           .restrictions = {}},
                                          "admin")
                                 .value();
  ASSERT_TRUE(ring_->revoke("r", "admin"));
  clock_.advance(2s);
  const Secret stranger = mint_key();
  int draws = 0;
  const Secret forged = mint_key([&](std::size_t length) {
    return ++draws == 1 ? expired.info.kid : std::string(length, 'x');
  });

  struct Case {
    std::string_view credential;
    std::string_view because;
    bool claims;
  };
  const Case cases[] = {
      {revoked.text.reveal(), "revoked", true},
      {expired.text.reveal(), "expired", true},
      {stranger.reveal(), "unknown", true},
      {forged.reveal(), "bad_secret", true},
      {"sk-sp1-AbCdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", "public_kid", true},
      {"sk-sp1-bACdEfGhIjKl-MnOpQrStUvWxYz0123456789aBcDeFgH3P46UU", "bad_checksum", false},
      {"sk-proj-AbCdEfGhIjKl", "bad_format", false},
      {"", "bad_format", false},
  };
  for (const Case& c : cases) {
    Exchange x;
    const std::optional<Refusal> refusal = ask(x, c.credential);
    ASSERT_TRUE(refusal) << c.because;
    EXPECT_EQ(refusal->status, 401) << c.because;
    EXPECT_STREQ(refusal->code, "invalid_api_key") << c.because;
    EXPECT_STREQ(refusal->type, "invalid_request_error") << c.because;
    EXPECT_EQ(refusal->message, "Incorrect API key provided.") << c.because;
    EXPECT_FALSE(refusal->retry_after_s) << c.because;
    EXPECT_FALSE(x.principal) << c.because;
    EXPECT_EQ(std::string_view(x.denied_because), c.because);
    EXPECT_EQ(x.claimed_kid.has_value(), c.claims) << c.because;
    if (x.claimed_kid) EXPECT_EQ(*x.claimed_kid, c.credential.substr(7, 12)) << "a kid, no more";
  }
}

TEST_F(IdentifyTest, NoCredentialIsToldHowToSendOne) {
  Exchange x;
  const std::optional<Refusal> refusal = ask(x, std::nullopt);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 401);
  EXPECT_STREQ(x.denied_because, "no_credential");
  EXPECT_NE(refusal->message.find("Bearer"), std::string::npos);
}

TEST_F(IdentifyTest, ASilentStoreIsOurFaultAndStaysClosed) {
  const CreatedKey key = ring_
                             ->create({.name = "a",
                                       .owner = "",
                                       .life = {},
                                       .not_before = {},
                                       .scope = {},
                                       .layer = {},
                                       .restrictions = {}},
                                      "admin")
                             .value();
  store_.failing = true;
  clock_.advance(6s);
  ASSERT_FALSE(ring_->refresh_if_changed());
  Exchange x;
  const std::optional<Refusal> refusal = ask(x, key.text.reveal());
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->status, 503);
  EXPECT_STREQ(refusal->code, "key_store_unavailable");
  EXPECT_TRUE(refusal->retry_after_s);
  EXPECT_FALSE(x.principal);
}

TEST_F(IdentifyTest, AnOpenGateNamesEverybodyOpen) {
  config_.required = false;
  ring_ = KeyRing::open(config_, store_, clock_).value();
  for (const auto credential :
       {std::optional<std::string_view>(), std::optional<std::string_view>("x")}) {
    Exchange x;
    EXPECT_FALSE(ask(x, credential));
    ASSERT_TRUE(x.principal);
    EXPECT_EQ(x.principal->api_key_id, "open");
    EXPECT_TRUE(ring_->alive(x.principal->kid, clock_.now())) << "its streams are not cut";
  }
}

}  // namespace
}  // namespace sallyport::keys
