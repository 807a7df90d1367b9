// SPDX-License-Identifier: Apache-2.0
#include "notify/address_check.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace sallyport::notify {
namespace {

constexpr std::string_view kNotPublic[] = {
    "192.0.0.0/24",   // protocol assignments
    "192.0.2.0/24",   // documentation
    "198.18.0.0/15",  // benchmarks
    "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4",     // multicast
    "240.0.0.0/4",     // reserved, and broadcast
    "::/96",           // IPv4-compatible, long gone
    "64:ff9b:1::/48",  // NAT64 of a network's own
    "100::/64",        // discard
    "2001::/23",       // protocol assignments, Teredo
    "2001:db8::/32",   // documentation
    "fec0::/10",       // site local, long gone
    "ff00::/8",        // multicast
};

const std::vector<Cidr>& not_public() {
  static const std::vector<Cidr> ranges = [] {
    std::vector<Cidr> made;
    for (const std::string_view text : kNotPublic) made.push_back(*Cidr::parse(text));
    return made;
  }();
  return ranges;
}

bool has(const std::vector<Cidr>& ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const Cidr& range) { return range.contains(address); });
}

// The IPv4 address that a translator or a tunnel would make of it.
std::optional<IpAddress> inner_v4(const IpAddress& address) {
  static const Cidr nat64 = *Cidr::parse("64:ff9b::/96");
  static const Cidr six_to_four = *Cidr::parse("2002::/16");
  const auto& bytes = address.bytes();
  std::size_t at = 0;
  if (nat64.contains(address)) at = 12;
  if (six_to_four.contains(address)) at = 2;
  if (at == 0) return std::nullopt;
  std::uint32_t four = 0;
  for (std::size_t i = 0; i < 4; ++i) four = four << 8 | bytes[at + i];
  return IpAddress::v4(four);
}

}  // namespace

bool is_public(const IpAddress& address) {
  if (address.is_private() || has(not_public(), address)) return false;
  const std::optional<IpAddress> inner = inner_v4(address);
  return !inner || is_public(*inner);
}

net::AddressCheck address_check(std::vector<Cidr> allow, bool encrypted) {
  return [allow = std::move(allow), encrypted](const IpAddress& address) {
    if (has(allow, address)) return true;
    return encrypted && is_public(address);
  };
}

Result<void> check_host(std::string_view host, const std::vector<Cidr>& allow, bool encrypted) {
  if (!encrypted && allow.empty()) {
    return fail(Code::kInvalid, "plain text goes only to networks that `allow` names");
  }
  const std::optional<IpAddress> address = IpAddress::parse(host);
  if (!address || address_check(allow, encrypted)(*address)) return {};
  return fail(Code::kInvalid,
              "the address " + address->text() + " is not public; `allow` must name its network");
}

}  // namespace sallyport::notify
