// SPDX-License-Identifier: Apache-2.0
// All that is remembered of one key: plain numbers of a fixed size, so that a key costs the same
// whatever it does, and a state is saved as it stands.
#pragma once

#include <cstdint>

#include "detect/error_surge.h"
#include "detect/incident.h"
#include "detect/known_networks.h"
#include "detect/latency_surge.h"
#include "detect/off_hours_surge.h"
#include "detect/output_anomaly.h"
#include "detect/profile.h"
#include "detect/prompt_injection.h"
#include "detect/rate_limit_storm.h"
#include "detect/records.h"
#include "detect/season.h"
#include "detect/slow_ramp.h"
#include "detect/subnet_spread.h"
#include "detect/token_spike.h"
#include "detect/visitor_case.h"
#include "detect/windows.h"

namespace sallyport::detect {

struct KeyState {
  std::uint64_t id = 0;  // hash of the name
  Second since = 0;      // of its first request
  Second last_home = 0;
  Season season;
  Records records;
  Windows windows;  // home and visitors together
  KnownNetworks networks;
  Profile profile;
  VisitorCase visitors;
  TokenSpike token_spike;
  SlowRamp slow_ramp;
  OffHoursSurge off_hours;
  OutputAnomaly output;
  RateLimitStorm limits;
  SubnetSpread subnets;
  ErrorSurge errors;
  LatencySurge latency;
  PromptInjection injection;
  IncidentRef incident;

  // Addresses of a machine that has had but a few, seen since `strange_since`; hashed bits.
  std::uint64_t strange_addresses = 0;
  Second strange_since = 0, unused = 0;

  // Does a machine of few addresses suddenly have another, in a cloud where anybody can rent? After
  // a day without an incident it is one of its own.
  bool strange_address(const Sighting& sighting);

  std::uint32_t age(Second now) const { return now - since; }
  float days(Second now) const { return static_cast<float>(age(now)) / static_cast<float>(kDay); }
  // Lives in data centres, or has few addresses and never sleeps: it does not travel.
  bool machine(Second now) const;
  float expected_requests(Second now) const;  // an hour
  // The record of a window, at least a share of what its peers have.
  float record(std::size_t span, float peers_floor) const;
  bool sane() const;
};

inline constexpr std::size_t kKeyBytesMax = 4'096;
static_assert(sizeof(KeyState) <= kKeyBytesMax);

}  // namespace sallyport::detect
