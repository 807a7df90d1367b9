// SPDX-License-Identifier: Apache-2.0
// The networks of a key. Home is what it adopted: the first one on first use, any of its first 12
// hours (unless that would mix data centres with eyeball networks), later ones after two calendar
// days, 20 hours and 6 requests without an open incident. How often it adopted, and how many new
// countries, is its travel prior. A network is (ASN, country); where no ASN is known the /16.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "detect/sighting.h"

namespace sallyport::detect {

class KnownNetworks {
 public:
  struct Entry {
    std::uint32_t id = 0;  // 0: free
    std::uint32_t asn = 0;
    std::uint32_t operated_by = 0;
    Second first = 0, last = 0;
    std::uint32_t requests = 0;
    std::uint16_t country = 0;
    std::uint16_t last_day = 0;  // low bits, to count days
    std::uint8_t days = 0;
    bool adopted = false, datacentre = false, unused = false;
  };
  enum class Standing : std::uint8_t { kHome, kJustAdopted, kVisitor };

  Standing meet(const Sighting& sighting, Second key_since, bool incident_open);

  // A person vouches for them: (network, country) of each that is adopted now.
  std::vector<std::pair<std::uint32_t, std::uint16_t>> adopt_visitors();

  bool home_operator(std::uint32_t operated_by) const;
  bool home_country(std::uint16_t country) const;
  bool has_home() const { return homes_ > 0; }
  std::uint32_t homes() const { return homes_; }
  std::uint32_t home_countries() const;
  bool all_datacentre() const;
  bool any_datacentre() const;
  float adoptions() const { return adoptions_; }          // after the first
  float new_countries() const { return new_countries_; }  // adopted after the first
  const std::array<Entry, 12>& entries() const { return entries_; }
  bool sane() const;

 private:
  void adopt(Entry& entry);

  std::array<Entry, 12> entries_{};
  std::uint32_t homes_ = 0;
  float adoptions_ = 0, new_countries_ = 0;
};

}  // namespace sallyport::detect
