// SPDX-License-Identifier: Apache-2.0
// For tests: a log on a disk in memory, out of events.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "audit/line.h"
#include "audit/memory_disk.h"
#include "audit/segment.h"
#include "event/event.h"

namespace sallyport::audit {

// Segments of `per_segment` records below /j; afterwards `events` are what the lines say.
inline void put_log(MemoryDisk& disk, std::vector<Event>& events, std::size_t per_segment) {
  for (std::size_t first = 0; first < events.size(); first += per_segment) {
    std::string bytes;
    for (std::size_t i = first; i < std::min(events.size(), first + per_segment); ++i) {
      std::string line;
      append_event_open(line, events[i]);
      close_line(line, 0, {.seq = i + 1, .synced = {}});
      bytes += line + "\n";
      events[i] = *parse_event(line);
    }
    disk.put("/j/seg/" + segment_name(first + 1), bytes);
  }
}

// Anything goes, from few words, so that conditions meet something. Time never goes back.
inline std::vector<Event> random_events(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const auto maybe = [&](std::string word, std::uint64_t n) -> std::optional<std::string> {
    if (below(4) == 0) return std::nullopt;
    return word + std::to_string(below(n));
  };
  std::vector<Event> events;
  UtcTime time = *parse_utc("2026-11-24T12:00:00.000Z");
  for (std::size_t i = 0; i < count; ++i) {
    Event e;
    time += std::chrono::milliseconds(below(3) * below(40'000));
    e.timestamp_utc = time;
    e.kind = static_cast<Kind>(below(9));
    e.request_id = "req_" + std::to_string(i / 2);  // an intent and its outcome, now and then
    e.api_key_id = maybe("key", 7);
    e.claimed_kid = maybe("kid", 30);
    e.endpoint = below(5) == 0 ? "" : "POST /v1/" + std::to_string(below(3));
    e.model = maybe("gpt-", 4);
    e.ip = below(9) == 0 ? "2001:db8::" + std::to_string(below(9))
                         : "10.0." + std::to_string(below(3)) + "." + std::to_string(below(40));
    e.geo = maybe("C", 5);
    if (below(3) != 0) e.asn = static_cast<std::int64_t>(64'500 + below(4));
    if (below(6) != 0) e.status = std::vector<int>{200, 200, 401, 403, 429, 500}[below(6)];
    e.error = maybe("error_", 3);
    if (below(3) != 0) e.latency_ms = static_cast<std::int64_t>(below(100'000));
    if (below(5) != 0) e.tokens_input = static_cast<std::int64_t>(below(9) * below(1'000'000));
    if (below(5) != 0) e.tokens_output = static_cast<std::int64_t>(below(2));
    if (below(2) != 0) e.cost_usd = NanoUsd{static_cast<std::int64_t>(random() >> 12 >> below(52))};
    if (below(20) == 0) e.repeated = static_cast<std::int64_t>(below(1'000));
    if (below(4) == 0) {
      e.injection =
          Injection{.score = static_cast<double>(below(1'001)) / 1'000,
                    .verdict = std::vector<std::string>{"pass", "alert", "block"}[below(3)],
                    .categories = {"override", "exfiltration"},
                    .role = "user"};
    }
    if (below(3) == 0) e.stream = below(2) == 0;
    if (below(3) == 0) e.ttft_ms = static_cast<std::int64_t>(below(5'000));
    if (below(6) == 0) e.pii = {{"email", static_cast<std::int64_t>(1 + below(3))}, {"phone", 1}};
    if (below(4) == 0) e.charged_usd = NanoUsd{static_cast<std::int64_t>(below(1'000'000'000))};
    if (e.kind == Kind::kFinding || e.kind == Kind::kIncident) {
      e.finding = std::make_shared<const Finding>(
          Finding{.detector = "detector_" + std::to_string(below(3)),
                  .severity = below(2) == 0 ? Severity::kLow : Severity::kHigh,
                  .score = static_cast<double>(below(20'000)) / 1'000,
                  .summary = "made up",
                  .tags = {"owasp-llm:2025:LLM10"},
                  .incident_id = below(2) == 0 ? "" : "inc_" + std::to_string(below(4))});
    }
    events.push_back(std::move(e));
  }
  return events;
}

}  // namespace sallyport::audit
