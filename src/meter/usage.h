// SPDX-License-Identifier: Apache-2.0
// Reads the provider's usage objects: chat, completions, embeddings, responses, images,
// transcriptions (tokens or seconds). Figures that cannot be true (negative, beyond 2^40) are left
// out, never taken for 0.
#pragma once

#include <optional>
#include <string_view>

#include "base/json_reader.h"
#include "exchange/exchange.h"

namespace sallyport::meter {

// Nothing if the object has no figure that counts.
std::optional<Usage> read_usage(const JsonValue& usage);
std::optional<Usage> read_usage(std::string_view json);

}  // namespace sallyport::meter
