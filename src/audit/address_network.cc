// SPDX-License-Identifier: Apache-2.0
#include "audit/address_network.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/ip_address.h"

namespace sallyport::audit {
namespace {

// "203.0.113.0/24": of IPv4 the first `v4_bytes` bytes count, of IPv6 the first `v6_bytes`.
std::string range_of(const IpAddress& address, std::ptrdiff_t v4_bytes, std::ptrdiff_t v6_bytes) {
  std::array<std::uint8_t, 16> bytes = address.bytes();
  const bool v4 = address.is_v4();
  const std::ptrdiff_t kept = v4 ? 12 + v4_bytes : v6_bytes;
  std::fill(bytes.begin() + kept, bytes.end(), std::uint8_t{0});
  return IpAddress::v6(bytes).text() + "/" + std::to_string((v4 ? v4_bytes : v6_bytes) * 8);
}

}  // namespace

std::string network_of(const std::optional<std::string>& asn, std::string_view ip) {
  if (asn) return "AS" + *asn;
  const auto address = IpAddress::parse(ip);
  return address ? range_of(*address, 2, 4) : "?";
}

std::string fold_address(std::string_view ip, AddressFold fold) {
  if (fold == AddressFold::kNone) return std::string(ip);
  const auto address = IpAddress::parse(ip.substr(0, ip.find('/')));
  if (!address) return std::string(ip);
  return fold == AddressFold::kSubnet ? range_of(*address, 3, 8) : range_of(*address, 2, 4);
}

}  // namespace sallyport::audit
