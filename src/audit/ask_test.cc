// SPDX-License-Identifier: Apache-2.0
// Stories of a week and of five minutes after it, and what the four questions say to them.
#include "audit/ask.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "audit/column_writer.h"

namespace sallyport::audit {
namespace {

using namespace std::chrono_literals;

const UtcTime kNow = *parse_utc("2026-11-24T14:05:00Z");
constexpr auto kWeek = 24h * 10;

// What one request is made of; the rest is as on every day.
struct Call {
  std::string key = "app";
  std::string ip = "192.0.2.10";
  std::optional<std::string> geo = "DE";
  std::optional<std::int64_t> asn = 64500;
  int status = 200;
  std::string model = "gpt-4o-mini";
  std::int64_t cost_nano = 400'000;
  std::optional<std::string> verdict = std::nullopt;
  double score = 0;
  std::optional<std::string> claimed = std::nullopt;
};

Event event_of(const Call& call, UtcTime at) {
  Event event;
  event.timestamp_utc = at;
  event.endpoint = "POST /v1/chat/completions";
  if (!call.key.empty()) {
    event.api_key_id = call.key;
    event.kid = "kid-of-" + call.key;
  }
  event.claimed_kid = call.claimed;
  event.ip = call.ip;
  event.geo = call.geo;
  event.asn = call.asn;
  event.status = call.status;
  event.model = call.model;
  if (call.status == 200) {
    event.upstream_status = 200;
    event.cost_usd = NanoUsd{call.cost_nano};
    event.tokens_input = 1'000;
    event.tokens_output = 100;
  }
  if (call.verdict) {
    event.injection = Injection{
        .score = call.score, .verdict = *call.verdict, .categories = {"override"}, .role = "user"};
  }
  return event;
}

class Story {
 public:
  // Ten working days of two keys: an office by day, a machine at all hours.
  explicit Story(bool past = true) {
    if (!past) return;
    std::mt19937_64 random(7);
    for (UtcTime hour = kNow - kWeek; hour < kNow - 5min; hour += 1h) {
      const auto of_day = (hour.time_since_epoch() / 1h) % 24;
      const std::size_t office = of_day >= 8 && of_day < 18 ? 20 + random() % 20 : 0;
      for (std::size_t i = 0; i < office; ++i) {
        add({.ip = "192.0.2." + std::to_string(10 + random() % 8)}, hour + 1min * (random() % 60));
      }
      for (std::size_t i = 0; i < 12; ++i) {
        add({.key = "machine", .ip = "198.51.100.5", .asn = 64501}, hour + 5min * i);
      }
    }
  }
  void add(const Call& call, UtcTime at) {
    if (at < kNow) events_.push_back(event_of(call, at));
  }
  // `count` calls evenly over the last five minutes.
  void now(const Call& call, int count) {
    for (int i = 0; i < count; ++i) add(call, kNow - 5min + 300'000ms * i / count);
  }
  void usual_now() {
    now({}, 3);
    now({.key = "machine", .ip = "198.51.100.5", .asn = 64501}, 1);
  }

  AskAnswer ask(std::vector<Question> questions = {}, std::size_t threads = 2,
                std::size_t sources_max = 150'000) {
    std::ranges::sort(events_, {}, &Event::timestamp_utc);
    ColumnSnapshot snapshot;
    for (std::size_t i = 0; i < events_.size();) {
      ColumnWriter writer(i + 1);
      for (std::size_t n = 0; n < 2'000 && i < events_.size(); ++n) writer.append(events_[i++]);
      snapshot.files.push_back(*ColumnFile::from_bytes(writer.encode(), "test"));
    }
    snapshot.end_seq = events_.size() + 1;
    snapshot.until = events_.back().timestamp_utc;
    const AskSpec spec{.questions = std::move(questions), .at = kNow, .sources_max = sources_max};
    auto answer = audit::ask(snapshot, spec, threads);
    EXPECT_TRUE(answer) << answer.error().what;
    return answer ? std::move(*answer) : AskAnswer();
  }

 private:
  std::vector<Event> events_;
};

bool has(const std::vector<Reason>& reasons, std::string_view word) {
  return std::ranges::any_of(reasons, [&](const Reason& r) { return r.word == word; });
}

const Call kThiefA{.ip = "203.0.113.7", .geo = "VN", .asn = 64610, .model = "gpt-5-pro"};
const Call kThiefB{.ip = "203.0.113.99", .geo = "BR", .asn = 64611, .model = "gpt-5-pro"};

struct Case {
  const char* why;
  std::function<void(Story&)> what;
  const char* key;  // "" : nobody, and nothing is worse than `worst`
  Judgement worst;
  std::vector<std::string_view> reasons;
};

const Case kCases[] = {
    {"a quiet day is quiet", [](Story& s) { s.usual_now(); }, "", Judgement::kUsual, {}},
    {"a busy quarter of an hour is no theft",
     [](Story& s) { s.now({}, 9); },
     "",
     Judgement::kUsual,
     {}},
    {"one request from abroad is worth a look, no more",
     [](Story& s) {
       s.usual_now();
       s.now({.ip = "203.0.113.7", .geo = "FR", .asn = 64610}, 1);
     },
     "",
     Judgement::kNotable,
     {}},
    {"from two other countries at once, while home works on",
     [](Story& s) {
       s.usual_now();
       s.now(kThiefA, 40);
       s.now(kThiefB, 40);
     },
     "app",
     Judgement::kCritical,
     {"new_country", "many_places", "impossible_change_of_place", "rate", "new_model"}},
    {"a machine does not travel",
     [](Story& s) {
       s.usual_now();
       s.now({.key = "machine", .ip = "203.0.113.7", .geo = "VN", .asn = 64610}, 8);
     },
     "machine",
     Judgement::kHigh,
     {"new_country", "machine"}},
    {"a storm of refusals around it counts",
     [](Story& s) {
       s.usual_now();
       s.now(kThiefA, 20);
       s.now({.key = "", .ip = "203.0.113.7", .geo = "VN", .status = 401, .claimed = "kid-of-app"},
             30);
     },
     "app",
     Judgement::kHigh,
     {"new_country", "refusals", "new_model"}},
    {"without countries and networks it is the /16 that counts",
     [](Story& s) {
       s.usual_now();
       s.now({.ip = "203.0.113.7", .geo = {}, .asn = {}, .model = "gpt-5-pro"}, 30);
     },
     "app",
     Judgement::kHigh,
     {"new_network", "rate", "new_model"}},
};

TEST(Ask, WhichKeyLooksStolen) {
  for (const Case& c : kCases) {
    Story story;
    c.what(story);
    const AskAnswer answer = story.ask({Question::kKeys});
    if (*c.key == '\0') {
      EXPECT_LE(answer.worst(), c.worst) << c.why << "\n" << ask_text(answer);
      continue;
    }
    ASSERT_FALSE(answer.keys.empty()) << c.why << "\n" << ask_text(answer);
    EXPECT_EQ(answer.keys[0].key, c.key) << c.why;
    EXPECT_GE(answer.keys[0].judgement, c.worst) << c.why << "\n" << ask_text(answer);
    for (const auto reason : c.reasons) {
      EXPECT_TRUE(has(answer.keys[0].reasons, reason)) << c.why << ": " << reason << "\n"
                                                       << ask_text(answer);
    }
    EXPECT_EQ(answer.keys.size(), 1u) << c.why << ": nobody else is accused\n" << ask_text(answer);
  }
}

TEST(Ask, FromWhereAreTheNewSourcesFirst) {
  Story story;
  story.usual_now();
  story.now(kThiefA, 40);
  story.now(kThiefB, 20);
  const AskAnswer answer = story.ask();
  ASSERT_GE(answer.keys[0].sources.size(), 3u);
  EXPECT_EQ(answer.keys[0].sources[0].ip, "203.0.113.7");
  EXPECT_EQ(answer.keys[0].sources[0].geo, "VN");
  EXPECT_TRUE(answer.keys[0].sources[0].is_new);
  EXPECT_TRUE(answer.keys[0].sources[0].new_address);
  EXPECT_FALSE(answer.keys[0].sources.back().is_new);
  ASSERT_EQ(answer.ips.size(), 2u) << ask_text(answer);
  EXPECT_EQ(answer.ips[0].source.ip, "203.0.113.7");
  EXPECT_EQ(answer.ips[0].keys, std::vector<std::string>{"app"});
}

TEST(Ask, AThiefOfThisMorningIsNotAtHomeByNoon) {
  Story story;
  story.usual_now();
  for (int i = 0; i < 200; ++i) story.add(kThiefA, kNow - 4h + 1min * i);
  story.now(kThiefA, 40);
  const AskAnswer answer = story.ask({Question::kKeys});
  ASSERT_FALSE(answer.keys.empty());
  EXPECT_TRUE(has(answer.keys[0].reasons, "new_country")) << ask_text(answer);
}

TEST(Ask, ALearntPlaceIsHome) {
  Story story;
  for (int day = 2; day < 6; ++day) {
    for (int i = 0; i < 10; ++i) story.add(kThiefA, kNow - 24h * day + 1min * i);
  }
  story.now(kThiefA, 3);
  EXPECT_TRUE(story.ask({Question::kKeys}).keys.empty());
}

TEST(Ask, AStrangersRefusalsAccuseTheAddressAndNotTheKey) {
  Story story;
  story.usual_now();
  for (int i = 0; i < 40; ++i) {
    story.add({.key = "",
               .ip = "203.0.113.50",
               .geo = "RO",
               .asn = 64700,
               .status = 401,
               .claimed = "kid" + std::to_string(i)},
              kNow - 1min + 1s * i);
  }
  const AskAnswer answer = story.ask();
  EXPECT_TRUE(answer.keys.empty()) << ask_text(answer);
  ASSERT_EQ(answer.ips.size(), 1u);
  EXPECT_EQ(answer.ips[0].source.ip, "203.0.113.50");
  EXPECT_EQ(answer.ips[0].judgement, Judgement::kHigh);
  EXPECT_TRUE(has(answer.ips[0].reasons, "many_keys_claimed"));
}

TEST(Ask, AnExplosionOfCostNamesWho) {
  Story story;
  story.usual_now();
  story.now({.cost_nano = 2'000'000'000}, 20);
  const AskAnswer answer = story.ask({Question::kCost});
  ASSERT_GE(answer.costs.size(), 2u);
  EXPECT_EQ(answer.costs[0].key, "") << "all of them first";
  EXPECT_GE(answer.costs[0].judgement, Judgement::kHigh) << ask_text(answer);
  EXPECT_EQ(answer.costs[1].key, "app");
  EXPECT_GE(answer.costs[1].judgement, Judgement::kHigh);
  EXPECT_NEAR(answer.costs[1].spent.usd(), 40, 0.1);
  EXPECT_LT(answer.costs[1].expected.usd(), 0.01);
  EXPECT_EQ(answer.costs[2].judgement, Judgement::kUsual);

  Story quiet;
  quiet.usual_now();
  for (const CostFinding& cost : quiet.ask({Question::kCost}).costs) {
    EXPECT_EQ(cost.judgement, Judgement::kUsual) << cost.key;
  }
}

TEST(Ask, InjectionTellsWhatGotThrough) {
  Story story;
  story.usual_now();
  story.now({.verdict = "pass", .score = 0.1}, 10);
  story.now({.status = 403, .verdict = "block", .score = 0.95}, 7);
  story.now({.verdict = "alert", .score = 0.6}, 2);
  const AskAnswer answer = story.ask({Question::kInjection});
  ASSERT_EQ(answer.injections.size(), 1u);
  const InjectionFinding& found = answer.injections[0];
  EXPECT_EQ(found.key, "app");
  EXPECT_EQ(found.attempts, 9);
  EXPECT_EQ(found.stopped, 7);
  EXPECT_EQ(found.got_through, 2);
  EXPECT_EQ(found.score_max, 950);
  EXPECT_EQ(found.seqs.size(), 2u);
  EXPECT_EQ(answer.injection_scored, 19);
  EXPECT_GE(found.judgement, Judgement::kHigh);
}

TEST(Ask, SaysWhatItCannotKnow) {
  Story story(false);
  story.now({.ip = "10.0.0.1", .geo = {}, .asn = {}}, 3);
  const AskAnswer answer = story.ask();
  const std::string report = ask_text(answer);
  for (const char* word : {"countries:", "networks:", "injection:", "budgets:"}) {
    EXPECT_NE(report.find(word), std::string::npos) << word << "\n" << report;
  }
  ColumnSnapshot empty;
  const auto nothing = audit::ask(empty, {.at = kNow});
  ASSERT_TRUE(nothing);
  EXPECT_NE(ask_text(*nothing).find("empty log says nothing"), std::string::npos);
  EXPECT_FALSE(audit::ask(empty, {.at = kNow, .since = 0ms}));
}

TEST(Ask, AKeyWithoutAPastIsNotAccused) {
  Story story;
  story.now({.key = "fresh", .ip = "203.0.113.7", .geo = "VN", .asn = 64610}, 30);
  const AskAnswer answer = story.ask();
  EXPECT_TRUE(answer.keys.empty()) << ask_text(answer);
}

TEST(Ask, OneThreadSaysWhatTwoSay) {
  Story story;
  story.usual_now();
  story.now(kThiefA, 40);
  story.now({.status = 403, .verdict = "block", .score = 0.95}, 7);
  EXPECT_EQ(ask_json(story.ask({}, 1)), ask_json(story.ask({}, 2)));
}

// 4,000 addresses try keys, half of them of IPv6; 1,000 in two countries use a stolen one.
void attack_with_a_botnet(Story& story) {
  for (int i = 0; i < 4'000; ++i) {
    const std::string ip = i % 2 == 0
                               ? fmt::format("203.0.{}.{}", i / 400, i % 200)
                               : fmt::format("2001:db8:{:x}:{:x}::{:x}", i / 1'000, i / 100, i + 1);
    story.add({.key = "",
               .ip = ip,
               .geo = "RO",
               .asn = 64700 + i / 1'000,
               .status = 401,
               .claimed = "kid" + std::to_string(i % 40)},
              kNow - 5min + 50ms * i);
  }
  for (int i = 0; i < 1'000; ++i) {
    Call call = i % 3 == 0 ? kThiefA : kThiefB;
    call.ip = fmt::format("198.18.{}.{}", i % 7, i / 7);
    story.add(call, kNow - 4min + 100ms * i);
  }
}

TEST(Ask, ABotnetDoesNotKeepItFromAnAnswer) {
  struct {
    std::size_t sources_max;
    AddressFold fold;
    const char* ip;  // of the stolen key's sources, the first
  } const cases[] = {
      {150'000, AddressFold::kNone, "198.18.0.0"},
      {1'500, AddressFold::kSubnet, "198.18.1.0/24"},
      {100, AddressFold::kNetwork, "198.18.0.0/16"},
      {2, AddressFold::kNetwork, "198.18.0.0/16"},
  };
  for (const auto& c : cases) {
    Story story;
    story.usual_now();
    attack_with_a_botnet(story);
    const AskAnswer answer = story.ask({}, 1, c.sources_max);
    const std::string report = ask_text(answer);
    EXPECT_EQ(answer.fold, c.fold) << c.sources_max;
    EXPECT_EQ(report.contains("single addresses"), c.fold != AddressFold::kNone) << report;
    ASSERT_EQ(answer.keys.size(), 1u) << report;
    EXPECT_EQ(answer.keys[0].key, "app");
    EXPECT_EQ(answer.keys[0].judgement, Judgement::kCritical) << report;
    std::set<std::string> countries;
    for (const Source& source : answer.keys[0].sources) countries.insert(source.geo.value_or(""));
    EXPECT_TRUE(countries.contains("VN") && countries.contains("BR")) << "places stay apart";
    EXPECT_EQ(answer.keys[0].sources[0].ip, c.ip);
    EXPECT_FALSE(answer.ips.empty()) << report;
    for (const std::size_t threads : {2, 3}) {
      EXPECT_TRUE(ask_json(story.ask({}, threads, c.sources_max)) == ask_json(answer)) << threads;
    }
  }
}

TEST(Ask, AFoldedAddressIsKnownByItsRange) {
  Story story;
  story.now({.ip = "192.0.2.200"}, 2);  // home, but not this address
  story.now({.key = "machine", .ip = "198.51.100.5", .asn = 64501}, 1);
  story.now({.ip = "203.0.113.7", .geo = "FR", .asn = 64610, .model = "gpt-5-pro"}, 30);
  for (const std::size_t sources_max : {150'000, 1}) {
    const AskAnswer answer = story.ask({Question::kKeys}, 2, sources_max);
    ASSERT_FALSE(answer.keys.empty());
    const auto& sources = answer.keys[0].sources;
    const char* const ip = sources_max == 1 ? "192.0.0.0/16" : "192.0.2.200";
    const auto home = std::ranges::find(sources, ip, &Source::ip);
    ASSERT_NE(home, sources.end()) << ask_text(answer);
    EXPECT_EQ(home->new_address, sources_max != 1);
    EXPECT_EQ(sources[0].geo, "FR");
    EXPECT_TRUE(sources[0].new_address);
  }
}

// Weeks of other noise, and nobody is accused of theft.
TEST(Ask, QuietDaysOfManyKindsGiveNoFalseAlarm) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::mt19937_64 random(seed);
    Story story;
    for (int key = 0; key < 5; ++key) {
      const std::string name = "key" + std::to_string(key);
      const double rate = 1 + static_cast<double>(random() % 30);
      for (UtcTime hour = kNow - kWeek; hour < kNow; hour += 1h) {
        std::poisson_distribution<int> count(rate * (0.3 + static_cast<double>(random() % 10) / 5));
        for (int i = count(random); i > 0; --i) {
          const bool away = random() % 20 == 0;
          story.add({.key = name,
                     .ip = away ? "198.18.0.9" : "192.0.2." + std::to_string(random() % 30),
                     .geo = away ? "AT" : "DE",
                     .asn = away ? 64502 : 64500,
                     .status = random() % 30 == 0 ? 429 : 200},
                    hour + 1s * (random() % 3600));
        }
      }
    }
    const AskAnswer answer = story.ask();
    EXPECT_LT(answer.worst(), Judgement::kHigh) << "seed " << seed << "\n" << ask_text(answer);
  }
}

}  // namespace
}  // namespace sallyport::audit
