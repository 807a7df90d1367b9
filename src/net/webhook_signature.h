// SPDX-License-Identifier: Apache-2.0
// The signature of a message by the Standard Webhooks convention: "v1," and base64 of
// HMAC-SHA-256 over "<id>.<timestamp>.<body>".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace sallyport::net {

// `secret` is "whsec_" and base64 of 24 bytes or more, or any text of that length. kInvalid: too
// short, or not base64; `id` is empty or has a dot.
Result<std::string> webhook_signature(const Secret& secret, std::string_view id,
                                      std::int64_t timestamp_s, std::string_view body);

}  // namespace sallyport::net
