// SPDX-License-Identifier: Apache-2.0
// Who is calling? The peer's address, unless the peer is a configured proxy: then the rightmost
// address of X-Forwarded-For that is not itself a configured proxy. Nobody else's word counts.
#pragma once

#include <span>
#include <vector>

#include "base/ip_address.h"
#include "net/http1_head.h"

namespace sallyport::http {

// An unreadable member ends the walk: the address right of it is the answer.
IpAddress source_address(const IpAddress& peer, std::span<const net::Header> headers,
                         const std::vector<Cidr>& trusted_proxies);

}  // namespace sallyport::http
