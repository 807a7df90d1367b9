// SPDX-License-Identifier: Apache-2.0
#include "event/restrictions.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace sallyport {
namespace {

const std::string kPrint(43, 'A');

Restrictions full() {
  Restrictions r;
  r.endpoints = {"POST /v1/responses", "GET /v1/models*"};
  r.read_only = true;
  r.models = {"gpt-5*", "o9"};
  r.tools = {"web_search"};
  r.stream = false;
  r.output_tokens_max = 1000;
  r.modules = {"support", "b2b desk"};
  r.purposes = {"triage"};
  r.sources = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("2001:db8::/32")};
  r.countries = {"TW"};
  r.networks = {3462};
  r.hours = {{.from_minute = 420, .to_minute = 1320, .offset_minutes = 480}};
  r.certificate = kPrint;
  r.dpop = kPrint;
  r.limits.budgets = {
      {BudgetUnit::kNanoUsd, BudgetWindow::kDay, 12'500'000'000, true},
      {BudgetUnit::kTokens, BudgetWindow::kTotal, 5, false},
      {BudgetUnit::kRequests, BudgetWindow::kMinute, 0, true},
  };
  r.limits.requests_per_minute = 60;
  r.limits.tokens_per_minute = 100'000;
  r.limits.parallel_max = 8;
  return r;
}

TEST(Restrictions, HaveOneWrittenForm) {
  EXPECT_EQ(
      restrictions_json(full()),
      R"({"endpoints":["POST /v1/responses","GET /v1/models*"],"read_only":true,)"
      R"("models":["gpt-5*","o9"],"tools":["web_search"],"stream":false,"output_tokens_max":1000,)"
      R"("modules":["support","b2b desk"],"purposes":["triage"],)"
      R"("cidr":["10.0.0.0/8","2001:db8::/32"],"countries":["TW"],"networks":[3462],)"
      R"("hours":["07:00-22:00+08:00"],"certificate":")" +
          kPrint + R"(","dpop":")" + kPrint +
          R"(","budgets":[{"usd":"12.5","per":"day","hard":true},)"
          R"({"tokens":5,"per":"total","hard":false},{"requests":0,"per":"minute","hard":true}],)"
          R"("rpm":60,"tpm":100000,"parallel":8})");
  EXPECT_EQ(restrictions_json({}), "{}") << "what restricts nothing is left out";
  EXPECT_TRUE(Restrictions{}.empty());
  EXPECT_FALSE(full().empty());
  Restrictions none;
  none.tools.emplace();
  EXPECT_EQ(restrictions_json(none), R"({"tools":[]})") << "no tool at all is a restriction";
}

// Each part is there or not, by chance; what was written reads back as the same.
TEST(Restrictions, WhatIsWrittenReadsBack) {
  std::mt19937_64 random(7);
  const auto coin = [&] { return random() % 2 == 0; };
  for (int round = 0; round < 2'000; ++round) {
    Restrictions r = full();
    if (coin()) r.endpoints.clear();
    r.read_only = coin();
    if (coin()) r.models.clear();
    if (coin()) r.tools.reset();
    if (r.tools && coin()) r.tools->clear();
    if (coin()) r.stream = coin();
    if (coin()) r.stream.reset();
    if (coin()) r.output_tokens_max = static_cast<std::int64_t>(random() >> 1);
    if (coin()) r.modules.clear();
    if (coin()) r.purposes.clear();
    if (coin()) r.sources.clear();
    if (coin()) r.countries.clear();
    for (std::uint64_t i = random() % 5; i > 0; --i) {
      r.networks.push_back(static_cast<std::int64_t>(1 + random() % 4'294'967'295));
    }
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      const auto from = static_cast<std::int16_t>(random() % 1440);
      const auto to = static_cast<std::int16_t>((from + 1 + random() % 1439) % 1440);
      r.hours.push_back(
          {from, to, static_cast<std::int16_t>(static_cast<int>(random() % 1681) - 840)});
    }
    if (coin()) r.certificate.reset();
    if (coin()) r.dpop.reset();
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      r.limits.budgets.push_back({static_cast<BudgetUnit>(random() % 3),
                                  static_cast<BudgetWindow>(random() % 5),
                                  static_cast<std::int64_t>(random() >> 1), coin()});
    }
    if (coin()) r.limits.requests_per_minute.reset();
    if (coin()) r.limits.tokens_per_minute = static_cast<std::int64_t>(random() >> 1);
    if (coin()) r.limits.parallel_max.reset();

    const std::string text = restrictions_json(r);
    const Result<Restrictions> back = parse_restrictions(text);
    ASSERT_TRUE(back) << text << ": " << back.error().what;
    EXPECT_EQ(*back, r) << text;
    EXPECT_EQ(restrictions_json(*back), text);
  }
}

