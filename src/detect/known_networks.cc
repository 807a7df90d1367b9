// SPDX-License-Identifier: Apache-2.0
#include "detect/known_networks.h"

#include <cmath>

namespace sallyport::detect {
namespace {
constexpr Second kTrustOnFirstUse = 12 * kHour;
constexpr Second kAdoptAfter = 20 * kHour;
constexpr std::uint8_t kAdoptDays = 2;
constexpr std::uint32_t kAdoptRequests = 6;
}  // namespace

bool KnownNetworks::home_country(std::uint16_t country) const {
  for (const Entry& entry : entries_) {
    if (entry.id != 0 && entry.adopted && entry.country == country) return true;
  }
  return false;
}

bool KnownNetworks::home_operator(std::uint32_t operated_by) const {
  for (const Entry& entry : entries_) {
    if (operated_by != 0 && entry.adopted && entry.operated_by == operated_by) return true;
  }
  return false;
}

std::uint32_t KnownNetworks::home_countries() const {
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].id == 0 || !entries_[i].adopted) continue;
    bool first = true;
    for (std::size_t j = 0; j < i && first; ++j) {
      first = !(entries_[j].adopted && entries_[j].country == entries_[i].country);
    }
    count += first ? 1 : 0;
  }
  return count;
}

bool KnownNetworks::all_datacentre() const {
  for (const Entry& entry : entries_) {
    if (entry.adopted && !entry.datacentre) return false;
  }
  return homes_ > 0;
}

bool KnownNetworks::any_datacentre() const {
  for (const Entry& entry : entries_) {
    if (entry.adopted && entry.datacentre) return true;
  }
  return false;
}

void KnownNetworks::adopt(Entry& entry) {
  if (homes_ > 0) {
    adoptions_ += 1;
    if (!home_country(entry.country)) new_countries_ += 1;
  }
  entry.adopted = true;
  ++homes_;
}

KnownNetworks::Standing KnownNetworks::meet(const Sighting& sighting, Second key_since,
                                            bool incident_open) {
  if (sighting.network == 0) return Standing::kHome;  // no address: nothing to judge it by
  Entry* entry = nullptr;
  Entry* worst = nullptr;
  for (Entry& each : entries_) {
    if (each.id == sighting.network) {
      entry = &each;
      break;
    }
    const auto rank = [](const Entry& e) {
      return e.id == 0 ? std::uint64_t{0} : (e.adopted ? std::uint64_t{1} << 40 : 0) + e.last;
    };
    if (worst == nullptr || rank(each) < rank(*worst)) worst = &each;
  }
  if (entry == nullptr) {
    if (worst->adopted) --homes_;
    *worst = {.id = sighting.network,
              .asn = sighting.asn,
              .operated_by = sighting.operated_by,
              .first = sighting.now,
              .country = sighting.country,
              .datacentre = sighting.datacentre};
    entry = worst;
  }
  const auto day = static_cast<std::uint16_t>(sighting.now / kDay);
  if (entry->requests == 0 || entry->last_day != day) {
    if (entry->days < 255) ++entry->days;
    entry->last_day = day;
  }
  entry->last = sighting.now;
  // A refused request proves nothing about who is at home where.
  if (sighting.works()) ++entry->requests;
  if (entry->adopted) return Standing::kHome;

  const bool mixes = homes_ > 0 && (sighting.datacentre != any_datacentre());
  const bool young = sighting.now - key_since < kTrustOnFirstUse;
  const bool settled = entry->days >= kAdoptDays && entry->requests >= kAdoptRequests &&
                       entry->last - entry->first >= kAdoptAfter && !incident_open;
  if (homes_ == 0 || (young && !mixes) || settled) {
    adopt(*entry);
    return Standing::kJustAdopted;
  }
  return Standing::kVisitor;
}

std::vector<std::pair<std::uint32_t, std::uint16_t>> KnownNetworks::adopt_visitors() {
  std::vector<std::pair<std::uint32_t, std::uint16_t>> adopted;
  for (Entry& entry : entries_) {
    if (entry.id == 0 || entry.adopted) continue;
    adopt(entry);
    adopted.emplace_back(entry.id, entry.country);
  }
  return adopted;
}

bool KnownNetworks::sane() const {
  std::uint32_t homes = 0;
  for (const Entry& entry : entries_) homes += entry.id != 0 && entry.adopted ? 1 : 0;
  return homes == homes_ && std::isfinite(adoptions_) && std::isfinite(new_countries_);
}

}  // namespace sallyport::detect
