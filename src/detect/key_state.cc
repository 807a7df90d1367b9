// SPDX-License-Identifier: Apache-2.0
#include "detect/key_state.h"

#include <algorithm>

namespace sallyport::detect {
namespace {
constexpr std::uint32_t kMachineAfter = 3 * kDay, kMachineRequests = 60;
constexpr int kMachineAddressBits = 6;
constexpr Second kStrangeFor = 20 * kHour;
// Who lives in no data centre and sleeps may be a person behind one office address.
constexpr int kSleeplessHours = 23;
constexpr float kPeersShare = 0.12F;
}  // namespace

bool KeyState::machine(Second now) const {
  if (age(now) <= kMachineAfter || profile.requests < kMachineRequests) return false;
  if (networks.all_datacentre()) return networks.home_countries() <= 2;
  return profile.address_bits() <= kMachineAddressBits && networks.homes() <= 2 &&
         season.active_hours() >= kSleeplessHours;
}

bool KeyState::strange_address(const Sighting& s) {
  const std::uint64_t bit = std::uint64_t{1} << (s.address & 63);
  if (s.address == 0 || !s.datacentre || (profile.addresses & bit) != 0) return false;
  if (!machine(s.now) || profile.address_bits() > kMachineAddressBits) return false;
  if (strange_addresses == 0) strange_since = s.now;
  strange_addresses |= bit;
  if (s.now - strange_since < kStrangeFor || incident.grave(s.now)) return true;
  profile.addresses |= strange_addresses;
  strange_addresses = 0;
  return false;
}

float KeyState::expected_requests(Second now) const {
  if (profile.tokens_mean <= 0) return 0;
  return season.expected(now, 0.25F) / profile.tokens_mean;
}

float KeyState::record(std::size_t span, float peers_floor) const {
  return std::max(records.tokens(span), kPeersShare * peers_floor);
}

bool KeyState::sane() const {
  return season.sane() && records.sane() && networks.sane() && profile.sane() && visitors.sane();
}

}  // namespace sallyport::detect
