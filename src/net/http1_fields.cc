// SPDX-License-Identifier: Apache-2.0
#include "net/http1_fields.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "net/http1_characters.h"
#include "net/http1_refusals.h"

namespace sallyport::net {

namespace {

std::optional<HeadError> parse_line(std::string_view line, Header& out) {
  std::size_t colon = 0;
  while (colon < line.size() && is_token_char(line[colon])) ++colon;
  if (colon == 0 && is_blank(line[0])) return refused::kObsFold;
  if (colon == line.size()) return refused::kFieldNoColon;
  if (is_blank(line[colon])) return refused::kFieldNameBlank;
  if (line[colon] != ':' || colon == 0) return refused::kFieldName;
  out.name = line.substr(0, colon);
  out.value = without_blanks(line.substr(colon + 1));
  if (!is_field_value(out.value)) return refused::kFieldValue;
  return std::nullopt;
}

}  // namespace

std::optional<HeadError> parse_field_lines(std::string_view lines,
                                           std::array<Header, kHeadersMax>& out,
                                           std::size_t& count) {
  count = 0;
  for (;;) {
    const auto* cr = static_cast<const char*>(std::memchr(lines.data(), '\r', lines.size()));
    if (cr == nullptr) return refused::kFieldValue;
    const auto end = static_cast<std::size_t>(cr - lines.data());
    if (end + 1 >= lines.size() || lines[end + 1] != '\n') return refused::kBareCr;
    // The empty line ends the head, and nothing may stand behind it.
    if (end == 0) return lines.size() == 2 ? std::nullopt : std::optional(refused::kBareCr);
    if (count == out.size()) return refused::kFieldsTooMany;
    if (const auto error = parse_line(lines.substr(0, end), out[count])) return error;
    ++count;
    lines.remove_prefix(end + 2);
  }
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  if (value.empty() || value.size() > 19) return std::nullopt;
  if (value.size() > 1 && value[0] == '0') return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : value) {
    if (!is_digit(c)) return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits fit into 64 bits
  }
  if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return length;
}

void add_connection_options(std::string_view value, ConnectionOptions& options) {
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view option = without_blanks(value.substr(0, comma));
    value.remove_prefix(std::min(comma + 1, value.size()));
    if (option.empty()) continue;  // RFC 9110 5.6.1: a reader takes empty list elements
    options.valid = options.valid && is_token(option);
    options.close = options.close || equal_lower(option, "close");
    options.keep_alive = options.keep_alive || equal_lower(option, "keep-alive");
  }
}

std::optional<std::string_view> find_field(std::span<const Header> fields, std::string_view name) {
  for (const Header& field : fields) {
    if (field.name.size() != name.size()) continue;
    if (std::ranges::equal(field.name, name, {}, ascii_lower, ascii_lower)) return field.value;
  }
  return std::nullopt;
}

}  // namespace sallyport::net
