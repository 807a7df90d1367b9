// SPDX-License-Identifier: Apache-2.0
// new_country, new_network, ip_hopping: the case against whoever uses a key from networks that it
// has not adopted. All such traffic is pooled into one case per key, which sums log-likelihood
// ratios (nats) of two natures: context - how new, how far, data centre or not, used in turns with
// home - and behaviour: volume, models, purposes, sizes, hopping, silent hours, refusals. "New"
// alone never reaches high for a person who may travel (context is capped at 4.6), and it goes
// stale: a move keeps behaving, a thief gets greedy. Machines do not travel. The terms and their
// values are those of a prototype measured on logs with planted attacks (docs/detectors.md); the
// sequential frame is that of e-detectors (Shin, Ramdas, Rinaldo). Closes after six quiet hours.
#pragma once

#include <array>
#include <cstdint>

#include "detect/config.h"
#include "detect/sighting.h"
#include "detect/verdict.h"
#include "detect/windows.h"

namespace sallyport::detect {

struct KeyState;
class Peers;

class VisitorCase {
 public:
  // A request of home while the case is open.
  void home(const Sighting& sighting);
  // A request of a visitor. Counts it, and says what the case amounts to. An act of an
  // administrator weighs `extra` nats by itself, and then one is enough.
  Maybe visit(const Sighting& sighting, KeyState& key, const Peers& peers, const Config& config,
              double extra = 0);

  bool open(Second now) const;
  Sums sums(std::size_t span, Second now) { return windows_.sums(span, now); }
  void close() { *this = VisitorCase(); }
  bool sane() const;

 private:
  struct Sum {
    double context = 0, behaviour = 0, volume = 0, hopping = 0, silent = 0, refusals = 0, size = 0;
    int strong = 0;  // terms of behaviour of at least 0.9
  };
  void begin(const Sighting& sighting, const KeyState& key);
  void count(const Sighting& sighting, const KeyState& key, const Peers& peers);
  void meet_network(const Sighting& sighting, const KeyState& key, const Peers& peers);
  void add_context(Sum& sum, Verdict& verdict, const Sighting& s, const KeyState& key) const;
  void add_behaviour(Sum& sum, Verdict& verdict, const Sighting& s, KeyState& key);
  double volume(const Sighting& s, KeyState& key);
  double size_shift(const KeyState& key, bool& longer) const;
  double hopping() const;

  Windows windows_;
  Second opened_ = 0, last_ = 0;
  Second home_before_ = 0;  // the last request of home before the case
  Second home_after_ = 0;   // of home since the last visit; 0: none
  std::uint32_t requests_ = 0, answered_ = 0, refused_ = 0, home_requests_ = 0;
  std::uint32_t alternations_ = 0;
  std::uint32_t hops_ = 0;  // requests from another network than the one before
  std::uint32_t last_network_ = 0, denied_ = 0;
  float novelty_ = 0;       // the greatest of the networks of the case
  float organisation_ = 0;  // the least
  float mates_ = 0;
  float datacentre_ = 0;
  float log_input_ = 0, log_output_ = 0;  // sums of logs
  float inputs_ = 0, outputs_ = 0;
  std::array<std::uint32_t, 6> networks_{};
  std::array<std::uint32_t, 6> asns_{};
  std::array<std::uint16_t, 6> countries_{};
  std::array<std::uint32_t, 4> models_{};  // never used at home
  std::uint32_t asn_count_ = 0, country_count_ = 0, network_count_ = 0, model_count_ = 0;
  std::uint32_t strange_purposes_ = 0, strange_endpoints_ = 0;
  bool abroad_ = false, own_operator_ = true, in_datacentre_ = false, by_asn_ = false;
  bool acts_ = false;  // of an administrator: rare, so that pauses and amounts say nothing
};

}  // namespace sallyport::detect
