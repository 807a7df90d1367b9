// SPDX-License-Identifier: Apache-2.0
// The score as a table for people and as JSON for sums over many logs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/json_writer.h"
#include "score.h"

namespace sallyport::traffic {
namespace {

struct Sums {
  std::int64_t attacks = 0;
  std::int64_t in_time = 0;
  std::int64_t caught = 0;
  std::int64_t right_ip = 0;    // of those caught
  std::int64_t other_name = 0;  // of those not caught
  std::int64_t below_high = 0;  // of those not caught
  std::vector<std::int64_t> after_ms;
};

void add(Sums& sums, const Caught& caught) {
  ++sums.attacks;
  if (caught.in_time) ++sums.in_time;
  if (caught.after_ms) {
    ++sums.caught;
    if (caught.right_ip) ++sums.right_ip;
    sums.after_ms.push_back(*caught.after_ms);
    return;
  }
  if (caught.other_name) ++sums.other_name;
  if (caught.below_high) ++sums.below_high;
}

// Nearest rank; the list is not empty.
double seconds_at(std::vector<std::int64_t> after_ms, double share) {
  std::ranges::sort(after_ms);
  const double rank = std::ceil(share * static_cast<double>(after_ms.size()));
  return static_cast<double>(after_ms[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]) / 1'000;
}

struct Summary {
  Sums all;
  std::map<std::string, Sums> shapes;
  std::map<std::string, std::int64_t> detectors;
  std::map<std::string, std::int64_t> benign;
  double per_100_key_days = 0;
};

Summary sum_up(const Score& score) {
  Summary summary;
  for (std::size_t i = 0; i < score.attacks.size(); ++i) {
    add(summary.all, score.caught[i]);
    add(summary.shapes[score.attacks[i].shape], score.caught[i]);
  }
  for (const FalseAlarm& alarm : score.false_alarms) {
    ++summary.detectors[alarm.alarm.detector];
    ++summary.benign[alarm.benign];
  }
  if (score.key_days > 0) {
    summary.per_100_key_days =
        100 * static_cast<double>(score.false_alarms.size()) / score.key_days;
  }
  return summary;
}

std::string row(std::string_view name, const Sums& sums) {
  const std::string times = sums.after_ms.empty()
                                ? fmt::format("{:>9}{:>9}", "-", "-")
                                : fmt::format("{:>9.0f}{:>9.0f}", seconds_at(sums.after_ms, 0.5),
                                              seconds_at(sums.after_ms, 0.9));
  return fmt::format("{:<24}{:>8}{:>9}{:>8}{}{:>7}{:>7}{:>8}\n", name, sums.attacks, sums.in_time,
                     sums.caught, times, sums.right_ip, sums.other_name, sums.below_high);
}

void append_sums(JsonWriter& json, const Sums& sums) {
  json.field("attacks", sums.attacks).field("in_time", sums.in_time).field("caught", sums.caught);
  json.field("right_ip", sums.right_ip)
      .field("other_name", sums.other_name)
      .field("below_high", sums.below_high);
  if (sums.after_ms.empty()) return;
  json.field("p50_s", seconds_at(sums.after_ms, 0.5))
      .field("p90_s", seconds_at(sums.after_ms, 0.9));
}

void append_counts(JsonWriter& json, std::string_view name,
                   const std::map<std::string, std::int64_t>& counts) {
  json.key(name).begin_object();
  for (const auto& [what, count] : counts) json.field(what, count);
  json.end_object();
}

void append_attack(JsonWriter& json, const TruthEvent& attack, const Caught& caught) {
  json.begin_object().field("shape", attack.shape).field("from", format_utc(attack.from));
  json.field("api_key_id", attack.api_key_id).field("in_time", caught.in_time);
  json.key("after_s");
  if (caught.after_ms) {
    json.value(static_cast<double>(*caught.after_ms) / 1'000);
  } else {
    json.null();
  }
  json.field("detector", caught.detector).field("right_ip", caught.right_ip);
  json.field("other_name", caught.other_name);
  json.field("below_high", caught.below_high).key("dimensions").raw(attack.dimensions).end_object();
}

}  // namespace

std::string score_table(const Score& score) {
  const Summary summary = sum_up(score);
  std::string out =
      fmt::format("{:<24}{:>8}{:>9}{:>8}{:>9}{:>9}{:>7}{:>7}{:>8}\n", "shape", "attacks", "in time",
                  "caught", "p50 s", "p90 s", "ip", "other", "medium");
  for (const auto& [shape, sums] : summary.shapes) out += row(shape, sums);
  out += row("all", summary.all);
  out += fmt::format("\nfalse high alarms: {} in {:.0f} key-days, {:.2f} per 100 key-days\n",
                     score.false_alarms.size(), score.key_days, summary.per_100_key_days);
  for (const auto& [detector, count] : summary.detectors) {
    out += fmt::format("  by {:<28}{:>6}\n", detector, count);
  }
  for (const auto& [benign, count] : summary.benign) {
    out += fmt::format("  at {:<28}{:>6}\n", benign, count);
  }
  return out;
}

std::string score_json(const Score& score) {
  const Summary summary = sum_up(score);
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  append_sums(json, summary.all);
  json.field("findings", score.findings).field("key_days", score.key_days);
  json.field("false_high", static_cast<std::int64_t>(score.false_alarms.size()));
  json.field("per_100_key_days", summary.per_100_key_days);
  json.key("shapes").begin_object();
  for (const auto& [shape, sums] : summary.shapes) {
    json.key(shape).begin_object();
    append_sums(json, sums);
    json.end_object();
  }
  json.end_object();
  append_counts(json, "false_by_detector", summary.detectors);
  append_counts(json, "false_by_benign", summary.benign);
  json.key("each").begin_array();
  for (std::size_t i = 0; i < score.attacks.size(); ++i) {
    append_attack(json, score.attacks[i], score.caught[i]);
  }
  json.end_array().key("false_each").begin_array();
  for (const FalseAlarm& alarm : score.false_alarms) {
    json.begin_object().field("time_utc", format_utc(alarm.alarm.time));
    json.field("detector", alarm.alarm.detector).field("api_key_id", alarm.alarm.api_key_id);
    json.field("ip", alarm.alarm.ip).field("benign", alarm.benign).end_object();
  }
  json.end_array().end_object();
  out += '\n';
  return out;
}

}  // namespace sallyport::traffic
