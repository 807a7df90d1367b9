// SPDX-License-Identifier: Apache-2.0
#include "config/values.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"

namespace sallyport::config {
namespace {

bool is_visible(char c) { return c > 0x20 && c < 0x7F; }

}  // namespace

std::optional<std::int64_t> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits = {
      {{"GiB", 1ll << 30}, {"MiB", 1ll << 20}, {"KiB", 1ll << 10}, {"B", 1}}};
  std::int64_t unit = 1;
  for (const auto& [name, bytes] : kUnits) {
    if (!text.ends_with(name)) continue;
    text.remove_suffix(name.size());
    unit = bytes;
    break;
  }
  const auto number = parse_uint(text);
  if (!number || *number > static_cast<std::uint64_t>((1ll << 50) / unit)) return std::nullopt;
  return static_cast<std::int64_t>(*number) * unit;
}

std::optional<std::int64_t> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  const auto number = parse_uint(text);
  if (!number || *number > 100) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

std::string write_size(std::int64_t bytes) {
  if (bytes != 0 && bytes % (1ll << 30) == 0) return std::to_string(bytes >> 30) + "GiB";
  if (bytes != 0 && bytes % (1ll << 20) == 0) return std::to_string(bytes >> 20) + "MiB";
  if (bytes != 0 && bytes % (1ll << 10) == 0) return std::to_string(bytes >> 10) + "KiB";
  return std::to_string(bytes);
}

std::string write_duration(std::int64_t ms) {
  if (ms == 0) return "0s";
  if (ms % 3'600'000 == 0 && ms % 86'400'000 != 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms == 86'400'000) return "24h";
  if (ms % 86'400'000 == 0) return std::to_string(ms / 86'400'000) + "d";
  if (ms % 60'000 == 0 && ms >= 300'000) return std::to_string(ms / 60'000) + "m";
  if (ms % 1000 == 0) return std::to_string(ms / 1000) + "s";
  return std::to_string(ms) + "ms";
}

std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_uint(text.substr(colon + 1));
  if (!port || *port > 65535 || text.size() - colon > 6) return std::nullopt;
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host == "localhost") host = "127.0.0.1";
  const auto address = IpAddress::parse(host);
  if (!address) return std::nullopt;
  return HostPort{*address, static_cast<std::uint16_t>(*port)};
}

std::optional<UrlParts> parse_url(std::string_view text) {
  UrlParts parts;
  if (text.starts_with("https://")) {
    parts.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  if (text.size() > 1024 || !std::ranges::all_of(text, is_visible)) return std::nullopt;
  if (text.find_first_of("@?#\\") != std::string_view::npos) return std::nullopt;
  std::string_view authority = text.substr(0, text.find('/'));
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    parts.host = lower_ascii(authority.substr(1, end - 1));
    authority.remove_prefix(end + 1);
    if (!IpAddress::parse(parts.host)) return std::nullopt;
  } else {
    const std::size_t colon = authority.find(':');
    parts.host = lower_ascii(authority.substr(0, colon));
    authority = colon == std::string_view::npos ? "" : authority.substr(colon);
  }
  if (parts.host.empty()) return std::nullopt;
  if (!authority.empty()) {
    const auto port = authority.front() == ':' ? parse_uint(authority.substr(1)) : std::nullopt;
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
  }
  return parts;
}

bool is_loopback_host(std::string_view host) {
  if (equal_ascii_nocase(host, "localhost")) return true;
  const auto address = IpAddress::parse(host);
  return address && address->is_loopback();
}

bool is_pattern(std::string_view text) {
  if (text.empty() || text.size() > 256 || !std::ranges::all_of(text, is_visible)) return false;
  const std::size_t star = text.find('*');
  return star == std::string_view::npos || star + 1 == text.size();
}

}  // namespace sallyport::config
