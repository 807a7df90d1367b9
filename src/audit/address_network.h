// SPDX-License-Identifier: Apache-2.0
// Which part of the internet an address of the log belongs to, as far as the address itself tells.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::audit {

// "AS64500"; where there is no ASN, the /16 (IPv6: /32) of the address; "?" where there is neither.
std::string network_of(const std::optional<std::string>& asn, std::string_view ip);

// How closely addresses are told apart.
enum class AddressFold { kNone, kSubnet, kNetwork };

// The address itself; its /24 (IPv6: /64); its /16 (IPv6: /32). What is no address stays, and what
// is folded already folds further.
std::string fold_address(std::string_view ip, AddressFold fold);

}  // namespace sallyport::audit
