// SPDX-License-Identifier: Apache-2.0
#include "detect/incident.h"

#include <fmt/format.h>

#include <algorithm>

#include "detect/hash.h"

namespace sallyport::detect {
namespace {

constexpr double kRise = 4;
constexpr std::uint64_t kManySources = 0xD15781B07EDULL;  // the one place of stuffing by many
constexpr std::uint64_t kAddressSeed = 1, kSubnetSeed = 2, kNetworkSeed = 3;

template <class T, std::size_t N>
void count_distinct(std::array<T, N>& set, std::uint32_t& count, T value) {
  if (value == 0) return;
  const std::uint32_t kept = std::min<std::uint32_t>(count, N);
  if (std::find(set.begin(), set.begin() + kept, value) != set.begin() + kept) return;
  if (kept < N) set[kept] = value;
  if (count < 0xFFFFFFFF) ++count;
}

}  // namespace

std::string incident_name(std::uint64_t id) { return fmt::format("inc-{:016x}", id); }

// Beyond what the sets hold, an address that comes again is counted again: then the count is an
// upper bound.
void Incident::meet(std::uint64_t key, const Sighting& s) {
  count_distinct(keys, key_count, key);
  count_distinct(addresses, address_count, s.address);
  count_distinct(networks, network_count, s.network);
  count_distinct(countries, country_count, s.country);
}

bool Incidents::has_place(std::uint64_t place, std::uint64_t id) const {
  const std::uint64_t* found = places_.find(place);
  return found != nullptr && *found == id;
}

Incident* Incidents::by_place(const Sighting& s, Second now, bool by_network) {
  const std::uint64_t places[] = {
      s.address == 0 ? 0 : mix(kAddressSeed, s.address),
      s.subnet == 0 ? 0 : mix(kSubnetSeed, s.subnet),
      by_network && s.operated_by != 0 ? mix(kNetworkSeed, s.operated_by) : 0};
  for (const std::uint64_t place : places) {
    if (place == 0) continue;
    const std::uint64_t* id = places_.find(place);
    Incident* incident = id == nullptr ? nullptr : open_.find(*id);
    if (incident != nullptr && incident->open(now)) return incident;
  }
  return nullptr;
}

void Incidents::remember_places(const Incident& incident, const Sighting& s, bool by_network) {
  if (s.address != 0) places_.touch(mix(kAddressSeed, s.address)) = incident.id;
  if (s.subnet != 0) places_.touch(mix(kSubnetSeed, s.subnet)) = incident.id;
  if (by_network && s.operated_by != 0) {
    places_.touch(mix(kNetworkSeed, s.operated_by)) = incident.id;
  }
}

Incidents::Told Incidents::take(const Verdict& verdict, const Sighting& s, std::uint64_t key,
                                IncidentRef* ref, bool many_sources) {
  const bool by_source = verdict.family == Family::kCredentialStuffing;
  // What the gateway or its own office does at home joins nobody's place.
  const bool placed = by_source || verdict.family == Family::kNewCountry ||
                      verdict.family == Family::kNewNetwork || verdict.family == Family::kIpHopping;
  Incident* incident = nullptr;
  if (ref != nullptr && ref->open(s.now)) incident = open_.find(ref->id);
  if (incident != nullptr && !incident->open(s.now)) incident = nullptr;
  if (incident == nullptr && many_sources) {
    const std::uint64_t* id = places_.find(kManySources);
    incident = id == nullptr ? nullptr : open_.find(*id);
    if (incident != nullptr && !incident->open(s.now)) incident = nullptr;
  }
  if (incident == nullptr && placed) incident = by_place(s, s.now, by_source);

  News news = News::kNone;
  const std::uint16_t families = static_cast<std::uint16_t>(bit(verdict.family) | verdict.also);
  if (incident == nullptr) {
    std::uint64_t id = mix(mix(s.now, key), mix(s.address, static_cast<unsigned>(verdict.family)));
    id |= id == 0 ? 1 : 0;
    incident = &open_.touch(id);
    *incident = {.id = id, .opened = s.now};
    news = News::kOpened;
  } else {
    open_.touch(incident->id);
  }
  if (many_sources) {
    places_.touch(kManySources) = incident->id;
    incident->hold = 2 * kHour;
  }
  const auto severity = static_cast<std::uint8_t>(verdict.severity);
  const bool more = verdict.score >= incident->score_told + kRise ||
                    severity > incident->severity || (families & ~incident->families) != 0;
  if (news == News::kNone && more) news = News::kChanged;
  // Each further source of a story is news: whoever blocks sources must hear of it.
  const bool known = s.address == 0 || has_place(mix(kAddressSeed, s.address), incident->id);
  if (news == News::kNone && by_source && !many_sources && !known && !s.network_is_ours) {
    news = News::kChanged;
  }
  const auto fresh = static_cast<std::uint16_t>(families & ~incident->families);

  incident->last = s.now;
  incident->score = std::max(incident->score, verdict.score);
  incident->meet(key, s);
  if (news != News::kNone) {
    incident->severity = std::max(incident->severity, severity);
    incident->score_told = std::max(incident->score_told, verdict.score);
    incident->families |= families;
    incident->last_family = static_cast<std::uint32_t>(verdict.family);
    ++incident->findings;
  }
  if (placed) remember_places(*incident, s, by_source);
  if (ref != nullptr) {
    *ref = {.id = incident->id, .last = s.now, .severity = incident->severity};
  }
  return {.news = news, .incident = incident, .families = fresh};
}

Incident* Incidents::over(Second now) {
  Incident* oldest = open_.oldest();
  return oldest != nullptr && !oldest->open(now) ? oldest : nullptr;
}

}  // namespace sallyport::detect
