// SPDX-License-Identifier: Apache-2.0
#include "detect/decode.h"

#include <algorithm>
#include <optional>

#include "base/ip_address.h"
#include "base/text.h"
#include "detect/hash.h"

namespace sallyport::detect {
namespace {

constexpr float kRetryWeight = 0.25F;
constexpr float kTokensMax = 1e8F;  // a request; what claims more is a broken record

std::uint32_t short_hash(std::string_view text) {
  const auto value = static_cast<std::uint32_t>(hash(text));
  return value == 0 ? 1 : value;
}

std::uint16_t country_of(std::string_view text) {
  if (text.size() != 2) return 0;
  const auto letter = [](char c) { return static_cast<std::uint16_t>(ascii_lower(c) - 32); };
  for (const char c : text) {
    if (ascii_lower(c) < 'a' || ascii_lower(c) > 'z') return 0;
  }
  return static_cast<std::uint16_t>(letter(text[0]) << 8 | letter(text[1]));
}

// Plain dotted decimal, the common case; anything else goes the long way.
std::optional<std::uint32_t> plain_v4(std::string_view text) {
  std::uint32_t number = 0, byte = 0;
  int dots = 0, digits = 0;
  for (const char c : text) {
    if (c == '.') {
      if (digits == 0 || ++dots > 3) return std::nullopt;
      number = number << 8 | byte;
      byte = 0, digits = 0;
    } else if (c >= '0' && c <= '9' && digits < 3) {
      byte = byte * 10 + static_cast<std::uint32_t>(c - '0');
      ++digits;
      if (byte > 255) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (dots != 3 || digits == 0) return std::nullopt;
  return number << 8 | byte;
}

float tokens_of(const std::optional<std::int64_t>& count) {
  return count ? std::clamp(static_cast<float>(*count), 0.0F, kTokensMax) : 0;
}

}  // namespace

void Decoder::place(const Event& event, Sighting& s) {
  if (event.ip.empty()) return;
  std::optional<IpAddress> address;
  std::uint64_t wide;  // the /16, IPv6 the /32
  std::optional<std::uint32_t> v4 = plain_v4(event.ip);
  if (!v4) {
    address = IpAddress::parse(event.ip);
    if (address && address->is_v4()) {
      const auto& b = address->bytes();
      v4 = std::uint32_t{b[12]} << 24 | std::uint32_t{b[13]} << 16 | std::uint32_t{b[14]} << 8 |
           b[15];
    }
  }
  if (v4) {
    s.address = mix(4, *v4);
    s.subnet = mix(5, *v4 >> 8);
    wide = mix(6, *v4 >> 16);
  } else if (address) {
    const auto& b = address->bytes();
    std::uint64_t high = 0;
    for (std::size_t i = 0; i < 8; ++i) high = high << 8 | b[i];
    s.address = mix(7, high);  // one subscriber has a /64: who changes within it is one source
    s.subnet = mix(8, high >> 16);
    wide = mix(9, high >> 32);
  } else {
    s.address = s.subnet = wide = hash(event.ip);  // masked or hostile: a name like any other
  }
  std::optional<Location> location;
  if (geography_ != nullptr && (!event.asn || !event.geo)) {
    if (!address && v4) address = IpAddress::v4(*v4);
    if (address) location = geography_->locate(*address);
  }
  if (event.geo) {
    s.country = country_of(*event.geo);
  } else if (location && location->country) {
    s.country = country_of(*location->country);
  }
  const std::optional<std::int64_t>& asn = event.asn  ? event.asn
                                           : location ? location->asn
                                                      : event.asn;
  if (asn && *asn > 0 && *asn <= 0xFFFFFFFF) {
    s.asn = s.operated_by = static_cast<std::uint32_t>(*asn);
    const std::optional<std::string>& network = event.network ? event.network
                                                : location    ? location->network
                                                              : event.network;
    s.datacentre = datacentres_.asn(s.asn, network ? std::string_view(*network) : "");
  } else if (v4) {
    s.operated_by = datacentres_.v4(*v4);
    s.datacentre = s.operated_by != 0;
  }
  s.network = static_cast<std::uint32_t>(mix(s.operated_by != 0 ? s.operated_by : wide, s.country));
  if (s.network == 0) s.network = 1;
}

Sighting Decoder::decode(const Event& event, Second now) {
  Sighting s;
  s.now = now;
  s.tokens_input = tokens_of(event.tokens_input);
  s.tokens_output = tokens_of(event.tokens_output);
  s.status = event.status.value_or(0);
  s.limited = s.status == 429;
  s.failed = s.status >= 400;
  s.server_error = s.status >= 500;
  s.flagged = !event.output_flags.empty();
  if (s.failed && !s.server_error) s.weight = kRetryWeight;
  if (event.repeated) s.requests = std::clamp(static_cast<float>(*event.repeated), 1.0F, 1e6F);
  s.latency_ms = event.latency_ms.value_or(-1);
  if (event.model) s.model = short_hash(*event.model);
  if (!event.endpoint.empty()) s.endpoint = short_hash(event.endpoint);
  s.purpose = static_cast<std::uint32_t>(mix(hash(event.module), hash(event.purpose)));
  place(event, s);
  return s;
}

}  // namespace sallyport::detect
