// SPDX-License-Identifier: Apache-2.0
// Where a sink may connect to. A receiver's address comes from configuration, but names resolve to
// what others say: none may lead records or credentials to this machine, its neighbours or a
// cloud's metadata service unless the sink's `allow` has that network.
#pragma once

#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "net/http_client.h"

namespace sallyport::notify {

// A host of the public internet: neither private, loopback, link local, carrier-grade NAT,
// multicast, reserved or for documentation, nor one of these inside an IPv6 form of IPv4.
bool is_public(const IpAddress& address);

// The check for connections of one sink. Plain text reaches only what `allow` has.
net::AddressCheck address_check(std::vector<Cidr> allow, bool encrypted);

// What can be said of the host before it is resolved: kInvalid when it is a number that the check
// refuses, or plain text without an `allow`.
Result<void> check_host(std::string_view host, const std::vector<Cidr>& allow, bool encrypted);

}  // namespace sallyport::notify
