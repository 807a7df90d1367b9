// SPDX-License-Identifier: Apache-2.0
// One story per attack: findings about one key in overlapping time, and the sources (address, /24,
// ASN) that take part, gather into one incident. It says something new only when its score rises by
// 4 nats, its severity rises or another family joins; it ends after six hours without evidence (two
// for stuffing from many addresses). Its id comes from its first finding, so a replay names it as
// the live watch did.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "detect/bounded_table.h"
#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct IncidentRef {
  std::uint64_t id = 0;  // 0: none
  Second last = 0;       // evidence
  std::uint8_t severity = 0;
  std::array<std::uint8_t, 3> unused{};

  bool open(Second now) const { return id != 0 && now - last < 6 * kHour; }
  bool grave(Second now) const {
    return open(now) && severity >= static_cast<std::uint8_t>(Severity::kHigh);
  }
};

struct Incident {
  std::uint64_t id = 0;
  std::int64_t nano_usd = 0;
  double tokens = 0;
  double score = 0;  // the greatest
  double score_told = 0;
  Second opened = 0, last = 0, hold = 6 * kHour;
  std::uint32_t requests = 0, findings = 0;
  std::uint16_t families = 0;  // told
  std::uint8_t severity = 0, unused = 0;
  std::uint32_t key_count = 0, address_count = 0, network_count = 0, country_count = 0;
  std::array<std::uint64_t, 4> keys{};  // the first ones, hashes
  std::array<std::uint64_t, 16> addresses{};
  std::array<std::uint32_t, 8> networks{};
  std::array<std::uint16_t, 8> countries{};
  std::uint32_t last_family = 0, unused2 = 0;

  void meet(std::uint64_t key, const Sighting& sighting);
  bool open(Second now) const { return now - last < hold; }
};

class Incidents {
 public:
  explicit Incidents(std::size_t incidents_max)
      : open_(incidents_max), places_(incidents_max * 16) {}

  enum class News : std::uint8_t { kNone, kOpened, kChanged };
  struct Told {
    News news = News::kNone;
    Incident* incident = nullptr;
    std::uint16_t families = 0;  // that are told now
  };

  // `ref` of the key the verdict is about; null: about a source, or the house. `key` is its hash.
  Told take(const Verdict& verdict, const Sighting& sighting, std::uint64_t key, IncidentRef* ref,
            bool many_sources);
  Incident* find(std::uint64_t id) { return open_.find(id); }
  // The incident that has been without evidence for longest, if it is over; call end() then.
  Incident* over(Second now);
  void end(std::uint64_t id) { open_.erase(id); }
  std::size_t size() const { return open_.size(); }

  // For state_file.cc.
  BoundedTable<Incident, true>& table() { return open_; }
  const BoundedTable<Incident, true>& table() const { return open_; }
  BoundedTable<std::uint64_t>& places() { return places_; }
  const BoundedTable<std::uint64_t>& places() const { return places_; }

 private:
  bool has_place(std::uint64_t place, std::uint64_t id) const;
  Incident* by_place(const Sighting& sighting, Second now, bool by_network);
  void remember_places(const Incident& incident, const Sighting& sighting, bool by_network);

  BoundedTable<Incident, true> open_;   // by id
  BoundedTable<std::uint64_t> places_;  // address, /24, ASN -> id
};

std::string incident_name(std::uint64_t id);  // "inc-0123456789abcdef"

}  // namespace sallyport::detect
