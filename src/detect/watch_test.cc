// SPDX-License-Identifier: Apache-2.0
// What the watch says of small stories: a key lives a few ordinary days, then something happens.
#include "detect/watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "detect/finding_line.h"
#include "detect/life_for_test.h"

namespace sallyport::detect {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Story {
  const char* why;
  std::vector<Event> (*happens)(UtcTime);
  const char* detector;  // null: nothing high
};

std::vector<Event> stolen_abroad(UtcTime at) {
  return calls(
      "app", at, 20, seconds(10),
      {.ip = "203.0.113.9", .geo = "VN", .asn = 45899, .model = "gpt-5-pro", .output = 3'000});
}
std::vector<Event> colleague_travels(UtcTime at) {
  return calls("app", at + hours(30), 12, minutes(4),
               {.ip = "203.0.113.9", .geo = "SE", .asn = 3301});
}
std::vector<Event> ten_times_at_home(UtcTime at) { return calls("app", at, 600, seconds(1), {}); }
std::vector<Event> twice_at_home(UtcTime at) { return calls("app", at, 40, seconds(30), {}); }
std::vector<Event> stuffing(UtcTime at) {
  return refused(at, 20, seconds(5), [](int) { return std::string("198.51.100.7"); });
}
std::vector<Event> few_refusals(UtcTime at) {
  return refused(at, 8, seconds(5), [](int) { return std::string("198.51.100.7"); });
}
std::vector<Event> own_office_refused(UtcTime at) {
  return refused(at, 60, seconds(5), [](int) { return std::string("192.0.2.10"); });
}
std::vector<Event> stuffing_by_many(UtcTime at) {
  return refused(at, 60, seconds(7), [](int i) { return "10." + std::to_string(i % 40) + ".3.4"; });
}
std::vector<Event> proxies(UtcTime at) {
  std::vector<Event> events;
  constexpr const char* kWhere[] = {"BR", "ID", "RU", "TR", "NG", "MX"};
  for (int i = 0; i < 30; ++i) {
    auto one = calls(
        "app", at + seconds(4 * i), 1, seconds(1),
        {.ip = "198.51." + std::to_string(i) + ".1", .geo = kWhere[i % 6], .asn = 64'500 + i % 6});
    events.push_back(one[0]);
  }
  return events;
}
std::vector<Event> long_answers(UtcTime at) {
  return calls("app", at, 12, seconds(40), {.output = 9'000});
}
std::vector<Event> storm(UtcTime at) {
  return calls("app", at, 600, std::chrono::milliseconds(500), {.status = 429});
}
std::vector<Event> injection_answered(UtcTime at) {
  auto events = calls("app", at, 1, seconds(1), {});
  events[0].injection =
      Injection{.score = 0.97, .verdict = "block", .categories = {}, .role = "user"};
  return events;
}
std::vector<Event> injection_blocked_once(UtcTime at) {
  auto events = calls("app", at, 1, seconds(1), {.status = 400});
  events[0].injection =
      Injection{.score = 0.97, .verdict = "block", .categories = {}, .role = "user"};
  return events;
}
std::vector<Event> injections_blocked(UtcTime at) {
  auto events = calls("app", at, 12, seconds(20), {.status = 400});
  for (Event& event : events) {
    event.injection =
        Injection{.score = 0.97, .verdict = "block", .categories = {}, .role = "user"};
  }
  return events;
}
std::vector<Event> bypass(UtcTime at) {
  Event event;
  event.timestamp_utc = at;
  event.kind = Kind::kProvider;
  event.action = "usage.reconcile";
  event.error = "gateway_bypass";
  event.provider_key_id = "key_1";
  event.detail = R"({"known_key":true,"excess_tokens":90000})";
  return {event};
}
std::vector<Event> budget_used_up(UtcTime at) {
  auto events = calls("app", at, 1, seconds(1), {.status = 429});
  events[0].error = "budget_exceeded";
  return events;
}

const Story kStories[] = {
    {"used abroad while home works, dearer model, longer answers", stolen_abroad, "new_country"},
    {"a person may travel", colleague_travels, nullptr},
    {"ten times the requests of any day, from home", ten_times_at_home, "token_spike"},
    {"twice the requests is a busy day", twice_at_home, nullptr},
    {"one source tries one key after another", stuffing, "credential_stuffing"},
    {"eight refusals are somebody's mistake", few_refusals, nullptr},
    {"who worked from here may have an old key", own_office_refused, nullptr},
    {"forty addresses, a try or two each", stuffing_by_many, "credential_stuffing"},
    {"another network and country with every request", proxies, "ip_hopping"},
    {"answers thirty times as long", long_answers, "output_anomaly"},
    {"refused for its rate six hundred times", storm, "rate_limit_storm"},
    {"an injection that was answered", injection_answered, "prompt_injection"},
    {"one that was blocked did no harm", injection_blocked_once, nullptr},
    {"somebody tries again and again", injections_blocked, "prompt_injection"},
    {"the provider counts more than passed", bypass, "gateway_bypass"},
    {"a budget that holds is no theft", budget_used_up, nullptr},
};

TEST(Watch, TellsTheseStoriesApart) {
  for (const Story& story : kStories) {
    SCOPED_TRACE(story.why);
    Watch watch{Config{}};
    std::vector<Event> life = ordinary_days(10);
    const UtcTime at = life.back().timestamp_utc;
    merge(life, story.happens(at + minutes(1)));
    std::set<std::string> high;
    for (const Event& found : tell(watch, life)) {
      if (found.finding->severity >= Severity::kHigh) high.insert(found.finding->detector);
    }
    if (story.detector == nullptr) {
      EXPECT_TRUE(high.empty()) << *high.begin();
    } else {
      EXPECT_TRUE(high.contains(story.detector)) << high.size() << " others";
    }
  }
}

TEST(Watch, OrdinaryDaysAreQuiet) {
  Watch watch{Config{}};
  for (const Event& found : tell(watch, ordinary_days(14))) {
    EXPECT_LT(found.finding->severity, Severity::kHigh) << found.finding->summary;
  }
}

// Baselines hang on the name: a credential that changes every eight hours changes nothing.
TEST(Watch, NewCredentialsEveryEightHoursChangeNothing) {
  std::vector<Event> life = ordinary_days(10);
  merge(life, stolen_abroad(life.back().timestamp_utc + minutes(1)));
  Watch one{Config{}}, other{Config{}};
  const std::string before = lines_of(tell(one, life));
  for (Event& event : life) {
    event.kid = "kid" + std::to_string(event.timestamp_utc.time_since_epoch() / hours(8));
  }
  EXPECT_EQ(before, lines_of(tell(other, life)));
  EXPECT_FALSE(before.empty());
}

TEST(Watch, AStateInTheMiddleChangesNothing) {
  std::vector<Event> life = ordinary_days(9);
  const UtcTime at = life.back().timestamp_utc;
  for (const auto& more : {stolen_abroad(at + minutes(1)), stuffing(at + minutes(2)),
                           stuffing_by_many(at + minutes(9)), long_answers(at + minutes(20))}) {
    merge(life, more);
  }
  Watch whole{Config{}};
  const std::string expected = lines_of(tell(whole, life));
  EXPECT_GT(std::ranges::count(expected, '\n'), 3);
  for (const std::size_t cut :
       {life.size() / 3, life.size() - 150, life.size() - 60, life.size() - 10}) {
    const std::vector<Event> first(life.begin(), life.begin() + static_cast<std::ptrdiff_t>(cut));
    const std::vector<Event> second(life.begin() + static_cast<std::ptrdiff_t>(cut), life.end());
    Watch before{Config{}}, after{Config{}};
    std::string told = lines_of(tell(before, first));
    std::string state;
    before.save(state);
    ASSERT_TRUE(after.load(state));
    EXPECT_EQ(expected, told + lines_of(tell(after, second))) << "cut at " << cut;
  }
}

TEST(Watch, RefusesADamagedState) {
  Watch watch{Config{}};
  (void)tell(watch, ordinary_days(2));
  std::string state;
  watch.save(state);
  Watch other{Config{}};
  for (std::size_t i = 0; i < state.size(); i += state.size() / 50 + 1) {
    std::string damaged = state;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(other.load(damaged)) << "byte " << i;
  }
  EXPECT_FALSE(other.load(std::string_view(state).substr(0, state.size() / 2)));
  EXPECT_FALSE(other.load(""));
  EXPECT_EQ(other.counts().keys, 0u) << "an untouched watch stays behind";
  EXPECT_TRUE(other.load(state));
  EXPECT_EQ(other.counts().keys, 1u);
}

TEST(Watch, DuplicatesAndOldLinesCountOnce) {
  std::vector<Event> life = ordinary_days(10);
  merge(life, stolen_abroad(life.back().timestamp_utc + minutes(1)));
  std::vector<Event> twice;
  for (const Event& event : life) twice.insert(twice.end(), 2, event);
  Watch one{Config{}}, other{Config{}};
  const std::string expected = lines_of(tell(one, life));
  EXPECT_EQ(expected, lines_of(tell(other, twice)));
  EXPECT_EQ(other.counts().duplicates, life.size());
  EXPECT_EQ(lines_of(tell(other, ordinary_days(3))), "");
  EXPECT_GT(other.counts().late, 0u);
}

TEST(Watch, OneWrongClockThrowsNothingAhead) {
  std::vector<Event> life = ordinary_days(10);
  const auto middle = static_cast<std::ptrdiff_t>(life.size() / 2);
  Event wrong = life[life.size() / 2];
  wrong.timestamp_utc += hours(24 * 365);
  life.insert(life.begin() + middle, wrong);
  Event ancient = wrong;
  ancient.timestamp_utc = UtcTime(seconds(1));
  life.insert(life.begin() + middle, ancient);
  Watch watch{Config{}};
  EXPECT_EQ(lines_of(tell(watch, life)), "");
  EXPECT_EQ(watch.counts().jumped, 2u);
  EXPECT_EQ(watch.counts().late, 0u);
}

TEST(Watch, MadeUpNamesStayInTheirTable) {
  Watch watch{Config{.keys_max = 500, .sources_max = 500}};
  (void)tell(watch, ordinary_days(4));
  std::vector<Event> out;
  const UtcTime from = kBegin + hours(24 * 5);
  Event event = calls("x", from, 1, seconds(1), {})[0];
  for (int i = 0; i < 200'000; ++i) {
    event.timestamp_utc = from + std::chrono::milliseconds(i * 100);
    event.api_key_id = "made-up-" + std::to_string(i);
    event.ip = "10." + std::to_string(i % 250) + "." + std::to_string(i / 250 % 250) + ".1";
    watch.observe(event, out);
    out.clear();
  }
  EXPECT_LE(watch.counts().keys, 500u);
  EXPECT_LE(watch.counts().sources, 500u);
  EXPECT_GT(watch.counts().keys_forgotten, 199'000u);
  EXPECT_TRUE(watch.explain("app")) << "the old key keeps its baseline";
}

TEST(Watch, HostileTextIsOnlyAName) {
  Watch watch{Config{}};
  std::vector<Event> out;
  const std::string nasty = std::string("\0\"}\n{\xFF\xFE", 7) + std::string(5'000, 'A');
  Event event = calls("x", kBegin, 1, seconds(1), {})[0];
  event.api_key_id = event.model = event.geo = event.network = event.error = nasty;
  event.ip = event.endpoint = event.module = event.purpose = event.request_id = nasty;
  event.tokens_input = INT64_MAX;
  event.tokens_output = INT64_MIN;
  event.asn = -1;
  event.status = 99'999;
  event.latency_ms = INT64_MAX;
  event.repeated = INT64_MAX;
  event.detail = "{";
  event.injection =
      Injection{.score = 1e300, .verdict = nasty, .categories = {nasty}, .role = nasty};
  for (const Kind kind :
       {Kind::kRequest, Kind::kIntent, Kind::kProgress, Kind::kAdmin, Kind::kAction, Kind::kBreaker,
        Kind::kProvider, Kind::kFinding, Kind::kIncident}) {
    for (int i = 0; i < 300; ++i) {
      event.kind = kind;
      event.timestamp_utc += seconds(i);
      event.request_id = nasty + std::to_string(i);
      event.actor = nasty;
      event.action = "budget_alert";
      event.error = "gateway_bypass";
      watch.observe(event, out);
    }
  }
  std::string state;
  watch.save(state);
  Watch other{Config{}};
  EXPECT_TRUE(other.load(state));
  for (const Event& found : out) {
    std::string line;
    append_finding_line(line, found);
    EXPECT_LE(std::ranges::count(line, '\n'), 1);
  }
}

TEST(Watch, OneStoryPerAttack) {
  Watch watch{Config{}};
  std::vector<Event> life = ordinary_days(10);
  const UtcTime at = life.back().timestamp_utc + minutes(1);
  // The thief first guesses keys from his address, then comes with one that works.
  merge(life, refused(at, 30, seconds(3), [](int) { return std::string("203.0.113.9"); }));
  merge(life, stolen_abroad(at + minutes(3)));
  std::set<std::string> incidents;
  std::size_t high = 0;
  for (const Event& found : tell(watch, life)) {
    if (found.finding->severity < Severity::kHigh) continue;
    ++high;
    incidents.insert(found.finding->incident_id);
  }
  EXPECT_EQ(incidents.size(), 1u);
  EXPECT_GE(high, 2u);
  EXPECT_LE(high, 8u) << "one finding per news, not one per request";
}

TEST(Watch, AnOldDatabaseProvesNothing) {
  Watch watch{Config{.geography_stale = true}};
  std::vector<Event> life = ordinary_days(10);
  auto abroad = stolen_abroad(life.back().timestamp_utc + minutes(1));
  for (Event& event : abroad) event.tokens_output = 200, event.model = "gpt-5";
  merge(life, abroad);
  bool told = false;
  for (const Event& found : tell(watch, life)) {
    told = true;
    EXPECT_LE(found.finding->severity, Severity::kMedium) << found.finding->summary;
  }
  EXPECT_TRUE(told);
}

TEST(Watch, AnAdministratorFromNowhere) {
  Watch watch{Config{}};
  std::vector<Event> life;
  const auto act = [&](UtcTime at, const char* ip, const char* geo, int asn, const char* action) {
    Event event;
    event.timestamp_utc = at;
    event.kind = Kind::kAdmin;
    event.actor = "admin:mai";
    event.action = action;
    event.ip = ip;
    event.geo = geo;
    event.asn = asn;
    event.request_id = "r" + std::to_string(life.size());
    life.push_back(event);
  };
  for (int day = 0; day < 8; ++day) {
    for (int i = 0; i < 5; ++i)
      act(kBegin + hours(24 * day + 8 + i), "192.0.2.10", "DE", 3320, "key.show");
  }
  act(kBegin + hours(24 * 8 + 2), "203.0.113.9", "MD", 39798, "key.create");
  std::vector<std::string> told;
  for (const Event& found : tell(watch, life)) told.push_back(found.finding->detector);
  EXPECT_EQ(told, std::vector<std::string>{"key_admin_anomaly"});
}

TEST(Watch, APersonVouches) {
  Watch watch{Config{}};
  std::vector<Event> life = ordinary_days(10);
  merge(life, stolen_abroad(life.back().timestamp_utc + minutes(1)));
  EXPECT_FALSE(tell(watch, life).empty());
  ASSERT_TRUE(watch.adopt("app"));
  auto again = calls("app", life.back().timestamp_utc + hours(21), 20, minutes(2),
                     {.ip = "203.0.113.9", .geo = "VN", .asn = 45899});
  EXPECT_EQ(lines_of(tell(watch, again)), "");
  EXPECT_FALSE(watch.adopt("nobody"));
}

TEST(Watch, IncidentsEndAfterSixQuietHours) {
  Watch watch{Config{}};
  std::vector<Event> life = ordinary_days(10);
  merge(life, stolen_abroad(life.back().timestamp_utc + minutes(1)));
  std::vector<Event> out;
  for (const Event& event : life) watch.observe(event, out);
  EXPECT_EQ(watch.counts().incidents_open, 1u);
  for (const Event& event : calls("app", life.back().timestamp_utc + hours(7), 1, seconds(1), {})) {
    watch.observe(event, out);
  }
  EXPECT_EQ(watch.counts().incidents_open, 0u);
  EXPECT_EQ(out.back().action, "incident.ended");
  EXPECT_EQ(out.back().api_key_id, "app");
}

}  // namespace
}  // namespace sallyport::detect
