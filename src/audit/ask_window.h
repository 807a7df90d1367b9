// SPDX-License-Identifier: Apache-2.0
// What happened in the window of a question: who used which key from where.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "audit/address_network.h"
#include "audit/ask.h"
#include "audit/column_scan.h"

namespace sallyport::audit {

// Country and network of an address.
struct Place {
  std::optional<std::string> geo, asn, network;
  std::string network_id;  // network_of()
};

// An address; or a range of them, in one place, when there are too many to tell apart.
struct SourceId {
  std::string ip, place;  // place: empty for a single address
  friend auto operator<=>(const SourceId&, const SourceId&) = default;
};

struct WindowSource {
  static constexpr std::size_t kClaimedMax = 16;  // and then it says "or more"
  Place place;
  std::int64_t requests = 0, refused = 0;
  std::set<std::string> claimed;  // kids
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
  std::map<std::string, std::int64_t> models;  // at most 64
  std::map<SourceId, WindowSource> sources;
  std::map<std::int64_t, std::int64_t> hours;  // hour since 1970 -> requests
  // Changes of the country from one request to the next, and the shortest time between two.
  std::int64_t switches = 0, switch_ms_min = INT64_MAX;
  std::int64_t first_ms = 0, last_ms = 0;  // of what was successful in a known country
  std::string first_geo, last_geo;
  WindowInjection injection;
};

struct Window {
  // By api_key_id; "" is nobody's.
  std::map<std::string, WindowKey> keys;
  std::int64_t records = 0, with_geo = 0, with_asn = 0, scored = 0;
  AddressFold fold = AddressFold::kNone;
  std::size_t sources = 0;  // pairs of key and source, and the kids claimed at them
  std::map<std::string, std::int64_t> claims;  // refusals by claimed kid; at most 4,096 kids
};

// Of requests, finished and open. Beyond AskSpec::sources_max addresses are told apart by less: a
// botnet does not keep an answer from being given. How many networks there are in the world is the
// limit then.
Result<Window> read_window(const ColumnSnapshot& snapshot, const AskSpec& spec,
                           std::size_t threads);

}  // namespace sallyport::audit
