// SPDX-License-Identifier: Apache-2.0
#include "score.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>

#include "base/json_reader.h"
#include "event/event.h"
#include "event/finding.h"

namespace sallyport::traffic {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr hours kGrace{1};       // a finding may come after the attack's last line
constexpr hours kAftermath{48};  // what an attack taught the baselines

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return value ? std::string(value->string().value_or("")) : std::string();
}

std::optional<UtcTime> time_of(const JsonValue& object, std::string_view member) {
  return parse_utc(text_of(object, member));
}

void append_dimensions(std::string& out, const JsonValue& object) {
  const auto dimensions = object.at("dimensions");
  if (!dimensions) return;
  out = "{";
  for (const auto& [name, value] : dimensions->members()) {
    if (out.size() > 1) out += ',';
    out += fmt::format(R"("{}":"{}")", name, value.string().value_or(""));
  }
  out += '}';
}

Result<TruthEvent> truth_event(const JsonValue& object) {
  TruthEvent event;
  const std::string kind = text_of(object, "kind");
  event.attack = kind == "attack";
  event.shape = text_of(object, "shape");
  const auto from = time_of(object, "from");
  const auto until = time_of(object, "until");
  const auto deadline = time_of(object, "deadline");
  if ((!event.attack && kind != "benign") || !from || !until || (event.attack && !deadline)) {
    return fail(Code::kInvalid, "a line of the truth lacks kind, from, until or deadline");
  }
  event.from = *from;
  event.until = *until;
  event.deadline = deadline.value_or(*until);
  event.api_key_id = text_of(object, "api_key_id");
  if (const auto detectors = object.at("detectors")) {
    for (const JsonValue& name : detectors->items()) {
      event.detectors.emplace_back(name.string().value_or(""));
    }
  }
  if (const auto addresses = object.at("ips")) {
    for (const JsonValue& ip : addresses->items()) {
      const auto address = IpAddress::parse(ip.string().value_or(""));
      if (!address) return fail(Code::kInvalid, "the truth has an address that is none");
      event.addresses.push_back(*address);
    }
  }
  append_dimensions(event.dimensions, object);
  return event;
}

// The finding names one of these addresses; IPv6 by its /64, a range by what it holds.
bool names_address(const TruthEvent& event, const std::string& ip) {
  if (ip.empty()) return false;
  std::string range = ip;
  const auto single = IpAddress::parse(ip);
  if (single && !single->is_v4()) range += "/64";
  const auto cidr = Cidr::parse(range);
  if (!cidr) return false;
  return std::ranges::any_of(event.addresses,
                             [&cidr](const IpAddress& address) { return cidr->contains(address); });
}

bool right_name(const TruthEvent& event, const Alarm& alarm) {
  return std::ranges::find(event.detectors, alarm.detector) != event.detectors.end();
}

bool right_place(const TruthEvent& event, const Alarm& alarm) {
  if (alarm.time < event.from || alarm.time > event.until + kGrace) return false;
  if (!event.api_key_id.empty() && alarm.api_key_id == event.api_key_id) return true;
  if (names_address(event, alarm.ip)) return true;
  return event.api_key_id.empty() && alarm.api_key_id.empty() && right_name(event, alarm);
}

bool is_one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// What goes on all the time explains less than what happened that day, and an alarm about a place
// is explained by a change of place.
int rank_of(const TruthEvent& event, const Alarm& alarm, bool own) {
  constexpr std::array<std::string_view, 4> kRoutine = {"nightly_run", "weekly_run", "growth",
                                                        "tethering"};
  constexpr std::array<std::string_view, 8> kPlaces = {
      "travel",      "personal_vpn", "tethering",       "new_household",
      "key_sharing", "migration",    "region_failover", "office_failover"};
  constexpr std::array<std::string_view, 3> kOfPlaces = {"new_country", "new_network",
                                                         "ip_hopping"};
  if (event.shape.starts_with("ordinary_")) return 9;
  if (!own) return 8;
  const bool fits = is_one_of(alarm.detector, kOfPlaces) == is_one_of(event.shape, kPlaces);
  return (is_one_of(event.shape, kRoutine) ? 2 : 0) + (fits ? 0 : 1);
}

// What was going on: first the key's own happenings, of equals the shortest; then those of the
// house; then what kind of key it is.
std::string explain(const std::vector<TruthEvent>& truth, const Alarm& alarm) {
  std::tuple<int, milliseconds, std::string_view> best{10, milliseconds::max(), "unexplained"};
  for (const TruthEvent& event : truth) {
    const bool own = (!event.api_key_id.empty() && event.api_key_id == alarm.api_key_id) ||
                     names_address(event, alarm.ip);
    if (event.attack) {
      const bool after = alarm.time >= event.from && alarm.time <= event.until + kAftermath;
      if (own && after) best = std::min(best, {4, milliseconds::max(), "after_attack"});
      continue;
    }
    if (alarm.time < event.from || alarm.time > event.until + kGrace) continue;
    const bool house = event.api_key_id.empty() && event.addresses.empty();
    if (!own && !house) continue;
    if (house && !alarm.api_key_id.empty() && event.shape != "provider_outage") continue;
    best = std::min(best, {rank_of(event, alarm, own), event.until - event.from, event.shape});
  }
  return std::string(std::get<2>(best));
}

