// SPDX-License-Identifier: Apache-2.0
// The query of an Admin API call, and the pages of a list. Arrays come as `name[]=a&name[]=b` (the
// SDKs) or as `name=a&name=b`.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/answer.h"

namespace sallyport::sim {

// A value, or the answer that says what is wrong with what was asked.
template <class T>
using Asked = std::expected<T, Answer>;

Answer invalid_value(std::string_view name, std::string message);
Answer no_such(std::string_view kind, std::string_view id);  // 404

class Query {
 public:
  explicit Query(std::string_view raw);  // percent-encoded, without '?'

  // The first of that name; nothing if there is none or it is empty.
  std::optional<std::string_view> one(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  // A whole number of at least 0. An answer if it is something else.
  Asked<std::optional<std::int64_t>> number(std::string_view name) const;
  // `limit`, from 1 to `most`.
  Asked<std::size_t> limit(std::size_t otherwise, std::size_t most) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

bool holds(const std::vector<std::string_view>& values, std::string_view value);

// Which part of `ids` a call gets. `before` gives those just ahead of that id, in the same order.
struct Page {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool more = false;
};
Asked<Page> page_of(const std::vector<std::string_view>& ids, const Query& query,
                    std::size_t limit);

// "first_id", "last_id" and "has_more" behind the data.
void write_page_end(JsonWriter& json, const std::vector<std::string_view>& ids, const Page& page);

}  // namespace sallyport::sim
