// SPDX-License-Identifier: Apache-2.0
// The small languages of values: durations, sizes, percentages, addresses, URLs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ip_address.h"

namespace sallyport::config {

std::optional<std::int64_t> parse_size(std::string_view text);     // bytes
std::optional<std::int64_t> parse_percent(std::string_view text);  // 0 to 100, whole
std::string write_size(std::int64_t bytes);   // "64KiB", the largest whole unit
std::string write_duration(std::int64_t ms);  // "90s", "8h"

struct HostPort {
  IpAddress address;
  std::uint16_t port = 0;
};
// "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (which is 127.0.0.1). No other names: what a
// name means is decided by somebody else.
std::optional<HostPort> parse_host_port(std::string_view text);

struct UrlParts {
  bool tls = false;
  std::string host;  // lower case, brackets of an IPv6 address removed
};
// http:// or https://, no user, query or fragment, no blanks.
std::optional<UrlParts> parse_url(std::string_view text);

bool is_loopback_host(std::string_view host);  // 127.0.0.0/8, ::1, localhost

// A model or endpoint pattern: printable without blanks, '*' only at the end.
bool is_pattern(std::string_view text);

}  // namespace sallyport::config