struct Malformed {
  const char* json;
  const char* names;  // what the complaint must name
};

const Malformed kMalformed[] = {
    {"", "object"},
    {"[]", "object"},
    {R"({"rpm":1,"rpm":2})", "repeated"},
    {R"({"endpoint":["POST /v1/x"]})", "endpoint"},
    {R"({"RPM":1})", "RPM"},
    {R"({"endpoints":"POST /v1/x"})", "endpoints"},
    {R"({"endpoints":["/v1/x"]})", "endpoints"},
    {R"({"endpoints":[""]})", "endpoints"},
    {R"({"endpoints":null})", "endpoints"},
    {R"({"read_only":1})", "read_only"},
    {R"({"read_only":"true"})", "read_only"},
    {R"({"models":["g*t"]})", "models"},
    {R"({"models":[5]})", "models"},
    {R"({"tools":["web search"]})", "tools"},
    {R"({"tools":null})", "tools"},
    {R"({"stream":"false"})", "stream"},
    {R"({"output_tokens_max":-1})", "output_tokens_max"},
    {R"({"output_tokens_max":1.5})", "output_tokens_max"},
    {R"({"output_tokens_max":"7"})", "output_tokens_max"},
    {R"({"cidr":["10.0.0.0/33"]})", "cidr"},
    {R"({"cidr":["example.org"]})", "cidr"},
    {R"({"countries":["tw"]})", "countries"},
    {R"({"countries":["TWN"]})", "countries"},
    {R"({"networks":["3462"]})", "networks"},
    {R"({"networks":[0]})", "networks"},
    {R"({"networks":[4294967296]})", "networks"},
    {R"({"hours":["07:00-22:00"]})", "hours"},
    {R"({"hours":["7:00-22:00Z"]})", "hours"},
    {R"({"hours":["24:00-07:00Z"]})", "hours"},
    {R"({"hours":["07:00-24:01Z"]})", "hours"},
    {R"({"hours":["07:00-07:00Z"]})", "hours"},
    {R"({"hours":["07:60-22:00Z"]})", "hours"},
    {R"({"hours":["07:00-22:00+14:01"]})", "hours"},
    {R"({"hours":["07:00-22:00+08:00 "]})", "hours"},
    {R"({"hours":["07:00-22:00z"]})", "hours"},
    {R"({"certificate":"abc"})", "certificate"},
    {R"({"certificate":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="})", "certificate"},
    {R"({"dpop":7})", "dpop"},
    {R"({"budgets":{"usd":"1","per":"day"}})", "budgets"},
    {R"({"budgets":[5]})", "budgets"},
    {R"({"budgets":[{"usd":"1"}]})", "budgets"},
    {R"({"budgets":[{"per":"day"}]})", "budgets"},
    {R"({"budgets":[{"usd":"1","tokens":1,"per":"day"}]})", "budgets"},
    {R"({"budgets":[{"usd":"1","per":"week"}]})", "budgets.per"},
    {R"({"budgets":[{"usd":"-1","per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"usd":-0.5,"per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"usd":"1.0000000001","per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"usd":"9300000000","per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"usd":1e300,"per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"usd":"1e3","per":"day"}]})", "budgets.usd"},
    {R"({"budgets":[{"tokens":-1,"per":"day"}]})", "budgets.tokens"},
    {R"({"budgets":[{"tokens":9223372036854775808,"per":"day"}]})", "budgets.tokens"},
    {R"({"budgets":[{"requests":1.5,"per":"day"}]})", "budgets.requests"},
    {R"({"budgets":[{"usd":"1","per":"day","hard":"no"}]})", "budgets.hard"},
    {R"({"budgets":[{"usd":"1","per":"day","soft":true}]})", "budgets.soft"},
    {R"({"rpm":-1})", "rpm"},
    {R"({"tpm":1e3})", "tpm"},
    {R"({"parallel":18446744073709551615})", "parallel"},
};

