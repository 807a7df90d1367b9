// SPDX-License-Identifier: Apache-2.0
// Takes the credential out of a request's head, from exactly one place.
#pragma once

#include <optional>
#include <span>

#include "exchange/exchange.h"

namespace sallyport::http {

// `Authorization: Bearer` or `DPoP`, `api-key`, `x-api-key` or the WebSocket subprotocol. Two
// places with different values are refused, the same value twice is one. No credential is not an
// error here. At most 2,048 bytes.
std::optional<Refusal> take_credential(std::span<const net::Header> headers,
                                       std::optional<Secret>& credential);

// Does a path or query carry a key of ours? It would go up, and into every log on its way.
bool names_our_key(std::string_view target);

}  // namespace sallyport::http
