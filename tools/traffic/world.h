// SPDX-License-Identifier: Apache-2.0
// What a log is made of: keys with their habits, what happens to them in two weeks, the lines, and
// the truth about which of them are an attack.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dice.h"
#include "networks.h"
#include "vocabulary.h"

namespace sallyport::traffic {

using Ms = std::int64_t;  // milliseconds since 1970, UTC
inline constexpr Ms kSecond = 1000;
inline constexpr Ms kMinute = 60 * kSecond;
inline constexpr Ms kHour = 60 * kMinute;
inline constexpr Ms kDay = 24 * kHour;
inline constexpr Ms kPromise = 5 * kMinute;  // the mission's answer time
inline constexpr std::uint16_t kNoKey = 0xFFFF;

enum class Style : std::uint8_t { kHarsh, kCalm };
enum class Fields : std::uint8_t { kMission, kAll };

struct Options {
  std::uint64_t seed = 1;
  Style style = Style::kHarsh;
  Fields fields = Fields::kAll;
  int days = 14;
  int keys = 34;
  int attacks = 18;
  double volume = 1;  // of honest traffic: tests take less
  bool intents = false;
  std::vector<std::string> shapes;    // only these; empty: all
  std::vector<std::string> excluded;  // none of these
};

enum class LineKind : std::uint8_t { kRequest, kIntent, kMint };
enum class Verdict : std::uint8_t { kNone, kPass, kAlert, kBlock };

struct Line {
  Ms time = 0;
  Address address;
  std::int32_t tokens_input = -1;  // -1: null
  std::int32_t tokens_output = -1;
  std::int32_t tokens_cached = 0;
  std::int32_t latency_ms = 0;
  std::uint16_t key = kNoKey;
  std::uint16_t claimed =
      kNoKey;  // of a 401: the key whose kid was shown; none: a kid nobody knows
  std::uint16_t model = kNoModel;
  NetworkIndex network = 0;
  Endpoint endpoint = Endpoint::kChat;
  Fault fault = Fault::kNone;
  std::uint8_t module = 0;
  std::uint8_t purpose = 0;
  LineKind kind = LineKind::kRequest;
  Verdict verdict = Verdict::kNone;
  std::uint8_t score_percent = 0;  // of the injection score
  bool derived = false;            // a token derived from the key
  bool repetition = false;         // the output check found the answer meaningless
  bool stream = false;
};

// What requests look like.
struct Profile {
  std::vector<std::uint16_t> models;
  std::vector<double> model_weights;
  std::vector<std::pair<std::uint8_t, std::uint8_t>> uses;  // module, purpose
  Endpoint endpoint = Endpoint::kChat;
  double input_median = 800;
  double input_sd = 0.8;  // of the logarithm
  double output_median = 250;
  double output_sd = 0.6;
  double cached_share = 0;
  double stream_share = 0;
  double long_share = 0;  // of requests with a whole document, or a whole report as the answer
};

enum class AddressHabit : std::uint8_t {
  kFixed,  // one of `addresses`
  kDaily,  // a new one of the network each day
  kAny,    // any of the network, each burst another
};

// A place that a key is used from.
struct Site {
  NetworkIndex network = 0;
  AddressHabit habit = AddressHabit::kFixed;
  std::vector<Address> addresses;
};

enum class KeyKind : std::uint8_t {
  kService,
  kTeam,
  kDeveloper,
  kCi,
  kCron,
  kNightly,
  kWeekly,
  kShared
};
std::string_view name(KeyKind kind);
inline bool is_person(KeyKind kind) { return kind == KeyKind::kDeveloper; }

// Between the two times the rate is multiplied; it goes evenly (in the logarithm) from one factor
// to the other.
struct Surge {
  Ms from;
  Ms until;
  double factor_from;
  double factor_until;
};

// Between the two times a share of the traffic comes from these places instead.
struct Move {
  Ms from;
  Ms until;
  double share_from;
  double share_until;
  std::vector<Site> sites;
  bool by_session;  // people: whole sessions move; machines: single requests
  int utc_offset_h = kOwnClock;
  static constexpr int kOwnClock = 99;  // the hours stay those of home
};

// Work that has no place in the week: so many requests an hour more.
struct Extra {
  Ms from;
  Ms until;
  double per_hour;
};

struct Change {
  Ms from;
  Profile profile;
};

struct Key {
  std::string id;
  KeyKind kind = KeyKind::kService;
  std::string_view country;
  int utc_offset_h = 0;
  Ms begins = 0;
  Ms first_seen = 0;        // its first honest request; 0: there was none
  double per_hour = 10;     // in a full hour
  double burst = 1;         // mean requests of one piece of work
  Ms burst_gap = kSecond;   // mean time between them
  double noise_shape = 20;  // of the hour's gamma noise
  double weekend = 1;       // share of a weekday's rate
  double night = 0.3;       // share of the day's rate, of services
  double starts_h = 9;      // local hour when its day or its job begins
  double lasts_h = 9;
  double fault_share = 0.01;
  Profile profile;
  std::vector<Site> sites;  // the first is the main one
  double second_share = 0;  // of sessions at the second site
  std::vector<Surge> surges;
  std::vector<Extra> extras;
  std::vector<Move> moves;
  std::vector<Change> changes;
  int travels = 0;
};

// One line of the truth file.
struct Happening {
  bool attack = false;
  std::string shape{};
  std::vector<std::string> detectors{};
  Ms from = 0;
  Ms until = 0;
  Ms deadline = 0;
  std::uint16_t key = kNoKey;
  std::vector<Address> addresses{};
  std::map<std::string, std::string> dimensions{};  // of an attack: how it was drawn
};

struct Office {
  std::string_view country;
  Site site;
};

struct World {
  Options options;
  Ms start = 0;  // midnight UTC
  Ms end = 0;
  std::vector<Office> offices;
  std::vector<Site> regions;  // of the clouds that services run in
  std::vector<Key> keys;
  std::vector<Happening> truth;
  std::vector<Line> lines;
};

inline bool harsh(const World& world) { return world.options.style == Style::kHarsh; }
// 0 Monday to 6 Sunday.
inline int weekday(Ms local) { return static_cast<int>((local / kDay + 3) % 7); }
inline double hour_of_day(Ms local) { return static_cast<double>(local % kDay) / kHour; }

}  // namespace sallyport::traffic
