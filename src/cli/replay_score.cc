// SPDX-License-Identifier: Apache-2.0
#include "cli/replay_score.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/json_reader.h"
#include "base/json_writer.h"

namespace sallyport::cli {
namespace {

// An attack that is over still has its alarm told a while after: windows end later than it does.
constexpr std::chrono::hours kAfter{1};

std::int64_t hour_of(UtcTime time) { return time.time_since_epoch().count() / 3'600'000; }

std::optional<UtcTime> time_of(const JsonValue& line, std::string_view member) {
  const auto value = line.at(member);
  const auto text = value ? value->string() : std::nullopt;
  return text ? parse_utc(*text) : std::nullopt;
}

void strings_of(const JsonValue& line, std::string_view member, auto&& add) {
  const auto list = line.at(member);
  if (!list || !list->is_array()) return;
  for (const JsonValue& item : list->items()) {
    if (const auto text = item.string()) add(std::string(*text));
  }
}

std::string text_of(const JsonValue& line, std::string_view member) {
  const auto value = line.at(member);
  return value ? std::string(value->string().value_or("")) : std::string();
}

Result<Truth> read_truth(std::string_view line) {
  const auto parsed = JsonValue::parse(line);
  if (!parsed || !parsed->is_object()) return fail(Code::kInvalid, "not a JSON object");
  Truth truth;
  const std::string kind = text_of(*parsed, "kind");
  if (kind != "attack" && kind != "benign") {
    return fail(Code::kInvalid, "kind must be attack or benign");
  }
  truth.attack = kind == "attack";
  truth.shape = text_of(*parsed, "shape");
  truth.api_key_id = text_of(*parsed, "api_key_id");
  strings_of(*parsed, "detectors", [&](std::string s) { truth.detectors.push_back(std::move(s)); });
  strings_of(*parsed, "ips", [&](std::string s) { truth.ips.insert(std::move(s)); });
  const auto from = time_of(*parsed, "from"), until = time_of(*parsed, "until");
  if (!from || !until) return fail(Code::kInvalid, "from and until must be times");
  truth.from = *from;
  truth.until = *until;
  truth.deadline = time_of(*parsed, "deadline").value_or(*until);
  return truth;
}

bool about(const Truth& truth, const Event& finding, UtcTime end) {
  if (finding.timestamp_utc < truth.from || finding.timestamp_utc > end) return false;
  if (!truth.api_key_id.empty() && finding.api_key_id == truth.api_key_id) return true;
  if (truth.ips.contains(finding.ip)) return true;
  return truth.api_key_id.empty() && truth.ips.empty();
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

}  // namespace

Result<ReplayScore> ReplayScore::load(std::string_view text) {
  ReplayScore score;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    ++number;
    if (line.empty()) continue;
    auto truth = read_truth(line);
    if (!truth) {
      return fail(Code::kInvalid, fmt::format("line {}: {}", number, truth.error().what));
    }
    score.truths_.push_back(std::move(*truth));
  }
  return score;
}

void ReplayScore::saw(const Event& event) {
  if (!event.api_key_id) return;
  const std::int64_t day = hour_of(event.timestamp_utc) / 24;
  if (day == last_day_ && *event.api_key_id == last_key_) return;
  last_day_ = day;
  last_key_ = *event.api_key_id;
  key_days_.emplace(last_key_, day);
}

void ReplayScore::told(const Event& finding) {
  if (finding.finding->severity < Severity::kHigh) return;
  bool explained = false;
  for (Truth& truth : truths_) {
    if (!truth.attack) continue;
    const UtcTime end = std::max(truth.until, truth.deadline) + kAfter;
    if (!about(truth, finding, end)) continue;
    explained = true;
    if (truth.found == UtcTime()) truth.found = finding.timestamp_utc;
    truth.named = truth.named || std::ranges::find(truth.detectors, finding.finding->detector) !=
                                     truth.detectors.end();
  }
  if (explained) return;
  const std::string subject = finding.api_key_id.value_or(finding.ip);
  if (!false_alarms_.emplace(subject, hour_of(finding.timestamp_utc)).second) return;
  ++false_by_detector_[finding.finding->detector];
  for (const Truth& truth : truths_) {
    if (truth.attack || !about(truth, finding, truth.until + kAfter)) continue;
    ++false_by_benign_[truth.shape];
    return;
  }
  ++false_by_benign_["unlabelled"];
}

std::map<std::string, ReplayScore::Totals> ReplayScore::by_shape() const {
  std::map<std::string, Totals> shapes;
  for (const Truth& truth : truths_) {
    if (!truth.attack) continue;
    for (Totals* totals : {&shapes[truth.shape], &shapes["all"]}) {
      ++totals->attacks;
      if (truth.found == UtcTime()) continue;
      ++totals->caught;
      totals->in_time += truth.found <= truth.deadline ? 1 : 0;
      totals->named += truth.named ? 1 : 0;
      totals->seconds.push_back(std::chrono::duration<double>(truth.found - truth.from).count());
    }
  }
  return shapes;
}

double ReplayScore::per_100_key_days(std::size_t count) const {
  return key_days_.empty()
             ? 0
             : 100.0 * static_cast<double>(count) / static_cast<double>(key_days_.size());
}

bool ReplayScore::has_missed() const {
  return std::ranges::any_of(truths_, [](const Truth& truth) {
    return truth.attack && (truth.found == UtcTime() || truth.found > truth.deadline);
  });
}

std::string ReplayScore::text() const {
  std::string out = fmt::format("{:<36} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9}\n", "shape", "attacks",
                                "in time", "caught", "named", "p50 s", "p90 s");
  for (const auto& [shape, t] : by_shape()) {
    out += fmt::format("{:<36} {:>7} {:>7} {:>7} {:>7} {:>9.0f} {:>9.0f}\n", shape, t.attacks,
                       t.in_time, t.caught, t.named, quantile(t.seconds, 0.5),
                       quantile(t.seconds, 0.9));
  }
  out += fmt::format("false high alarms: {} in {} key-days, {:.2f} per 100\n", false_alarms_.size(),
                     key_days_.size(), per_100_key_days(false_alarms_.size()));
  for (const auto& [name, count] : false_by_detector_) out += fmt::format("  {} {}\n", name, count);
  for (const auto& [name, count] : false_by_benign_)
    out += fmt::format("  on {} {}\n", name, count);
  for (const Truth& truth : truths_) {
    const bool late = truth.found != UtcTime() && truth.found > truth.deadline;
    if (!truth.attack || (truth.found != UtcTime() && !late)) continue;
    out += fmt::format("  {} {} {} from {}\n", late ? "late:" : "missed:", truth.shape,
                       truth.api_key_id, format_utc(truth.from));
  }
  return out;
}

std::string ReplayScore::json() const {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("shapes").begin_object();
  for (const auto& [shape, t] : by_shape()) {
    json.key(shape).begin_object().field("attacks", t.attacks).field("in_time", t.in_time);
    json.field("caught", t.caught).field("named", t.named);
    json.field("seconds_p50", quantile(t.seconds, 0.5));
    json.field("seconds_p90", quantile(t.seconds, 0.9)).end_object();
  }
  json.end_object().field("key_days", static_cast<std::uint64_t>(key_days_.size()));
  json.field("false_alarms", static_cast<std::uint64_t>(false_alarms_.size()));
  json.field("false_alarms_per_100_key_days", per_100_key_days(false_alarms_.size()));
  json.key("false_by_detector").begin_object();
  for (const auto& [name, count] : false_by_detector_) json.field(name, count);
  json.end_object().key("false_by_benign").begin_object();
  for (const auto& [name, count] : false_by_benign_) json.field(name, count);
  json.end_object().end_object();
  return out;
}

}  // namespace sallyport::cli
