// SPDX-License-Identifier: Apache-2.0
// What is normal for a key, drawn for a person: the week as a map of hours, records, networks,
// sizes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "detect/parts.h"

namespace sallyport::detect {
namespace {

constexpr std::array<const char*, 7> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<const char*, kSpans> kSpanNames{"5 min", "15 min", "1 h", "6 h"};
constexpr std::string_view kShades = " .:-=+*#%@";

void draw_week(std::string& out, const Season& season) {
  float most = 0;
  for (std::size_t hour = 0; hour < 168; ++hour) most = std::max(most, season.hour_of_week(hour));
  out += fmt::format("tokens an hour, UTC; '@' is {:.0f}\n     0     6     12    18\n", most);
  for (std::size_t day = 0; day < 7; ++day) {
    out += fmt::format("{}  ", kDays[day]);
    for (std::size_t hour = 0; hour < 24; ++hour) {
      const float share = most > 0 ? season.hour_of_week(day * 24 + hour) / most : 0;
      out += kShades[static_cast<std::size_t>(std::lround(share * 9))];
    }
    out += '\n';
  }
}

void list_networks(std::string& out, const KnownNetworks& networks) {
  out += "networks\n";
  for (const KnownNetworks::Entry& entry : networks.entries()) {
    if (entry.id == 0) continue;
    const char letters[] = {static_cast<char>(entry.country >> 8),
                            static_cast<char>(entry.country & 0xFF), '\0'};
    out += fmt::format("  {:<8} {:<10} {:<3} {:<12} since {} last {} requests {}\n",
                       entry.adopted ? "home" : "visitor",
                       entry.asn != 0 ? fmt::format("AS{}", entry.asn) : "no ASN",
                       entry.country != 0 ? letters : "?", entry.datacentre ? "data centre" : "",
                       format_utc(UtcTime(std::chrono::seconds(entry.first))),
                       format_utc(UtcTime(std::chrono::seconds(entry.last))), entry.requests);
  }
}

}  // namespace

Result<std::string> Watch::explain(std::string_view api_key_id) const {
  const KeyEntry* entry = parts_->find(api_key_id);
  if (entry == nullptr) return fail(Code::kNotFound, "no such key was seen");
  const KeyState& key = entry->state;
  const Second now = parts_->time.now;
  std::string out = fmt::format(
      "{}\nfirst seen {}, {:.1f} days ago; {} answered requests at home; {}\n", entry->name,
      format_utc(UtcTime(std::chrono::seconds(key.since))), key.days(now), key.profile.requests,
      key.machine(now) ? "a machine: it does not travel" : "may travel");
  draw_week(out, key.season);
  out += fmt::format(
      "expected this hour {:.0f} tokens, {:.1f} requests; active with p = {:.2f}{}\n",
      key.season.expected(now, 0), key.expected_requests(now), key.season.active_probability(now),
      key.season.has_schedule() ? "" : " (no schedule)");
  out += fmt::format("burstiness {:.2f} (sd of log), level {:.2f}\n", key.season.spread(),
                     key.season.level());
  out += fmt::format("records of the last {} days\n", key.records.days());
  for (std::size_t span = 0; span < kSpans; ++span) {
    out += fmt::format("  {:<7} {:>12.0f} tokens {:>8.0f} requests\n", kSpanNames[span],
                       key.records.tokens(span), key.records.requests(span));
  }
  out += fmt::format("input {:.0f} tokens (sd of log {:.2f}), output {:.0f} ({:.2f})\n",
                     std::exp(key.profile.input.mean()) - 1, key.profile.input.sd(),
                     std::exp(key.profile.output.mean()) - 1, key.profile.output.sd());
  list_networks(out, key.networks);
  if (key.incident.open(now)) {
    out += fmt::format("open incident {} ({})\n", incident_name(key.incident.id),
                       name(static_cast<Severity>(std::min<int>(key.incident.severity, 4))));
  }
  return out;
}

}  // namespace sallyport::detect
