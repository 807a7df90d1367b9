// SPDX-License-Identifier: Apache-2.0
#include "keys/bindings.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace sallyport::keys {
namespace {

template <typename T>
bool has(const std::vector<T>& list, const T& entry) {
  return std::ranges::find(list, entry) != list.end();
}

// A thumbprint is no secret, but comparing it this way costs nothing.
bool same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

const Location& Bindings::location() {
  if (!location_) {
    location_.emplace();
    if (shown_.geography != nullptr && shown_.source != nullptr) {
      location_ = shown_.geography->locate(*shown_.source);
    }
  }
  return *location_;
}

KeyFault Bindings::fault(const Restrictions& r) {
  if (!r.sources.empty() &&
      (shown_.source == nullptr || std::ranges::none_of(r.sources, [&](const Cidr& range) {
         return range.contains(*shown_.source);
       }))) {
    return KeyFault::kWrongSource;
  }
  if (!r.countries.empty()) {
    const std::optional<std::string>& country = location().country;
    if (!country || !has(r.countries, *country)) return KeyFault::kWrongCountry;
  }
  if (!r.networks.empty()) {
    const std::optional<std::int64_t>& asn = location().asn;
    if (!asn || !has(r.networks, *asn)) return KeyFault::kWrongNetwork;
  }
  if (!r.hours.empty() && std::ranges::none_of(r.hours, [&](const DayHours& hours) {
        return contains(hours, shown_.now);
      })) {
    return KeyFault::kWrongHours;
  }
  if (r.certificate && !same(*r.certificate, shown_.certificate_thumbprint)) {
    return KeyFault::kWrongCertificate;
  }
  if (r.dpop && (shown_.dpop == nullptr || !*shown_.dpop || !(*shown_.dpop)(*r.dpop))) {
    return KeyFault::kWrongProof;
  }
  return KeyFault::kNone;
}

}  // namespace sallyport::keys
