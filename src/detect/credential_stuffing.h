// SPDX-License-Identifier: Apache-2.0
// credential_stuffing. One source: refused credentials (401, 403) in two decaying counts, time
// constants 10 min and 3 h, thresholds 14 and 26 - a fast one and a patient one. Many sources:
// distinct failing addresses within 30 min against 2 x usual + 1.5, Poisson Chernoff bound
// x ln(x/l) - x + l of at least 13 nats and at least 10 addresses; one incident for all of them.
// Exempt is an address, or its /24, that had a success within 14 days: those are people with an old
// key and broken deploys, and this exemption is worth more than any threshold. Not the ASN: thieves
// rent in the same clouds. A refusal that names a key or a credential which once worked is an old
// deploy, and counts a quarter. Where the record tells which key was claimed, many distinct ones
// void the exemption. Leaky buckets per source as CrowdSec has them, two speeds; spray over many
// sources as in Elastic's rules.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "detect/bounded_table.h"
#include "detect/sighting.h"
#include "detect/verdict.h"

namespace sallyport::detect {

struct Source {
  float fast = 0, slow = 0;
  float limited = 0;  // 429 without a key
  Second last = 0;    // failure
  Second good = 0;    // last success; 0: none
  std::uint32_t failures = 0;
  std::uint64_t claimed = 0;  // a bit for each key that was claimed, hashed
};

class CredentialStuffing {
 public:
  struct Found {
    Maybe one, many;
  };
  struct Many {
    std::array<std::uint32_t, 6> distinct{};  // failing addresses by the slice they last failed in
    Second slice = 0;
    float usual = 0;  // distinct addresses in half an hour
    Second last_told = 0;
  };

  explicit CredentialStuffing(std::size_t sources_max)
      : sources_(sources_max), subnets_(sources_max / 4) {}

  void success(const Sighting& sighting);
  // `claimed`: hash of the key that was claimed, 0 where the record does not tell. `ours`: keys of
  // the organisation are at home in this network; one old key from there is rather a broken deploy.
  Found failure(const Sighting& sighting, std::uint64_t claimed, float times, bool ours);
  Maybe limited(const Sighting& sighting, float times);

  // For state_file.cc.
  BoundedTable<Source>& sources() { return sources_; }
  const BoundedTable<Source>& sources() const { return sources_; }
  BoundedTable<Second>& subnets() { return subnets_; }
  const BoundedTable<Second>& subnets() const { return subnets_; }
  Many& many() { return many_; }
  const Many& many() const { return many_; }

 private:
  bool in_good_standing(const Sighting& sighting, const Source& source) const;
  Maybe many(const Sighting& sighting, Second failed_before);
  void turn(Second slice);

  BoundedTable<Source> sources_;
  BoundedTable<Second> subnets_;  // -> last success
  Many many_;
};

}  // namespace sallyport::detect
