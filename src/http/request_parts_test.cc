// SPDX-License-Identifier: Apache-2.0
// What is taken out of a head: the credential and the source address.
#include <gtest/gtest.h>

#include "http/credential.h"
#include "http/source_address.h"

namespace sallyport::http {
namespace {

struct CredentialCase {
  const char* why;
  std::vector<net::Header> headers;
  const char* credential;  // null: none
  const char* refused;     // null: accepted
};

const CredentialCase kCredentials[] = {
    {"none", {{"accept", "*/*"}}, nullptr, nullptr},
    {"bearer", {{"Authorization", "Bearer abc"}}, "abc", nullptr},
    {"the scheme has no case", {{"authorization", "bEARER abc"}}, "abc", nullptr},
    {"bound to the client's own key", {{"authorization", "DPoP abc"}}, "abc", nullptr},
    {"basic is none of ours", {{"authorization", "Basic abc"}}, nullptr, nullptr},
    {"two blanks belong to the value", {{"authorization", "Bearer  abc"}}, " abc", nullptr},
    {"api-key", {{"Api-Key", "abc"}}, "abc", nullptr},
    {"x-api-key", {{"X-Api-Key", "abc"}}, "abc", nullptr},
    {"subprotocol",
     {{"Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.abc"}},
     "abc",
     nullptr},
    {"the same twice is one",
     {{"Authorization", "Bearer abc"}, {"api-key", "abc"}},
     "abc",
     nullptr},
    {"two different ones are refused",
     {{"Authorization", "Bearer abc"}, {"api-key", "abd"}},
     nullptr,
     "conflicting_credentials"},
    {"a cookie is never one", {{"Cookie", "key=abc"}}, nullptr, nullptr},
};

TEST(Credential, TakenFromExactlyOnePlace) {
  for (const CredentialCase& c : kCredentials) {
    std::optional<Secret> credential;
    const auto refusal = take_credential(c.headers, credential);
    EXPECT_EQ(refusal ? refusal->code : "", std::string(c.refused ? c.refused : "")) << c.why;
    if (c.refused) continue;
    EXPECT_EQ(credential ? std::string(credential->reveal()) : "(none)",
              c.credential ? c.credential : "(none)")
        << c.why;
  }
}

TEST(Credential, AKeyInTheTargetIsSeen) {
  EXPECT_TRUE(names_our_key("api-key=sk-sp1-AbCdEfGhIjKl-x"));
  EXPECT_TRUE(names_our_key("/v1/files/sk-spd1-AbCdEfGhIjKl-"));
  EXPECT_FALSE(names_our_key("/v1/models/gpt-5?q=sk-sp2"));
}

struct SourceCase {
  const char* why;
  const char* peer;
  std::vector<net::Header> headers;
  const char* source;
};

const SourceCase kSources[] = {
    {"a stranger's word counts nothing",
     "198.51.100.7",
     {{"X-Forwarded-For", "1.2.3.4"}},
     "198.51.100.7"},
    {"the proxy's word counts", "10.0.0.1", {{"X-Forwarded-For", "1.2.3.4"}}, "1.2.3.4"},
    {"the rightmost untrusted one",
     "10.0.0.1",
     {{"X-Forwarded-For", "6.6.6.6, 1.2.3.4, 10.0.0.9"}},
     "1.2.3.4"},
    {"over two fields",
     "10.0.0.1",
     {{"X-Forwarded-For", "6.6.6.6"}, {"x-forwarded-for", "1.2.3.4"}},
     "1.2.3.4"},
    {"rubbish ends the walk",
     "10.0.0.1",
     {{"X-Forwarded-For", "6.6.6.6, nonsense, 10.0.0.9"}},
     "10.0.0.9"},
    {"no field", "10.0.0.1", {}, "10.0.0.1"},
    {"IPv6", "10.0.0.1", {{"X-Forwarded-For", "2001:db8::1"}}, "2001:db8::1"},
};

TEST(SourceAddress, AsTheTableSays) {
  const std::vector<Cidr> proxies{*Cidr::parse("10.0.0.0/8")};
  for (const SourceCase& c : kSources) {
    EXPECT_EQ(source_address(*IpAddress::parse(c.peer), c.headers, proxies).text(), c.source)
        << c.why;
  }
}

}  // namespace
}  // namespace sallyport::http
