// SPDX-License-Identifier: Apache-2.0
// The part of the internet that a log needs: countries with their clocks, and in each of them
// networks of people, of mobile phones, of clouds, of VPN services. Numbers, names and ranges are
// those of real networks, so that a reader who looks an address up finds the same country.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dice.h"

namespace sallyport::traffic {

enum class NetworkKind : std::uint8_t { kEyeball, kMobile, kCloud, kHosting };
std::string_view name(NetworkKind kind);
inline bool is_data_center(NetworkKind kind) { return kind >= NetworkKind::kCloud; }

struct Network {
  std::string_view country;
  NetworkKind kind;
  std::uint32_t asn;
  std::string_view name;
  std::uint32_t v4_base;  // host order
  int v4_bits;
  std::uint32_t v6_top = 0;  // first 32 bits of its IPv6 range; 0: none is used
};

// IPv4 lies in `low` with `high` 0.
struct Address {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  bool operator==(const Address&) const = default;
};
void append_address(std::string& out, const Address& address);
std::string text(const Address& address);

using NetworkIndex = std::uint16_t;

const std::vector<Network>& networks();
// Of one country and kind; may be empty.
std::vector<NetworkIndex> networks_of(std::string_view country, NetworkKind kind);
std::vector<NetworkIndex> networks_of(NetworkKind kind);
Address draw_address(const Network& network, Dice& dice);
// The same household another day: the lower half of an IPv6 address changes, an IPv4 address stays.
Address privacy_address(const Address& address, Dice& dice);

// Hours to add to UTC; no country here has summer time, which a log of two weeks rarely shows.
int utc_offset_h(std::string_view country);
const std::vector<std::string_view>& office_countries();
const std::vector<std::string_view>& countries();

}  // namespace sallyport::traffic
