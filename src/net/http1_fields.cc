// SPDX-License-Identifier: Apache-2.0
#include "net/http1_fields.h"

#include <algorithm>
#include <limits>

#include "net/http1_characters.h"
#include "net/http1_refusals.h"

namespace sallyport::net {

namespace {

// What stands where the colon must stand.
HeadError name_error(std::string_view lines, std::size_t at) {
  if (at == lines.size() || lines[at] == '\r') return refused::kFieldNoColon;
  if (is_blank(lines[at])) return at == 0 ? refused::kObsFold : refused::kFieldNameBlank;
  return refused::kFieldName;
}

// The line at the beginning of `lines`; `size` is its length without the line end.
std::optional<HeadError> parse_line(std::string_view lines, Header& out, std::size_t& size) {
  std::size_t colon = 0;
  while (colon < lines.size() && is_token_char(lines[colon])) ++colon;
  if (colon == 0 || colon == lines.size() || lines[colon] != ':') return name_error(lines, colon);
  const std::string_view rest = lines.substr(colon + 1);
  const std::size_t value_size = find_control(rest);
  if (value_size == rest.size() || rest[value_size] != '\r') return refused::kFieldValue;
  out.name = lines.substr(0, colon);
  out.value = without_blanks(rest.substr(0, value_size));
  size = colon + 1 + value_size;
  return std::nullopt;
}

}  // namespace

std::optional<HeadError> parse_field_lines(std::string_view lines,
                                           std::array<Header, kHeadersMax>& out,
                                           std::size_t& count) {
  count = 0;
  while (!lines.starts_with('\r')) {
    if (count == out.size()) return refused::kFieldsTooMany;
    std::size_t size = 0;
    if (const auto error = parse_line(lines, out[count], size)) return error;
    if (size + 1 >= lines.size() || lines[size + 1] != '\n') return refused::kBareCr;
    ++count;
    lines.remove_prefix(size + 2);
  }
  // The empty line ends the head, and nothing may stand behind it.
  if (lines != "\r\n") return refused::kBareCr;
  return std::nullopt;
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
