// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "net/http_client.h"

namespace sallyport::net {
namespace {

constexpr std::size_t kUrlBytesMax = 2048;
constexpr std::size_t kHostBytesMax = 253;  // RFC 1035

bool is_host_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_path_char(char c) {
  return c > ' ' && c < 0x7f && std::string_view("\"#<>?\\^`{|}").find(c) == std::string_view::npos;
}

// Takes the scheme off `text`; nothing if it is neither of the two.
std::optional<bool> take_scheme(std::string_view& text) {
  for (const auto& [scheme, tls] : {std::pair<std::string_view, bool>{"https://", true},
                                    std::pair<std::string_view, bool>{"http://", false}}) {
    if (!equal_ascii_nocase(text.substr(0, scheme.size()), scheme)) continue;
    text.remove_prefix(scheme.size());
    return tls;
  }
  return std::nullopt;
}

Result<std::uint16_t> parse_port(std::string_view digits) {
  const std::optional<std::uint64_t> port = digits.size() <= 5 ? parse_uint(digits) : std::nullopt;
  if (!port || *port == 0 || *port > 65535) return fail(Code::kInvalid, "URL: bad port");
  return static_cast<std::uint16_t>(*port);
}

Result<void> take_authority(std::string_view authority, Url& url) {
  std::string_view host = authority;
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return fail(Code::kInvalid, "URL: bad host");
    host = authority.substr(1, end - 1);
    const std::string_view after = authority.substr(end + 1);
    has_port = !after.empty();
    if (has_port && !after.starts_with(':')) return fail(Code::kInvalid, "URL: bad host");
    if (has_port) port = after.substr(1);
    const std::optional<IpAddress> address = IpAddress::parse(host);
    if (!address || !host.contains(':')) return fail(Code::kInvalid, "URL: bad IPv6 address");
  } else {
    const std::size_t colon = authority.find(':');
    has_port = colon != std::string_view::npos;
    host = authority.substr(0, colon);
    if (has_port) port = authority.substr(colon + 1);
  }
  url.host = lower_ascii(host);
  const bool literal = authority.starts_with('[');
  if (url.host.empty() || url.host.size() > kHostBytesMax ||
      (!literal && !std::ranges::all_of(url.host, is_host_char))) {
    return fail(Code::kInvalid, "URL: bad host");
  }
  if (!has_port) return {};
  const Result<std::uint16_t> number = parse_port(port);
  if (!number) return std::unexpected(number.error());
  url.port = *number;
  return {};
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return fail(Code::kInvalid, "URL: too long");
  const std::optional<bool> tls = take_scheme(text);
  if (!tls) return fail(Code::kInvalid, "URL: must begin with https:// or http://");

  Url url;
  url.tls = *tls;
  url.port = *tls ? 443 : 80;
  const std::size_t slash = std::min(text.find('/'), text.size());
  const Result<void> authority = take_authority(text.substr(0, slash), url);
  if (!authority) return std::unexpected(authority.error());

  std::string_view path = text.substr(slash);
  if (!std::ranges::all_of(path, is_path_char)) {
    return fail(Code::kInvalid, "URL: query, fragment or bad character in the path");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  return url;
}

std::string Url::authority() const {
  std::string out = host.contains(':') ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

}  // namespace sallyport::net
