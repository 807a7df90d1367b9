// SPDX-License-Identifier: Apache-2.0
// The parameters of an OAuth request: application/x-www-form-urlencoded, or one JSON object of
// texts. Strict and bounded: a parameter that stands twice, or that two readers could read
// differently, refuses the whole.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sallyport::keys {

inline constexpr std::size_t kFormBytesMax = 64 * 1024;
inline constexpr std::size_t kFormFieldsMax = 32;
inline constexpr std::size_t kFormNameBytesMax = 64;

// Printable ASCII only, names and values. A parameter without a value counts as left out (RFC 6749
// 3.2), but may not stand twice either.
using Form = std::map<std::string, std::string, std::less<>>;

Result<Form> parse_form(std::string_view text);       // kInvalid
Result<Form> parse_json_form(std::string_view json);  // kInvalid; null counts as left out

}  // namespace sallyport::keys
