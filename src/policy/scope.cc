// SPDX-License-Identifier: Apache-2.0
#include "policy/scope.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "event/scope_pattern.h"
#include "provider/endpoints.h"

namespace sallyport::policy {
namespace {

// Does not say what would be allowed: a thief would read it as a map.
Refusal endpoint_not_allowed() {
  return {.status = 403,
          .code = "endpoint_not_allowed",
          .message = "This API key is not allowed to call this endpoint."};
}

Refusal websocket_not_supported() {
  return {.status = 501,
          .code = "websocket_not_supported",
          .message = "This gateway does not carry WebSocket connections. Use the HTTP endpoint."};
}

Refusal unsupported_media_type(std::string message) {
  return {.status = 415, .code = "unsupported_media_type", .message = std::move(message)};
}

// Read-only is what neither creates nor changes nor bills: reading stored objects and models, and
// counting tokens. What the table does not know may do anything.
bool only_reads(const Exchange& x, const provider::Endpoint& endpoint) {
  if (x.method == "POST") return x.path == "/v1/responses/input_tokens";
  if (x.method != "GET" && x.method != "HEAD") return false;
  return provider::known(endpoint) && endpoint.family != "realtime";
}

// Is `token` a member of the comma-separated list?
bool list_names(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equal_ascii_nocase(trim_ows(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool asks_for_websocket(const Exchange& x) {
  return std::ranges::any_of(x.headers, [](const net::Header& header) {
    return equal_ascii_nocase(header.name, "upgrade") && list_names(header.value, "websocket");
  });
}

// A body whose kind nobody names is a body that nobody inspects.
std::optional<Refusal> check_body(const Exchange& x, const provider::Endpoint& endpoint) {
  const bool has_body = x.incoming != nullptr && x.incoming_length.value_or(1) > 0;
  if (!has_body) return std::nullopt;
  const std::optional<std::string_view> type = x.header("content-type");
  if (!type || trim_ows(*type).empty()) {
    return unsupported_media_type("A request with a body needs a Content-Type header.");
  }
  if (!provider::body_allowed(endpoint, *type)) {
    return unsupported_media_type("This endpoint does not take a body of this Content-Type.");
  }
  return std::nullopt;
}

// A client chooses its label only among those its key lists: it must not choose its own baseline.
std::string label(const Exchange& x, std::string_view header,
                  const std::vector<std::string>& allowed, const std::string& otherwise) {
  const std::optional<std::string_view> asked = x.header(header);
  if (asked && std::ranges::find(allowed, *asked) != allowed.end()) return std::string(*asked);
  return otherwise;
}

}  // namespace

Task<std::optional<Refusal>> Scope::admit(Exchange& x) { co_return decide(x); }

std::optional<Refusal> Scope::decide(Exchange& x) const {
  if (!x.principal) {  // main.cc put the stages in a wrong order: closed
    x.denied_because = "no_principal";
    return endpoint_not_allowed();
  }
  const Principal& caller = *x.principal;
  x.module = label(x, "x-sallyport-module", caller.modules, caller.module);
  x.purpose = label(x, "x-sallyport-purpose", caller.purposes, caller.purpose);

  if (provider::administrative(x.path)) {
    x.denied_because = "administrative_path";
    return endpoint_not_allowed();
  }
  const provider::Endpoint& endpoint = provider::find_endpoint(x.method, x.path);
  const bool reads = only_reads(x, endpoint);
  const bool allowed = every_layer(caller, [&](const Restrictions& layer) {
    if (!any_endpoint_matches(layer.endpoints, x.method, x.path)) x.denied_because = "endpoint";
    if (layer.read_only && !reads) x.denied_because = "read_only";
    return x.denied_because == nullptr;
  });
  if (!allowed) return endpoint_not_allowed();
  if (provider::websocket_endpoint(x.path) && asks_for_websocket(x))
    return websocket_not_supported();
  return check_body(x, endpoint);
}

}  // namespace sallyport::policy
