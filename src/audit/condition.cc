// SPDX-License-Identifier: Apache-2.0
#include "audit/condition.h"

#include <array>
#include <utility>

#include "base/ip_address.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

using Word = std::optional<std::string_view>;

enum class Sign { kIs, kIsNot, kBelow, kAtMost, kAbove, kAtLeast };

struct Spelt {
  std::string_view text;
  Sign sign;
};
// The longer ones first.
constexpr std::array<Spelt, 6> kSigns = {{{"!=", Sign::kIsNot},
                                          {"<=", Sign::kAtMost},
                                          {">=", Sign::kAtLeast},
                                          {"=", Sign::kIs},
                                          {"<", Sign::kBelow},
                                          {">", Sign::kAbove}}};

struct Parts {
  std::string_view field;
  Sign sign = Sign::kIs;
  std::string_view value;
};

std::optional<Parts> split(std::string_view text) {
  const std::size_t at = text.find_first_of("!<>=");
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  for (const Spelt& spelt : kSigns) {
    if (!text.substr(at).starts_with(spelt.text)) continue;
    return Parts{text.substr(0, at), spelt.sign, text.substr(at + spelt.text.size())};
  }
  return std::nullopt;
}

// "4xx" is a class of a hundred.
std::optional<std::pair<std::int64_t, std::int64_t>> class_of(std::string_view value) {
  if (value.size() != 3 || value[0] < '1' || value[0] > '5') return std::nullopt;
  if (lower_ascii(value.substr(1)) != "xx") return std::nullopt;
  const std::int64_t from = (value[0] - '0') * 100;
  return std::pair{from, from + 99};
}

Result<void> set_range(Condition& out, Sign sign, std::int64_t from, std::int64_t to) {
  switch (sign) {
    case Sign::kIs:
    case Sign::kIsNot:
      out.low = from;
      out.high = to;
      break;
    case Sign::kBelow:
      out.high = from - 1;
      break;
    case Sign::kAtMost:
      out.high = to;
      break;
    case Sign::kAbove:
      out.low = to + 1;
      break;
    case Sign::kAtLeast:
      out.low = from;
      break;
  }
  return {};
}

Result<Condition> of_numbers(Condition out, const ColumnRow& row, const Parts& parts) {
  std::int64_t from = 0, to = 0;
  if (const auto whole = class_of(parts.value); whole && row.type == ColumnType::kNumberWords) {
    from = whole->first;
    to = whole->second;
  } else {
    const auto number = parse_number(row.column, parts.value);
    if (!number) {
      return fail(Code::kInvalid, std::string(row.name) + ": \"" + std::string(parts.value) +
                                      "\" is not a value of this field");
    }
    from = to = *number;
  }
  out.inverted = parts.sign == Sign::kIsNot;
  out.null_holds = out.inverted;
  if (const auto set = set_range(out, parts.sign, from, to); !set) {
    return std::unexpected(set.error());
  }
  if (row.type == ColumnType::kNumberWords) {
    out.word = [range = out](Word word) {
      const auto number = word ? parse_uint(*word) : std::nullopt;
      return range.holds(number ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt);
    };
  }
  return out;
}

Condition of_null(Condition out, bool is_null) {
  out.word = [is_null](Word word) { return word.has_value() != is_null; };
  out.null_holds = is_null;
  if (is_null) out.high = INT64_MIN + 1, out.low = INT64_MAX;
  return out;
}

bool matches(std::string_view word, std::string_view value, bool prefix) {
  return prefix ? word.starts_with(value) : word == value;
}

bool any_of_list(std::string_view words, std::string_view value, bool prefix) {
  while (true) {
    const std::size_t comma = words.find(',');
    if (matches(words.substr(0, comma), value, prefix)) return true;
    if (comma == std::string_view::npos) return false;
    words.remove_prefix(comma + 1);
  }
}

Result<Condition> of_words(Condition out, const ColumnRow& row, const Parts& parts) {
  if (parts.sign != Sign::kIs && parts.sign != Sign::kIsNot) {
    return fail(Code::kInvalid, std::string(row.name) + " has no order: use = or !=");
  }
  const bool is = parts.sign == Sign::kIs;
  std::string value(parts.value);
  if (row.column == Column::kIp) {
    const auto range = Cidr::parse(value);
    if (!range) return fail(Code::kInvalid, "ip: \"" + value + "\" is no address or range");
    out.word = [range = *range, is](Word word) {
      const auto address = word ? IpAddress::parse(*word) : std::nullopt;
      return (address && range.contains(*address)) == is;
    };
  } else {
    const bool prefix = value.ends_with('*');
    if (prefix) value.pop_back();
    out.word = [value, is, prefix, list = is_list(row.column)](Word word) {
      const bool whole = word && matches(*word, value, prefix);
      return (whole || (list && word && any_of_list(*word, value, prefix))) == is;
    };
  }
  return out;
}

}  // namespace

bool Condition::holds(const Event& event) const {
  std::string scratch;
  for (const Column column : columns) {
    if (has_words(column) ? word(word_of(column, event, scratch))
                          : holds(number_of(column, event))) {
      return true;
    }
  }
  return false;
}

Result<Condition> parse_condition(std::string_view text) {
  const auto parts = split(text);
  if (!parts) {
    return fail(Code::kInvalid, "\"" + std::string(text) + "\" is no FIELD=VALUE");
  }
  const auto column = find_column(parts->field);
  if (!column) {
    return fail(Code::kInvalid, "there is no column \"" + std::string(parts->field) +
                                    "\"; docs/audit-queries.md lists them");
  }
  Condition out{.columns = {*column}};
  const ColumnRow& row = row_of(*column);
  const bool equality = parts->sign == Sign::kIs || parts->sign == Sign::kIsNot;
  if (parts->value == "null" && equality) return of_null(out, parts->sign == Sign::kIs);
  return row.type == ColumnType::kWords ? of_words(std::move(out), row, *parts)
                                        : of_numbers(std::move(out), row, *parts);
}

Condition word_is(Column column, std::string word) {
  return {.columns = {column},
          .word = [word = std::move(word)](Word other) { return other == word; }};
}

}  // namespace sallyport::audit
