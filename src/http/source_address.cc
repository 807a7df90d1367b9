// SPDX-License-Identifier: Apache-2.0
#include "http/source_address.h"

#include <algorithm>

#include "base/text.h"

namespace sallyport::http {
namespace {

bool trusted(const IpAddress& address, const std::vector<Cidr>& proxies) {
  return std::any_of(proxies.begin(), proxies.end(),
                     [&](const Cidr& range) { return range.contains(address); });
}

}  // namespace

IpAddress source_address(const IpAddress& peer, std::span<const net::Header> headers,
                         const std::vector<Cidr>& trusted_proxies) {
  if (!trusted(peer, trusted_proxies)) return peer;
  IpAddress source = peer;
  for (std::size_t i = headers.size(); i-- > 0;) {
    if (!equal_ascii_nocase(headers[i].name, "x-forwarded-for")) continue;
    std::string_view list = headers[i].value;
    for (;;) {
      const std::size_t comma = list.rfind(',');
      const std::string_view member =
          trim_ows(comma == std::string_view::npos ? list : list.substr(comma + 1));
      const auto address = IpAddress::parse(member);
      if (!address) return source;
      source = *address;
      if (!trusted(source, trusted_proxies)) return source;
      if (comma == std::string_view::npos) break;
      list = list.substr(0, comma);
    }
  }
  return source;
}

}  // namespace sallyport::http
