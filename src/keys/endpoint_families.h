// SPDX-License-Identifier: Apache-2.0
// The provider's endpoints in words that a person writes: "chat", "embeddings". The caveat `ep` of
// derived tokens names families; each stands for patterns of event/scope_pattern.h that hold
// exactly its endpoints (a test compares them with the table in provider/endpoints.h).
#pragma once

#include <span>
#include <string_view>

namespace sallyport::keys {

struct EndpointFamily {
  std::string_view name;
  std::span<const std::string_view> patterns;
};

std::span<const EndpointFamily> endpoint_families();

// Null: there is no such family. "admin" and "unknown" are none: they cannot be allowed.
const EndpointFamily* find_endpoint_family(std::string_view name);

}  // namespace sallyport::keys
