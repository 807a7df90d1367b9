// SPDX-License-Identifier: Apache-2.0
// A small, exact life of one key for tests: an office in Berlin, weekdays and weekends alike, eight
// hours a day, a request every two minutes.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "detect/finding_line.h"
#include "detect/watch.h"

namespace sallyport::detect {

inline const UtcTime kBegin = *parse_utc("2026-03-02T00:00:00Z");  // a Monday

struct Call {
  std::string ip = "192.0.2.10";
  std::string geo = "DE";
  std::int64_t asn = 3320;
  std::string model = "gpt-5";
  std::int64_t input = 400, output = 200;
  int status = 200;
};

inline std::vector<Event> calls(const std::string& key, UtcTime from, int count,
                                std::chrono::milliseconds every, const Call& call) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    Event event;
    event.timestamp_utc = from + i * every;
    event.api_key_id = key;
    event.endpoint = "POST /v1/chat/completions";
    event.model = call.model;
    event.latency_ms = 700 + i % 200;
    if (call.status < 400) {
      event.tokens_input = call.input + i % 50;
      event.tokens_output = call.output + (i * 7) % 60;
    }
    event.ip = call.ip;
    event.geo = call.geo;
    event.asn = call.asn;
    event.status = call.status;
    event.module = "billing";
    event.purpose = "support";
    events.push_back(std::move(event));
  }
  return events;
}

inline std::vector<Event> refused(UtcTime from, int count, std::chrono::milliseconds every,
                                  const std::function<std::string(int)>& ip) {
  std::vector<Event> events;
  for (int i = 0; i < count; ++i) {
    Event event;
    event.timestamp_utc = from + i * every;
    event.endpoint = "POST /v1/chat/completions";
    event.ip = ip(i);
    event.status = 401;
    event.error = "invalid_api_key";
    events.push_back(std::move(event));
  }
  return events;
}

inline void merge(std::vector<Event>& life, const std::vector<Event>& more) {
  std::vector<Event> both;
  both.reserve(life.size() + more.size());
  std::ranges::merge(life, more, std::back_inserter(both), {}, &Event::timestamp_utc,
                     &Event::timestamp_utc);
  life = std::move(both);
}

// Whole days from kBegin, and the morning of the last one until noon.
inline std::vector<Event> ordinary_days(int days) {
  std::vector<Event> life;
  for (int day = 0; day <= days; ++day) {
    const int count = (day == days ? 120 : 240) - day * 7 % 30;
    const auto from =
        kBegin + std::chrono::hours(24 * day + 8) + std::chrono::seconds(day * 37 % 300);
    const auto today = calls("app", from, count, std::chrono::seconds(120), {});
    life.insert(life.end(), today.begin(), today.end());
  }
  return life;
}

// Findings alone.
inline std::vector<Event> tell(Watch& watch, const std::vector<Event>& events) {
  std::vector<Event> out;
  for (const Event& event : events) watch.observe(event, out);
  std::erase_if(out, [](const Event& event) { return event.kind != Kind::kFinding; });
  return out;
}

inline std::string lines_of(const std::vector<Event>& findings) {
  std::string lines;
  for (const Event& finding : findings) append_finding_line(lines, finding);
  return lines;
}

}  // namespace sallyport::detect
