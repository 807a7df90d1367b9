// SPDX-License-Identifier: Apache-2.0
#include "net/http1_target.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "net/http1_characters.h"
#include "net/http1_refusals.h"

namespace sallyport::net {

namespace {

constexpr std::size_t kHostBytesMax = 255;

// pchar of RFC 3986 without '%' (handled apart) and without ';': servers differ about what a path
// parameter is part of, and no path of the API has one.
constexpr auto kPathSet = detail::character_set("-._~!$&'()*+,=:@");

bool starts_with_nocase(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() && equal_lower(text.substr(0, lower.size()), lower);
}

// The byte of the escape at text[0] == '%'; -1 if it is broken.
int escaped_byte(std::string_view text) {
  if (text.size() < 3) return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// An escape is one spelling of one byte only if that byte could not stand there plain, and if no
// reader that decodes twice, or folds Unicode, could see a delimiter.
bool is_plain_escape(int byte) {
  if (byte < 0x20 || byte >= 0x7f) return false;
  const char c = static_cast<char>(byte);
  return !is_unreserved(c) && std::string_view("/\\%;?#").find(c) == std::string_view::npos;
}

std::optional<HeadError> check_segment(std::string_view segment) {
  for (std::size_t at = 0; at < segment.size(); ++at) {
    if (kPathSet[static_cast<unsigned char>(segment[at])]) continue;
    if (segment[at] == ';') return refused::kPathEscapeAmbiguous;
    if (segment[at] != '%') return refused::kPathCharacter;
    const int byte = escaped_byte(segment.substr(at));
    if (byte < 0) return refused::kPathEscape;
    if (!is_plain_escape(byte)) return refused::kPathEscapeAmbiguous;
    at += 2;
  }
  // Also "..." and "models.": some systems strip trailing dots, and no identifier ends with one.
  if (segment.ends_with('.')) return refused::kPathDotSegment;
  return std::nullopt;
}

bool is_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  unsigned port = 0;
  for (const char c : text) port = port * 10 + static_cast<unsigned>(c - '0');
  return port >= 1 && port <= 65535;
}

bool is_ipv6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() > INET6_ADDRSTRLEN) return false;
  std::ranges::copy(text, copy.begin());
  in6_addr address;
  return inet_pton(AF_INET6, copy.data(), &address) == 1;
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kHostBytesMax || text.front() == '.') return false;
  if (text.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(text, is_unreserved);
}

std::optional<HeadError> parse_absolute(std::string_view rest, RequestHead& out,
                                        std::string_view& path_and_query) {
  const std::size_t end = std::min(rest.find_first_of("/?#"), rest.size());
  out.authority = rest.substr(0, end);
  if (!is_authority(out.authority)) return refused::kTargetAuthority;
  path_and_query = rest.substr(end);
  return std::nullopt;
}

}  // namespace

bool is_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || !is_ipv6(text.substr(1, close - 1))) return false;
    const std::string_view rest = text.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)));
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return is_host_name(text);
  return is_host_name(text.substr(0, colon)) && is_port(text.substr(colon + 1));
}

bool same_authority(std::string_view a, std::string_view b) {
  const auto without_default_port = [](std::string_view text) {
    if (text.ends_with(":80")) return text.substr(0, text.size() - 3);
    if (text.ends_with(":443")) return text.substr(0, text.size() - 4);
    return text;
  };
  a = without_default_port(a);
  b = without_default_port(b);
  return std::ranges::equal(a, b, {}, ascii_lower, ascii_lower);
}

std::optional<HeadError> check_path(std::string_view path) {
  if (!path.starts_with('/')) return refused::kTargetForm;
  if (path == "/") return std::nullopt;
  std::string_view rest = path.substr(1);
  for (;;) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    // Many servers take "/v1/files/" for "/v1/files": a rule about one would not see the other.
    if (slash == 0) return refused::kPathEmptySegment;
    if (const auto error = check_segment(rest.substr(0, slash))) return error;
    if (slash == rest.size()) return std::nullopt;
    rest.remove_prefix(slash + 1);
  }
}

std::optional<HeadError> check_query(std::string_view query) {
  for (std::size_t at = 0; at < query.size(); ++at) {
    const auto byte = static_cast<unsigned char>(query[at]);
    if (byte <= 0x20 || byte >= 0x7f) return refused::kQueryInvalid;
    if (byte == '#') return refused::kTargetFragment;
    if (byte != '%') continue;
    const int escaped = escaped_byte(query.substr(at));
    // An escaped control character is an injection into whatever decodes it; no parameter has one.
    if (escaped < 0x20 || escaped == 0x7f) return refused::kQueryInvalid;
    at += 2;
  }
  return std::nullopt;
}

std::optional<HeadError> parse_target(std::string_view target, RequestHead& out) {
  out.path = out.query = out.authority = {};
  out.has_query = false;
  if (target.size() > kTargetBytesMax) return refused::kTargetTooLong;
  if (target == "*") {
    if (out.method != "OPTIONS") return refused::kTargetForm;
    out.path = target;
    return std::nullopt;
  }

  std::string_view path_and_query = target;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!starts_with_nocase(target, scheme)) continue;
    if (const auto error = parse_absolute(target.substr(scheme.size()), out, path_and_query)) {
      return error;
    }
  }
  if (path_and_query.find('#') != std::string_view::npos) return refused::kTargetFragment;

  const std::size_t question = path_and_query.find('?');
  out.path = path_and_query.substr(0, question);
  if (question != std::string_view::npos) {
    out.has_query = true;
    out.query = path_and_query.substr(question + 1);
  }
  if (out.path.empty() && !out.authority.empty()) out.path = "/";
  if (const auto error = check_path(out.path)) return error;
  return check_query(out.query);
}

}  // namespace sallyport::net
