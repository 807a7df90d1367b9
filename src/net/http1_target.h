// SPDX-License-Identifier: Apache-2.0
// Request targets (RFC 9112 3.2). Only paths in normal form pass: whatever one reader could resolve
// to another path than the policy saw (dot segments, encoded slashes, double encoding, path
// parameters, a trailing slash) is refused, so the path that is checked is the path that is sent.
#pragma once

#include <optional>
#include <string_view>

#include "net/http1_head.h"

namespace sallyport::net {

// Splits `target` into out.path, out.query and out.authority. `out.method` is set.
std::optional<HeadError> parse_target(std::string_view target, RequestHead& out);

std::optional<HeadError> check_path(std::string_view path);
std::optional<HeadError> check_query(std::string_view query);

// uri-host [":" port]: a name, an IPv4 address or a bracketed IPv6 address; a port is 1 to 65535.
// No userinfo, no list, no escapes.
bool is_authority(std::string_view text);
// The same host and port, when a default port (80, 443) may be left out.
bool same_authority(std::string_view a, std::string_view b);

}  // namespace sallyport::net
