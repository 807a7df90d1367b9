// SPDX-License-Identifier: Apache-2.0
// The field lines of a head, and those fields that decide where a message ends and whether the
// connection goes on. Shared by requests and answers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/http1_head.h"

namespace sallyport::net {

// `lines` is everything behind the start line, to the end of the empty line.
std::optional<HeadError> parse_field_lines(std::string_view lines,
                                           std::array<Header, kHeadersMax>& out,
                                           std::size_t& count);

// 1*DIGIT below 2^63 without leading zeros; nothing for all else.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool valid = true;  // a list of tokens
};
// One Connection field more; `options` collects.
void add_connection_options(std::string_view value, ConnectionOptions& options);

std::optional<std::string_view> find_field(std::span<const Header> fields, std::string_view name);

}  // namespace sallyport::net
