// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_query.h"

#include <algorithm>

#include "base/text.h"

namespace sallyport::sim {
namespace {

// '%' without two digits stays as it is: the server's own check refuses it before.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = text[at] == '%' ? from_hex(text.substr(at + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      out += *byte;
      at += 2;
    } else {
      out += text[at] == '+' ? ' ' : text[at];
    }
  }
  return out;
}

}  // namespace

Answer invalid_value(std::string_view name, std::string message) {
  return error_answer({.status = 400,
                       .type = "invalid_request_error",
                       .message = std::move(message),
                       .param = name,
                       .code = "invalid_value"});
}

Answer no_such(std::string_view kind, std::string_view id) {
  return error_answer({.status = 404,
                       .type = "invalid_request_error",
                       .message = "No such " + std::string(kind) + ": '" + std::string(id) + "'.",
                       .code = "not_found"});
}

Query::Query(std::string_view raw) {
  while (!raw.empty()) {
    const std::string_view pair = raw.substr(0, raw.find('&'));
    raw.remove_prefix(std::min(pair.size() + 1, raw.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name = decoded(pair.substr(0, equals));
    if (name.ends_with("[]")) name.resize(name.size() - 2);
    if (name.empty()) continue;
    values_.emplace_back(std::move(name), decoded(pair.substr(std::min(equals + 1, pair.size()))));
  }
}

std::optional<std::string_view> Query::one(std::string_view name) const {
  for (const auto& [key, value] : values_) {
    if (key == name && !value.empty()) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Query::all(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const auto& [key, value] : values_) {
    if (key == name && !value.empty()) found.push_back(value);
  }
  return found;
}

Asked<std::optional<std::int64_t>> Query::number(std::string_view name) const {
  const auto text = one(name);
  if (!text) return std::nullopt;
  constexpr std::uint64_t kMost = 253'402'300'799;  // the last second of the year 9999
  const auto number = parse_uint(*text);
  if (number && *number <= kMost) return static_cast<std::int64_t>(*number);
  return std::unexpected(invalid_value(
      name, "Invalid '" + std::string(name) + "': expected a whole number of at least 0."));
}

Asked<std::size_t> Query::limit(std::size_t otherwise, std::size_t most) const {
  const auto text = one("limit");
  if (!text) return otherwise;
  const auto number = parse_uint(*text);
  if (number && *number >= 1 && *number <= most) return static_cast<std::size_t>(*number);
  return std::unexpected(invalid_value(
      "limit", "Invalid 'limit': expected a whole number from 1 to " + std::to_string(most) + "."));
}

bool holds(const std::vector<std::string_view>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

Asked<Page> page_of(const std::vector<std::string_view>& ids, const Query& query,
                    std::size_t limit) {
  Page page{.begin = 0, .end = ids.size()};
  if (const auto after = query.one("after")) {
    const auto at = std::ranges::find(ids, *after);
    if (at == ids.end()) {
      return std::unexpected(invalid_value("after", "Invalid 'after': no such object."));
    }
    page.begin = static_cast<std::size_t>(at - ids.begin()) + 1;
  }
  const auto before = query.one("before");
  if (before) {
    const auto at = std::ranges::find(ids, *before);
    if (at == ids.end()) {
      return std::unexpected(invalid_value("before", "Invalid 'before': no such object."));
    }
    page.end = std::max(page.begin, static_cast<std::size_t>(at - ids.begin()));
  }
  page.more = page.end - page.begin > limit;
  if (!page.more) return page;
  if (before && !query.one("after")) {
    page.begin = page.end - limit;
  } else {
    page.end = page.begin + limit;
  }
  return page;
}

void write_page_end(JsonWriter& json, const std::vector<std::string_view>& ids, const Page& page) {
  json.key("first_id");
  if (page.begin == page.end) {
    json.null().key("last_id").null();
  } else {
    json.value(ids[page.begin]).field("last_id", ids[page.end - 1]);
  }
  json.field("has_more", page.more);
}

}  // namespace sallyport::sim