TEST(Restrictions, WhatIsMalformedIsRefusedByName) {
  for (const Malformed& c : kMalformed) {
    const Result<Restrictions> read = parse_restrictions(c.json);
    ASSERT_FALSE(read) << c.json;
    EXPECT_EQ(read.error().code, Code::kInvalid) << c.json;
    EXPECT_NE(read.error().what.find(c.names), std::string::npos)
        << c.json << ": " << read.error().what;
  }
}

TEST(Restrictions, ListsHaveALimit) {
  const auto list = [](int entries) {
    std::string json = R"({"countries":[)";
    for (int i = 0; i < entries; ++i) json += i == 0 ? "\"TW\"" : ",\"TW\"";
    return json + "]}";
  };
  EXPECT_TRUE(parse_restrictions(list(256)));
  EXPECT_FALSE(parse_restrictions(list(257)));
}

TEST(Restrictions, MoneyIsTakenAsTextOrNumber) {
  const struct {
    const char* json;
    std::int64_t nano;
  } cases[] = {
      {R"({"budgets":[{"usd":"0.000000001","per":"day"}]})", 1},
      {R"({"budgets":[{"usd":12.5,"per":"day"}]})", 12'500'000'000},
      {R"({"budgets":[{"usd":0.1,"per":"day"}]})", 100'000'000},
      {R"({"budgets":[{"usd":3,"per":"day"}]})", 3'000'000'000},
      {R"({"budgets":[{"usd":0,"per":"day"}]})", 0},
  };
  for (const auto& c : cases) {
    const Result<Restrictions> read = parse_restrictions(c.json);
    ASSERT_TRUE(read) << c.json;
    EXPECT_EQ(read->limits.budgets.at(0).amount, c.nano) << c.json;
    EXPECT_TRUE(read->limits.budgets.at(0).hard) << "unless it says otherwise";
  }
}

TEST(DayHours, KnowTheDayOfTheirZone) {
  const struct {
    const char* hours;
    const char* now;
    bool inside;
  } cases[] = {
      {"07:00-22:00Z", "2026-11-25T07:00:00Z", true},
      {"07:00-22:00Z", "2026-11-25T06:59:59Z", false},
      {"07:00-22:00Z", "2026-11-25T21:59:59Z", true},
      {"07:00-22:00Z", "2026-11-25T22:00:00Z", false},
      {"07:00-22:00+08:00", "2026-11-24T23:00:00Z", true},
      {"07:00-22:00+08:00", "2026-11-25T14:00:00Z", false},
      {"22:00-06:00-05:00", "2026-11-25T03:00:00Z", true},
      {"22:00-06:00-05:00", "2026-11-25T11:00:00Z", false},
      {"00:00-24:00Z", "2026-11-25T23:59:59Z", true},
      {"00:00-00:01-05:30", "1970-01-01T05:30:00Z", true},
      {"18:30-18:31-05:30", "1970-01-01T00:00:59Z", true},
  };
  for (const auto& c : cases) {
    const auto hours = parse_day_hours(c.hours);
    ASSERT_TRUE(hours) << c.hours;
    EXPECT_EQ(contains(*hours, *parse_utc(c.now)), c.inside) << c.hours << " at " << c.now;
    EXPECT_EQ(day_hours_text(*hours), c.hours);
  }
}

}  // namespace
}  // namespace sallyport
