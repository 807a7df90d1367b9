// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>

#include "attack.h"
#include "base/text.h"
#include "event/event.h"
#include "generate.h"
#include "score.h"

namespace sallyport::traffic {
namespace {

Options small(std::uint64_t seed = 2) {
  Options options;
  options.seed = seed;
  options.days = 6;
  options.keys = 16;
  options.attacks = 22;
  options.volume = 0.1;
  return options;
}

std::string log_text(const World& world) {
  std::string out;
  write_log(world, [&out](std::string_view bytes) { out += bytes; });
  return out;
}

std::string sha256(std::string_view text) {
  std::array<unsigned char, 32> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

template <class Each>
void each_line(std::string_view text, Each each) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    each(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
}

TEST(TrafficLog, TheSameSeedGivesTheSameBytes) {
  const World first = generate(small());
  const World second = generate(small());
  EXPECT_EQ(sha256(log_text(first)), sha256(log_text(second)));
  EXPECT_EQ(truth_text(first), truth_text(second));
  EXPECT_NE(sha256(log_text(first)), sha256(log_text(generate(small(3)))));
}

// A change of the generator changes this digest, and every result measured before: say so in the
// commit. A compiler, library or processor must not change it.
TEST(TrafficLog, TheSeedMeansTheSameEverywhere) {
  EXPECT_EQ(sha256(log_text(generate(small()))),
            "d9660936a2c3d3457c784e5e7a3946ef1317d55f1728c0b2e5954046263d1191");
}

TEST(TrafficLog, AttacksDoNotChangeTheHonestTrafficAroundThem) {
  Options quiet = small();
  quiet.attacks = 0;
  const World without = generate(quiet);
  const World with = generate(small());
  std::size_t found = 0;
  for (const Line& line : with.lines) {
    if (found == without.lines.size()) break;
    const Line& honest = without.lines[found];
    if (line.time == honest.time && line.key == honest.key && line.address == honest.address &&
        line.tokens_input == honest.tokens_input) {
      ++found;
    }
  }
  EXPECT_EQ(found, without.lines.size());
  EXPECT_GT(with.lines.size(), without.lines.size());
}

TEST(TrafficLog, EachLineIsValidAndTimeNeverGoesBack) {
  for (const Fields fields : {Fields::kAll, Fields::kMission}) {
    Options options = small();
    options.fields = fields;
    options.intents = fields == Fields::kAll;
    const std::string text = log_text(generate(options));
    UtcTime last{};
    std::set<std::string> kids;
    std::int64_t intents = 0;
    each_line(text, [&](std::string_view line) {
      const Result<Event> event = parse_event(line);
      ASSERT_TRUE(event.has_value()) << line << event.error().what;
      ASSERT_GE(event->timestamp_utc, last) << line;
      last = event->timestamp_utc;
      ASSERT_TRUE(IpAddress::parse(event->ip)) << line;
      ASSERT_TRUE(event->geo && event->geo->size() == 2) << line;
      if (event->status == 401) {
        ASSERT_FALSE(event->api_key_id) << line;
      }
      if (event->kind == Kind::kIntent) ++intents;
      if (event->kid) kids.insert(*event->kid);
      if (fields == Fields::kMission) ASSERT_EQ(line.find("\"kind\""), line.npos) << line;
    });
    if (fields == Fields::kMission) continue;
    EXPECT_GT(intents, 1'000);
    EXPECT_GT(kids.size(), 16U * 4U) << "credentials change every eight hours";
  }
}

// What our writer writes is what the gateway itself would write of the same event.
TEST(TrafficLog, FieldsStandInTheOrderOfTheJournal) {
  const std::string text = log_text(generate(small()));
  int seen = 0;
  each_line(text, [&seen](std::string_view line) {
    if (++seen % 97 != 0) return;
    const Result<Event> event = parse_event(line);
    ASSERT_TRUE(event.has_value());
    std::string again;
    append_event(again, *event);
    EXPECT_EQ(again, line);
  });
}

TEST(TrafficLog, TheTruthSpeaksOfLinesThatExist) {
  const World world = generate(small());
  std::istringstream in(truth_text(world));
  const auto truth = read_truth(in);
  ASSERT_TRUE(truth.has_value()) << truth.error().what;
  std::unordered_map<std::string, std::size_t> keys;
  for (std::size_t i = 0; i < world.keys.size(); ++i) keys[world.keys[i].id] = i;
  std::set<std::string> told;
  for (const TruthEvent& event : *truth) {
    EXPECT_LE(event.from, event.until) << event.shape;
    if (!event.attack) continue;
    told.insert(event.shape);
    EXPECT_GE(event.deadline, event.from + std::chrono::minutes(5)) << event.shape;
    EXPECT_FALSE(event.detectors.empty()) << event.shape;
    EXPECT_FALSE(event.addresses.empty()) << event.shape;
    std::set<IpAddress> left(event.addresses.begin(), event.addresses.end());
    bool first = false;
    for (const Line& line : world.lines) {
      const UtcTime time{std::chrono::milliseconds(line.time)};
      if (time < event.from || time > event.until) continue;
      const auto address = IpAddress::parse(text(line.address));
      if (!event.api_key_id.empty()) {
        ASSERT_TRUE(keys.contains(event.api_key_id));
        if (line.fault != Fault::kInvalidKey && line.key != keys[event.api_key_id]) continue;
      }
      first |= time == event.from && left.contains(*address);
      left.erase(*address);
    }
    EXPECT_TRUE(first) << event.shape;
    EXPECT_TRUE(left.empty()) << event.shape << ": " << left.size() << " addresses never came";
  }
  EXPECT_EQ(told.size(), shapes().size()) << "22 attacks take each shape at least once";
}

TEST(TrafficLog, ShapesCanBeChosenAndLeftOut) {
  Options options = small();
  options.shapes = {"hopping_proxies", "stuffing_single"};
  for (const Happening& happening : generate(options).truth) {
    if (!happening.attack) continue;
    EXPECT_TRUE(happening.shape == "hopping_proxies" || happening.shape == "stuffing_single");
  }
  options.shapes.clear();
  options.excluded = {"slow_ramp"};
  for (const Happening& happening : generate(options).truth) {
    EXPECT_NE(happening.shape, "slow_ramp");
  }
}

// The two rates that the whole population hangs on.
TEST(Dice, DistributionsHaveTheirMeans) {
  Dice dice(3);
  double gamma = 0;
  double poisson = 0;
  double normal = 0;
  double exponential = 0;
  constexpr int kCount = 20'000;
  for (int i = 0; i < kCount; ++i) {
    gamma += dice.noise(5);
    poisson += static_cast<double>(dice.poisson(3));
    normal += dice.normal();
    exponential += dice.exponential(2);
  }
  EXPECT_NEAR(gamma / kCount, 1, 0.02);
  EXPECT_NEAR(poisson / kCount, 3, 0.06);
  EXPECT_NEAR(normal / kCount, 0, 0.03);
  EXPECT_NEAR(exponential / kCount, 2, 0.06);
  EXPECT_NEAR(exact_exp(1), 2.718281828459045, 1e-15);
  EXPECT_NEAR(exact_log(10), 2.302585092994046, 1e-15);
}

// --- The score, on a case made by hand.

constexpr std::string_view kTruth =
    R"({"kind":"attack","shape":"stolen_abroad","detectors":["new_country"],"from":"2026-01-05T10:00:00.000Z","until":"2026-01-05T11:00:00.000Z","deadline":"2026-01-05T10:05:00.000Z","api_key_id":"a","ips":["203.0.113.7"]}
{"kind":"attack","shape":"stuffing_single","detectors":["credential_stuffing"],"from":"2026-01-05T12:00:00.000Z","until":"2026-01-05T12:30:00.000Z","deadline":"2026-01-05T12:05:00.000Z","ips":["2001:db8::1"]}
{"kind":"benign","shape":"ordinary_service","detectors":[],"from":"2026-01-01T00:00:00.000Z","until":"2026-01-15T00:00:00.000Z","api_key_id":"b"}
{"kind":"benign","shape":"launch","detectors":[],"from":"2026-01-06T00:00:00.000Z","until":"2026-01-07T00:00:00.000Z","api_key_id":"b"}
)";

struct Case {
  const char* why;
  std::string_view findings;  // time|detector|severity|key|ip, separated by blanks
  int in_time;
  int caught;
  int other_name;
  int false_alarms;
  std::string_view benign;
};

const Case kCases[] = {
    {"silence catches nothing", "", 0, 0, 0, 0, ""},
    {"the key within five minutes", "05T10:04:59|new_country|high|a|", 1, 1, 0, 0, ""},
    {"the address instead of the key", "05T10:01:00|new_country|critical||203.0.113.7", 1, 1, 0, 0,
     ""},
    {"late is caught, not in time", "05T10:05:01|new_country|high|a|", 0, 1, 0, 0, ""},
    {"an hour after its end is still its own", "05T11:59:00|new_country|high|a|", 0, 1, 0, 0, ""},
    {"medium does not act", "05T10:01:00|new_country|medium|a|", 0, 0, 0, 0, ""},
    {"another name is neither", "05T10:01:00|error_surge|high|a|", 0, 0, 1, 0, ""},
    {"before it began it is false", "05T09:59:59|new_country|high|a|", 0, 0, 0, 1, "unexplained"},
    {"long after it is false and tells why", "05T14:00:00|new_country|high|a|", 0, 0, 0, 1,
     "after_attack"},
    {"IPv6 counts by its /64", "05T12:01:00|credential_stuffing|high||2001:db8::9", 1, 1, 0, 0, ""},
    {"a range holds its addresses", "05T12:01:00|credential_stuffing|high||2001:db8::/48", 1, 1, 0,
     0, ""},
    {"without a key the name is enough", "05T12:01:00|credential_stuffing|high||", 1, 1, 0, 0, ""},
    {"a key that has nothing to do with it", "05T12:01:00|credential_stuffing|high|b|", 0, 0, 0, 1,
     "ordinary_service"},
    {"the benign happening gives its name", "06T10:00:00|token_spike|high|b|", 0, 0, 0, 1,
     "launch"},
    {"once for each key and hour",
     "06T10:00:00|token_spike|high|b| 06T10:59:59|new_country|high|b| "
     "06T11:00:00|token_spike|high|b|",
     0, 0, 0, 2, "launch"},
};

std::string findings_json(std::string_view brief) {
  std::string out;
  std::istringstream words{std::string(brief)};
  std::string word;
  while (words >> word) {
    std::vector<std::string> parts(1);
    for (const char c : word) {
      if (c == '|') {
        parts.emplace_back();
      } else {
        parts.back() += c;
      }
    }
    out += R"({"time_utc":"2026-01-)" + parts[0] + R"(Z","detector":")" + parts[1] +
           R"(","severity":")" + parts[2] + R"(","api_key_id":)" +
           (parts[3].empty() ? "null" : '"' + parts[3] + '"') + R"(,"ip":)" +
           (parts[4].empty() ? "null" : '"' + parts[4] + '"') + "}\n";
  }
  return out;
}

TEST(TrafficScore, CountsWhatTheTableSays) {
  std::istringstream truth_lines{std::string(kTruth)};
  const auto truth = read_truth(truth_lines);
  ASSERT_TRUE(truth.has_value());
  for (const Case& c : kCases) {
    std::istringstream lines(findings_json(c.findings));
    const auto alarms = read_findings(lines);
    ASSERT_TRUE(alarms.has_value()) << c.why;
    const Score got = score(*truth, *alarms, 28);
    const auto count = [&got](auto test) { return std::ranges::count_if(got.caught, test); };
    EXPECT_EQ(count([](const Caught& x) { return x.in_time; }), c.in_time) << c.why;
    EXPECT_EQ(count([](const Caught& x) { return x.after_ms.has_value(); }), c.caught) << c.why;
    EXPECT_EQ(count([](const Caught& x) { return x.other_name; }), c.other_name) << c.why;
    ASSERT_EQ(got.false_alarms.size(), static_cast<std::size_t>(c.false_alarms)) << c.why;
    if (c.false_alarms > 0) {
      EXPECT_EQ(got.false_alarms[0].benign, c.benign) << c.why;
    }
  }
}

TEST(TrafficScore, KeyDaysAreTheDaysFromFirstToLastLine) {
  std::istringstream log(
      R"({"timestamp_utc":"2026-01-05T23:59:59.000Z","api_key_id":"a","endpoint":"x"}
{"timestamp_utc":"2026-01-06T00:00:01.000Z","api_key_id":null,"endpoint":"x"}
{"timestamp_utc":"2026-01-06T00:00:01.000Z","api_key_id":"b","endpoint":"x"}
{"timestamp_utc":"2026-01-08T00:00:01.000Z","api_key_id":"a","endpoint":"x"}
)");
  EXPECT_EQ(count_key_days(log), 5);
}

TEST(TrafficScore, ReportsSayHowManyAndWhen) {
  std::istringstream truth_lines{std::string(kTruth)};
  const auto truth = read_truth(truth_lines);
  std::istringstream lines(
      findings_json("05T10:00:30|new_country|high|a| 06T10:00:00|token_spike|high|b|"));
  const Score got = score(*truth, *read_findings(lines), 50);
  EXPECT_TRUE(score_json(got).contains(
      R"({"attacks":2,"in_time":1,"caught":1,"right_ip":0,"other_name":0,"below_high":0,"p50_s":30)"));
  EXPECT_TRUE(score_json(got).contains(R"("per_100_key_days":2)")) << score_json(got);
  EXPECT_TRUE(score_table(got).contains("2.00 per 100 key-days")) << score_table(got);
}

TEST(TrafficScore, WhatIsNoFindingIsAnError) {
  std::istringstream no_time(R"({"detector":"token_spike","severity":"high"})");
  EXPECT_FALSE(read_findings(no_time).has_value());
  std::istringstream no_kind(R"({"shape":"x"})");
  EXPECT_FALSE(read_truth(no_kind).has_value());
}

}  // namespace
}  // namespace sallyport::traffic
