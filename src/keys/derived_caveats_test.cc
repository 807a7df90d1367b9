// SPDX-License-Identifier: Apache-2.0
#include "keys/derived_caveats.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/text.h"
#include "event/scope_pattern.h"
#include "keys/endpoint_families.h"

namespace sallyport::keys {
namespace {

using Words = std::vector<std::string>;

Result<DerivedClaims> read(const Words& caveats) {
  std::vector<std::string> wire;
  for (const std::string& caveat : caveats) wire.push_back(base64url_encode(caveat));
  const std::vector<std::string_view> views(wire.begin(), wire.end());
  return read_caveats(views);
}

// With iat and exp before them.
Result<DerivedClaims> read_more(Words more) {
  more.insert(more.begin(), {"iat=1763856000", "exp=1763859600"});
  return read(more);
}

struct Refused {
  const char* why;
  Words caveats;
};

TEST(DerivedCaveats, RefusesWhatCannotBeRead) {
  const Refused cases[] = {
      {"an unknown name", {"foo=1"}},
      {"a name in other letters", {"RO=1"}},
      {"no value", {"ro"}},
      {"a blank behind the name", {"ro =1"}},
      {"a second iat", {"iat=1763856000"}},
      {"ro is 1 or absent", {"ro=0"}},
      {"an unknown family", {"ep=chat,foo"}},
      {"the family nobody can have", {"ep=admin"}},
      {"an empty list", {"models="}},
      {"an empty entry", {"models=gpt-5,,gpt-4"}},
      {"a comma at the end", {"models=gpt-5,"}},
      {"a star inside", {"models=gpt*5"}},
      {"a blank in a model", {"models=gpt-5, gpt-4"}},
      {"not a network", {"cidr=10.0.0.0/33"}},
      {"an empty list of networks", {"cidr="}},
      {"not a country", {"cc=Taiwan"}},
      {"a country in small letters", {"cc=tw"}},
      {"a sign", {"calls=+5"}},
      {"below zero", {"calls=-5"}},
      {"a fraction of a call", {"calls=1.5"}},
      {"no number", {"calls="}},
      {"above 63 bits", {"max_tokens=9223372036854775808"}},
      {"money with ten decimals", {"max_usd=0.0000000001"}},
      {"money without a whole part", {"max_usd=.5"}},
      {"money that ends in a dot", {"max_usd=5."}},
      {"money with an exponent", {"max_usd=1e3"}},
      {"money that overflows", {"max_usd=9223372037"}},
      {"none beside a tool", {"tools=none,web_search"}},
      {"an empty list of tools", {"tools="}},
      {"an empty module", {"module="}},
      {"another way to name a certificate", {"cnf=jkt:abc"}},
      {"a short digest", {"cnf=x5t:AAAA"}},
      {"stream is 0 or 1", {"stream=2"}},
      {"exp that is no number", {"exp=soon"}},
      {"a time behind the year 9999", {"exp=253402300800"}},
      {"nothing is left of the models", {"models=gpt-5*", "models=gpt-4*"}},
      {"nothing is left of the families", {"ep=chat", "ep=embeddings"}},
      {"nothing is left of the networks", {"cidr=10.0.0.0/8", "cidr=192.0.2.0/24"}},
      {"IPv6 holds no IPv4", {"cidr=::/0", "cidr=10.0.0.0/8"}},
      {"nothing is left of the countries", {"cc=TW", "cc=US"}},
      {"streams only, and no streams", {"stream=0", "stream=1"}},
      {"two modules", {"module=a", "module=b"}},
  };
  for (const Refused& c : cases) {
    const Result<DerivedClaims> claims = read_more(c.caveats);
    ASSERT_FALSE(claims) << c.why;
    EXPECT_EQ(claims.error().code, Code::kInvalid) << c.why;
  }
}

TEST(DerivedCaveats, TheFirstTwoAreWhenItWasMadeAndWhenItEnds) {
  const Refused cases[] = {
      {"nothing", {}},
      {"only iat", {"iat=1763856000"}},
      {"the other way round", {"exp=1763859600", "iat=1763856000"}},
      {"something between", {"iat=1763856000", "ro=1", "exp=1763859600"}},
      {"no life at all", {"iat=1763856000", "exp=1763856000"}},
      {"an end before the beginning", {"iat=1763856000", "exp=1763855999"}},
      {"24 hours and a second", {"iat=1763856000", "exp=1763942401"}},
      {"24 hours and a second, shortened later",
       {"iat=1763856000", "exp=1763942401", "exp=1763859600"}},
  };
  for (const Refused& c : cases) EXPECT_FALSE(read(c.caveats)) << c.why;
  EXPECT_TRUE(read({"iat=1763856000", "exp=1763942400"})) << "24 hours";

  const auto claims =
      read({"iat=1763856000", "exp=1763859600", "exp=1763857000", "exp=1763859000"});
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->issued_at, UtcTime(std::chrono::seconds(1763856000)));
  EXPECT_EQ(claims->expires_at, UtcTime(std::chrono::seconds(1763857000)));
  EXPECT_TRUE(claims->restrictions.endpoints.empty());
  EXPECT_TRUE(claims->restrictions.limits.empty());
}

struct Narrowed {
  const char* why;
  Words caveats;
  Words expected;
};

TEST(DerivedCaveats, RepeatedListsIntersect) {
  const Narrowed models[] = {
      {"one list", {"models=gpt-5,gpt-4*"}, {"gpt-5", "gpt-4*"}},
      {"the same twice", {"models=gpt-5", "models=gpt-5"}, {"gpt-5"}},
      {"a prefix holds a name", {"models=gpt-5*", "models=gpt-5.5,o9"}, {"gpt-5.5"}},
      {"a name stays a name", {"models=gpt-5.5", "models=*"}, {"gpt-5.5"}},
      {"the longer prefix", {"models=gpt-*", "models=gpt-5*"}, {"gpt-5*"}},
      {"a prefix and its own text", {"models=gpt-5*", "models=gpt-5"}, {"gpt-5"}},
      {"three", {"models=*", "models=gpt-*,o9", "models=gpt-5,o9"}, {"gpt-5", "o9"}},
  };
  for (const Narrowed& c : models) {
    const auto claims = read_more(c.caveats);
    ASSERT_TRUE(claims) << c.why;
    EXPECT_EQ(claims->restrictions.models, c.expected) << c.why;
  }
  const auto networks = read_more({"cidr=10.0.0.0/8,2001:db8::/32", "cidr=10.1.2.0/24,::/0"});
  ASSERT_TRUE(networks);
  ASSERT_EQ(networks->restrictions.sources.size(), 2U);
  EXPECT_EQ(networks->restrictions.sources[0].text(), "10.1.2.0/24");
  EXPECT_EQ(networks->restrictions.sources[1].text(), "2001:db8::/32");
  EXPECT_EQ(read_more({"cc=TW,US", "cc=US,JP"})->restrictions.countries, Words{"US"});
  EXPECT_EQ(read_more({"ep=chat,models", "ep=chat"})->restrictions.endpoints,
            Words{"POST /v1/chat/completions"});
  EXPECT_EQ(read_more({"tools=web_search,mcp", "tools=mcp"})->restrictions.tools, Words{"mcp"});
  EXPECT_EQ(read_more({"tools=web_search", "tools=mcp"})->restrictions.tools, Words{})
      << "no tool at all can be satisfied";
  EXPECT_EQ(read_more({"tools=none", "tools=mcp"})->restrictions.tools, Words{});
}

TEST(DerivedCaveats, RepeatedNumbersTakeTheLeast) {
  const auto claims = read_more({"calls=5", "calls=3", "calls=9", "max_usd=2", "max_usd=1.5",
                                 "max_tokens=100", "rpm=60", "rpm=7", "ro=1", "stream=0"});
  ASSERT_TRUE(claims);
  const auto total = [](BudgetUnit unit, std::int64_t amount) {
    return Budget{.unit = unit, .window = BudgetWindow::kTotal, .amount = amount, .hard = true};
  };
  EXPECT_EQ(
      claims->restrictions.limits.budgets,
      (std::vector<Budget>{total(BudgetUnit::kNanoUsd, 1'500'000'000),
                           total(BudgetUnit::kTokens, 100), total(BudgetUnit::kRequests, 3)}));
  EXPECT_EQ(claims->restrictions.limits.requests_per_minute, 7);
  EXPECT_TRUE(claims->restrictions.read_only);
  EXPECT_EQ(claims->restrictions.stream, false);
  EXPECT_EQ(read_more({"calls=0"})->restrictions.limits.budgets.size(), 1U) << "zero is a limit";
}

TEST(DerivedCaveats, LabelsAndCertificate) {
  const std::string digest = base64url_encode(std::string(32, '\x7f'));
  const auto claims = read_more({"module=etl", "purpose=nightly run", "cnf=x5t:" + digest,
                                 "cnf=x5t:" + digest, "module=etl"});
  ASSERT_TRUE(claims);
  EXPECT_EQ(claims->module, "etl");
  EXPECT_EQ(claims->purpose, "nightly run");
  EXPECT_EQ(claims->restrictions.certificate, digest);
  EXPECT_EQ(read_more({"module=a=b"})->module, "a=b") << "the first equals sign divides";
}

TEST(DerivedCaveats, WireTextIsStrict) {
  const std::string_view good[] = {"aWF0PTE3NjM4NTYwMDA", "ZXhwPTE3NjM4NTk2MDA", "cm89MQ"};
  EXPECT_TRUE(read_caveats(good));
  for (const char* bad : {"cm89MR", "cm89M", "cm89MQ==", "cm8=MQ", "", "cm89Mf8", "CgA"}) {
    std::string_view wire[] = {good[0], good[1], bad};
    EXPECT_FALSE(read_caveats(wire)) << bad;
  }
}

TEST(EndpointFamilies, EveryPatternCanBeRead) {
  for (const EndpointFamily& family : endpoint_families()) {
    EXPECT_FALSE(family.patterns.empty());
    for (const std::string_view pattern : family.patterns) {
      EXPECT_TRUE(valid_endpoint_pattern(pattern)) << pattern;
    }
  }
}

}  // namespace
}  // namespace sallyport::keys