std::string who(const Alarm& alarm) {
  if (!alarm.api_key_id.empty()) return alarm.api_key_id;
  return alarm.ip.empty() ? alarm.detector : alarm.ip;
}

}  // namespace

Result<std::vector<TruthEvent>> read_truth(std::istream& in) {
  std::vector<TruthEvent> truth;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty()) continue;
    const Result<JsonValue> object = JsonValue::parse(line);
    if (!object) return std::unexpected(object.error());
    Result<TruthEvent> event = truth_event(*object);
    if (!event) return std::unexpected(event.error());
    truth.push_back(std::move(*event));
  }
  return truth;
}

Result<std::vector<Alarm>> read_findings(std::istream& in) {
  std::vector<Alarm> alarms;
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty()) continue;
    const Result<JsonValue> object = JsonValue::parse(line);
    if (!object) return std::unexpected(object.error());
    const auto time = time_of(*object, "time_utc");
    const auto severity = parse_severity(text_of(*object, "severity"));
    if (!time || !severity) {
      return fail(Code::kInvalid, "a finding lacks time_utc or severity");
    }
    alarms.push_back({.time = *time,
                      .detector = text_of(*object, "detector"),
                      .high = *severity >= Severity::kHigh,
                      .api_key_id = text_of(*object, "api_key_id"),
                      .ip = text_of(*object, "ip")});
  }
  std::ranges::sort(alarms, {}, [](const Alarm& alarm) {
    return std::tie(alarm.time, alarm.detector, alarm.api_key_id, alarm.ip);
  });
  return alarms;
}

double count_key_days(std::istream& log) {
  constexpr std::string_view kTime = R"({"timestamp_utc":")";
  constexpr std::string_view kKey = R"(Z","api_key_id":")";
  std::unordered_map<std::string, std::pair<std::string, std::string>> days;
  std::string line;
  std::string key;
  while (std::getline(log, line)) {
    const std::size_t key_at = kTime.size() + 23;
    if (line.starts_with(kTime) && line.substr(key_at, kKey.size()) == kKey) {
      const std::size_t begin = key_at + kKey.size();
      key.assign(line, begin, line.find('"', begin) - begin);
    } else {
      const Result<Event> event = parse_event(line);
      if (!event || !event->api_key_id) continue;
      key = *event->api_key_id;
      line = std::string(kTime) + format_utc(event->timestamp_utc);
    }
    auto& [first, last] = days[key];
    last.assign(line, kTime.size(), 10);
    if (first.empty()) first = last;
  }
  double sum = 0;
  for (const auto& [name, span] : days) {
    const auto first = parse_utc(span.first);
    const auto last = parse_utc(span.second);
    if (first && last) sum += static_cast<double>((*last - *first) / hours(24)) + 1;
  }
  return sum;
}

Score score(const std::vector<TruthEvent>& truth, const std::vector<Alarm>& alarms,
            double key_days) {
  Score result;
  result.key_days = key_days;
  result.findings = static_cast<std::int64_t>(alarms.size());
  std::ranges::copy_if(truth, std::back_inserter(result.attacks), &TruthEvent::attack);
  result.caught.resize(result.attacks.size());
  std::set<std::pair<std::string, hours>> counted;
  for (const Alarm& alarm : alarms) {
    bool placed = false;
    for (std::size_t i = 0; i < result.attacks.size(); ++i) {
      const TruthEvent& attack = result.attacks[i];
      Caught& caught = result.caught[i];
      if (!right_place(attack, alarm)) continue;
      placed = true;
      if (!right_name(attack, alarm)) {
        caught.other_name |= alarm.high;
      } else if (!alarm.high) {
        caught.below_high = true;
      } else if (!caught.after_ms) {
        caught.after_ms = (alarm.time - attack.from).count();
        caught.detector = alarm.detector;
        caught.in_time = alarm.time <= attack.deadline;
        caught.right_ip = names_address(attack, alarm.ip);
      }
    }
    if (placed || !alarm.high) continue;
    const auto hour = std::chrono::floor<hours>(alarm.time.time_since_epoch());
    if (!counted.insert({who(alarm), hour}).second) continue;
    result.false_alarms.push_back({alarm, explain(truth, alarm)});
  }
  return result;
}

}  // namespace sallyport::traffic
