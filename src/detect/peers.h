// SPDX-License-Identifier: Apache-2.0
// What all keys together know: how large the records of the others are (a floor for young keys), at
// which networks and in which countries the organisation is at home, and who moved there lately (an
// office that fails over takes all its keys along). Quantiles come from a histogram that is kept up
// when a key closes a day: sorting 100,000 keys cost more than everything else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "detect/bounded_table.h"
#include "detect/sighting.h"
#include "detect/windows.h"

namespace sallyport::detect {

struct NetworkUse {
  struct Mover {
    std::uint64_t key = 0;
    Second at = 0;
    std::uint32_t unused = 0;
  };
  std::uint32_t keys = 0;  // that adopted it
  std::uint32_t next = 0;
  std::array<Mover, 4> movers{};
};

class Peers {
 public:
  static constexpr std::size_t kNetworksMax = 32'768;
  static constexpr std::size_t kBins = 96;  // a third of an octave each

  Peers() : networks_(kNetworksMax) {}

  // A key's records changed from the first to the second; zero: it had, or has, none.
  void record_changed(std::size_t span, float before, float after, bool requests);
  // The 60th percentile of the records of all keys; 0 below five keys.
  float usual_record(std::size_t span, bool requests) const {
    return quantiles_[requests ? 1 : 0][span];
  }

  void adopted(std::uint32_t network, std::uint16_t country);
  void forgotten(std::uint32_t network, std::uint16_t country);
  void moved(std::uint32_t network, std::uint64_t key, Second now);

  std::uint32_t keys_at(std::uint32_t network) const;
  bool country_known(std::uint16_t country) const;
  std::uint32_t movers(std::uint32_t network, std::uint64_t but, Second now) const;

  // For state_file.cc.
  struct Numbers {
    std::array<std::array<std::array<std::uint32_t, kBins>, kSpans>, 2> histogram{};
    std::array<std::uint32_t, 32 * 32> countries{};  // keys at home there, by two letters
  };
  Numbers& numbers() { return numbers_; }
  const Numbers& numbers() const { return numbers_; }
  BoundedTable<NetworkUse>& networks() { return networks_; }
  const BoundedTable<NetworkUse>& networks() const { return networks_; }
  void count_again();  // the quantiles, after numbers() changed

 private:
  void find_quantile(std::size_t kind, std::size_t span);

  Numbers numbers_;
  std::array<std::array<float, kSpans>, 2> quantiles_{};
  BoundedTable<NetworkUse> networks_;
};

}  // namespace sallyport::detect
