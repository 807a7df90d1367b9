// SPDX-License-Identifier: Apache-2.0
// One file of an operator, read whole into a table: nothing of it is trusted, and a look-up touches
// neither the file nor a parser. What is malformed is refused as a whole, with the place: half a
// database would answer "unknown" where it should say "not there".
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "event/ports/geography.h"
#include "geo/range_table.h"

namespace sallyport::geo {

inline constexpr std::size_t kFileBytesMax = 512u << 20;
inline constexpr std::size_t kRangesMax = 16'000'000;
inline constexpr std::size_t kNetworkNameBytesMax = 64;

struct Database {
  std::string kind;                 // "GeoLite2-Country", "IPFire Location Database"
  UtcTime built{};                  // as the file says; if it does not, when it was written
  RangeTable table;                 // values are places in `locations`
  std::vector<Location> locations;  // the first one knows nothing
};

// The form of Debian's tor-geoipdb: "16777216,16777471,AU" for IPv4, "2001:200::,2001:200::ffff,JP"
// for IPv6, ascending, comments after '#'. Either text may be empty, not both. kCorrupt names the
// line. Reads a "Generated:" comment; without one `built` stays at 1970.
Result<Database> parse_country_csv(std::string_view v4, std::string_view v6);

// A MaxMind file (.mmdb) with countries, autonomous systems, or both. kUnavailable: cannot be read.
Result<Database> read_mmdb(const std::string& path);

}  // namespace sallyport::geo
