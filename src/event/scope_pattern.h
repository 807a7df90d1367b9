// SPDX-License-Identifier: Apache-2.0
// The words in which a key's scope is written: endpoints and models. A pattern that cannot be read
// matches nothing, so a damaged scope closes and never opens.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sallyport {

inline constexpr std::size_t kScopePatternBytesMax = 256;

// "POST /v1/responses", "GET /v1/models/*", "* /v1/*", "GET /v1/files/*/content". The method is
// exact or
// `*`. A `*` at the very end stands for any rest, a `*` that is a whole segment for one segment.
bool valid_endpoint_pattern(std::string_view pattern);
bool endpoint_matches(std::string_view pattern, std::string_view method, std::string_view path);

// "gpt-5.5", "gpt-5*", "*": exact, or a prefix that ends in `*`. Case counts, as at the provider.
bool valid_model_pattern(std::string_view pattern);
bool model_matches(std::string_view pattern, std::string_view model);

// An empty list allows all.
bool any_endpoint_matches(std::span<const std::string> patterns, std::string_view method,
                          std::string_view path);
bool any_model_matches(std::span<const std::string> patterns, std::string_view model);

}  // namespace sallyport
