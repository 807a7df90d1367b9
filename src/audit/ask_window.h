// SPDX-License-Identifier: Apache-2.0
// What happened in the window of a question: who used which key from where.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/ask.h"
#include "audit/column_scan.h"

namespace sallyport::audit {

inline constexpr std::size_t kAskSourcesMax = 300'000;  // pairs of key and address in a window

// Country and network of an address.
struct Place {
  std::optional<std::string> geo, asn, network;
  std::string network_id;  // network_of()
};

struct WindowSource {
  Place place;
  std::int64_t requests = 0, refused = 0;
  std::set<std::string> claimed;  // kids, at most 16
};

struct WindowInjection {
  std::int64_t attempts = 0, stopped = 0, got_through = 0, open = 0, score_max = 0;
  std::set<std::string> categories, ips;  // at most 16
  std::vector<std::uint64_t> seqs;        // at most 8
};

struct WindowKey {
  std::set<std::string> kids;  // its credentials, at most 16
  std::int64_t requests = 0, unpriced = 0, budget_refused = 0;
  std::int64_t cost = 0;
  std::map<std::string, std::int64_t> models;   // at most 64
  std::map<std::string, WindowSource> sources;  // by address
  std::map<std::int64_t, std::int64_t> hours;   // hour since 1970 -> requests
  // Changes of the country from one request to the next, and the shortest time between two.
  std::int64_t switches = 0, switch_ms_min = INT64_MAX;
  std::int64_t last_ms = 0;
  std::string last_geo;
  WindowInjection injection;
};

struct Window {
  // By api_key_id; "" is nobody's.
  std::map<std::string, WindowKey> keys;
  std::int64_t records = 0, with_geo = 0, with_asn = 0, scored = 0;
  std::size_t sources = 0;
  std::map<std::string, std::int64_t> claims;  // refusals by claimed kid; at most 4,096 kids
};

// Of requests, finished and open.
Result<Window> read_window(const ColumnSnapshot& snapshot, const AskSpec& spec,
                           std::size_t threads);

}  // namespace sallyport::audit
