// SPDX-License-Identifier: Apache-2.0
#include "http/credential.h"

#include "base/text.h"

namespace sallyport::http {
namespace {

constexpr std::size_t kCredentialBytesMax = 2048;  // a derived token's limit
constexpr std::string_view kSubprotocol = "openai-insecure-api-key.";

// What follows "Bearer" or "DPoP" (RFC 9449) and one blank; nothing for other schemes, which are no
// credential of ours.
std::optional<std::string_view> bearer(std::string_view value) {
  for (const std::string_view scheme : {"bearer ", "dpop "}) {
    if (value.size() >= scheme.size() &&
        equal_ascii_nocase(value.substr(0, scheme.size()), scheme)) {
      return value.substr(scheme.size());
    }
  }
  return std::nullopt;
}

std::optional<std::string_view> subprotocol_key(std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view member = trim_ows(list.substr(0, comma));
    if (member.starts_with(kSubprotocol)) return member.substr(kSubprotocol.size());
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return std::nullopt;
}

std::optional<std::string_view> credential_of(const net::Header& field) {
  if (equal_ascii_nocase(field.name, "authorization")) return bearer(field.value);
  if (equal_ascii_nocase(field.name, "api-key") || equal_ascii_nocase(field.name, "x-api-key")) {
    return field.value;
  }
  if (equal_ascii_nocase(field.name, "sec-websocket-protocol")) return subprotocol_key(field.value);
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> take_credential(std::span<const net::Header> headers,
                                       std::optional<Secret>& credential) {
  std::optional<std::string_view> found;
  for (const net::Header& field : headers) {
    const auto value = credential_of(field);
    if (!value) continue;
    if (found && *found != *value) {
      return Refusal{.status = 400,
                     .code = "conflicting_credentials",
                     .message = "The request carries two different credentials."};
    }
    found = value;
  }
  if (found && found->size() > kCredentialBytesMax) {
    return Refusal{
        .status = 401, .code = "invalid_api_key", .message = "Incorrect API key provided."};
  }
  if (found) credential.emplace(*found);
  return std::nullopt;
}

bool names_our_key(std::string_view target) {
  return target.find("sk-sp1-") != std::string_view::npos ||
         target.find("sk-spd1-") != std::string_view::npos;
}

}  // namespace sallyport::http
