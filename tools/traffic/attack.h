// SPDX-License-Identifier: Apache-2.0
// The adversary: each attack is drawn along dimensions (network, rate, copied profile, duration,
// hour, kind of victim, age of its baseline, history of travel), its shape only says which ends of
// them it takes. What was drawn stands in the truth, so that a miss can be understood.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "world.h"

namespace sallyport::traffic {

// One attack in the making. The shape's function fills it by the helpers below.
struct Attack {
  World& world;
  const Dice& root;  // of the honest traffic: its habits
  Dice dice;
  std::vector<std::uint16_t>& victims;  // keys that were attacked before: taken last
  Happening truth{};
  std::size_t first_line = 0;  // of world.lines
};

using ShapeFunction = void (*)(Attack& attack);
struct Shape {
  std::string_view name;
  bool needs_all_fields;  // the mission's fields do not show it
  ShapeFunction emit;
};
std::span<const Shape> shapes();

void emit_attacks(World& world, const Dice& root);

// --- Helpers for the shapes.

using KindTest = bool (*)(const Key&);
// A key that passes the test; nothing if there is none.
std::optional<std::uint16_t> pick_victim(Attack& attack, KindTest test);
// A time at which the key has a baseline of days (or, more rarely, of one day), and after which
// `lasts` fits into the log.
Ms pick_time(Attack& attack, const Key& key, Ms lasts);
// The same, within these local hours (may wrap over midnight).
Ms pick_time(Attack& attack, const Key& key, Ms lasts, double hour_from, double hour_until);

// How the thief's requests look: as the victim's, the same models with other sizes, or his own.
enum class Copy { kCopied, kSizes, kOwn };
Copy draw_copy(Attack& attack, double copied);
Profile thief_profile(Attack& attack, const Key& key, Ms time, Copy copy);

enum class Origin {
  kHomeCountryEyeball,
  kHomeCountryDataCenter,
  kAbroadEyeball,
  kAbroadDataCenter
};
Site draw_site(Attack& attack, const Key& key, Origin origin);

struct Run {
  std::uint16_t key;
  Ms from;
  Ms lasts;
  double per_minute_first;  // the rate goes evenly in the logarithm from one to the other
  double per_minute_last;
  Profile profile;
  std::vector<Site> sites{};  // each request from any of them; empty: the key's own place
  Fault fault = Fault::kNone;
  double fault_share = 0;
  bool derived = false;
  std::int64_t lines_max = 12'000;
};
void emit_run(Attack& attack, const Run& run);

// `from`, `until` and addresses follow from the lines; the deadline is the promise, or later where
// the abuse itself is so slow that its `shown`-th line comes later.
void conclude(Attack& attack, std::string_view shape, std::vector<std::string> detectors,
              std::uint16_t key, std::size_t shown = 1);
void dimension(Attack& attack, std::string_view name, std::string_view value);
void dimension(Attack& attack, std::string_view name, double value);

// The names that are right for a key in strange hands.
std::vector<std::string> visitor_names();

// The shapes.
void stolen_abroad(Attack& attack);
void stolen_data_center(Attack& attack);
void stolen_home_country(Attack& attack);
void stolen_from_traveller(Attack& attack);
void stolen_machine_key(Attack& attack);
void hopping_proxies(Attack& attack);
void neighbour_in_cloud(Attack& attack);
void leaked_token(Attack& attack);
void resold_key(Attack& attack);
void slow_ramp(Attack& attack);
void midnight_scraping(Attack& attack);
void token_spike_home(Attack& attack);
void abnormal_outputs(Attack& attack);
void budget_runaway(Attack& attack);
void rate_limit_storm(Attack& attack);
void stuffing_single(Attack& attack);
void stuffing_distributed(Attack& attack);
void stuffing_then_theft(Attack& attack);
void injection_flood(Attack& attack);
void injection_passed(Attack& attack);
void admin_mint(Attack& attack);

}  // namespace sallyport::traffic
