// SPDX-License-Identifier: Apache-2.0
// How sums are asked for and shown: names of measures, JSON, CSV, a table for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "audit/aggregate.h"
#include "base/json_writer.h"

namespace sallyport::audit {
namespace {

struct SumName {
  Sum sum;
  std::string_view name;
};
constexpr std::array<SumName, 7> kSums = {{{Sum::kCount, "count"},
                                           {Sum::kRequests, "requests"},
                                           {Sum::kSum, "sum"},
                                           {Sum::kMin, "min"},
                                           {Sum::kMax, "max"},
                                           {Sum::kMean, "mean"},
                                           {Sum::kDistinct, "distinct"}}};

bool stands_alone(Sum sum) { return sum == Sum::kCount || sum == Sum::kRequests; }

// Numbers as JSON numbers; money and scores as decimals, times as text.
void write_value(JsonWriter& json, const Measure& measure, std::optional<std::int64_t> value) {
  if (!value) {
    json.null();
  } else if (measure.sum != Sum::kDistinct && !stands_alone(measure.sum) &&
             measure.column == Column::kTime) {
    json.value(value_text(measure, *value));
  } else {
    json.raw(value_text(measure, *value));
  }
}

// RFC 4180; and no program takes it for a formula (CSV injection).
void append_csv(std::string& out, std::string_view field) {
  std::string text(field);
  if (!text.empty() && std::string_view("=+-@\t\r").contains(text.front())) text.insert(0, 1, '\'');
  if (text.find_first_of("\",\r\n") == std::string::npos && text.find('\'') == std::string::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::vector<std::string> heading(const AggregateSpec& spec) {
  std::vector<std::string> names;
  if (spec.bucket.count() > 0) names.emplace_back("bucket");
  for (const Column column : spec.group_by) names.emplace_back(row_of(column).name);
  for (const Measure& measure : spec.measures) names.push_back(measure.name());
  return names;
}

std::vector<std::string> fields(const AggregateSpec& spec, const AggregateRow& row,
                                std::string_view null) {
  std::vector<std::string> out;
  if (row.bucket) out.push_back(format_utc(*row.bucket));
  for (const auto& group : row.groups) out.emplace_back(group ? *group : std::string(null));
  for (std::size_t m = 0; m < row.values.size(); ++m) {
    out.push_back(row.values[m] ? value_text(spec.measures[m], *row.values[m]) : std::string(null));
  }
  return out;
}

// What a terminal would take for a command, and what ends a line, is shown as a question mark.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

}  // namespace

std::string Measure::name() const {
  std::string out;
  for (const SumName& row : kSums) {
    if (row.sum == sum) out = row.name;
  }
  return stands_alone(sum) ? out : out + ":" + std::string(row_of(column).name);
}

Result<Measure> parse_measure(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view head = text.substr(0, colon);
  for (const SumName& row : kSums) {
    if (row.name != head) continue;
    if (stands_alone(row.sum) != (colon == std::string_view::npos)) break;
    if (stands_alone(row.sum)) return Measure{row.sum, Column::kTime};
    const auto column = find_column(text.substr(colon + 1));
    if (!column) break;
    if (has_words(*column) != (row.sum == Sum::kDistinct)) {
      return fail(Code::kInvalid, "\"" + std::string(text) +
                                      "\": numbers have sum, min, max and mean; words distinct");
    }
    const bool of_times = *column == Column::kTime;
    if (of_times && (row.sum == Sum::kSum || row.sum == Sum::kMean)) break;
    return Measure{row.sum, *column};
  }
  return fail(Code::kInvalid, "\"" + std::string(text) +
                                  "\" is no measure: count, requests, or sum, min, max, mean, "
                                  "distinct with a field, as in sum:cost_usd");
}

std::vector<Measure> usual_measures() {
  return {{Sum::kRequests, Column::kTime},
          {Sum::kSum, Column::kTokensIn},
          {Sum::kSum, Column::kTokensOut},
          {Sum::kSum, Column::kCost}};
}

std::string value_text(const Measure& measure, std::int64_t value) {
  if (stands_alone(measure.sum) || measure.sum == Sum::kDistinct) return std::to_string(value);
  return number_text(measure.column, value);
}

std::string aggregate_json(const AggregateSpec& spec, const AggregateAnswer& answer) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("rows").begin_array();
  for (const AggregateRow& row : answer.rows) {
    json.begin_object();
    if (row.bucket) json.field("bucket", format_utc(*row.bucket));
    for (std::size_t i = 0; i < row.groups.size(); ++i) {
      json.field(row_of(spec.group_by[i]).name, row.groups[i]);
    }
    for (std::size_t m = 0; m < row.values.size(); ++m) {
      json.key(spec.measures[m].name());
      write_value(json, spec.measures[m], row.values[m]);
    }
    json.end_object();
  }
  json.end_array().field("groups", std::uint64_t{answer.groups});
  json.field("records", answer.count.picked).field("open_requests", std::uint64_t{answer.open});
  json.field("holds_up_to_seq", answer.end_seq - 1);
  json.field("holds_up_to_utc",
             answer.until ? std::optional(format_utc(*answer.until)) : std::nullopt);
  json.key("missing").begin_array();
  for (const std::string& what : answer.missing) json.value(what);
  json.end_array().end_object();
  return out;
}

std::string aggregate_csv(const AggregateSpec& spec, const AggregateAnswer& answer) {
  std::string out;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) out += ',';
      append_csv(out, cells[i]);
    }
    out += "\r\n";
  };
  line(heading(spec));
  for (const AggregateRow& row : answer.rows) line(fields(spec, row, ""));
  return out;
}

std::string aggregate_table(const AggregateSpec& spec, const AggregateAnswer& answer) {
  std::vector<std::vector<std::string>> lines{heading(spec)};
  for (const AggregateRow& row : answer.rows) {
    lines.push_back(fields(spec, row, "-"));
    for (std::string& cell : lines.back()) cell = printable(std::move(cell));
  }
  const std::size_t words = spec.group_by.size() + (spec.bucket.count() > 0 ? 1 : 0);
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      out += i < words ? fmt::format("{:<{}}  ", line[i], widths[i])
                       : fmt::format("{:>{}}  ", line[i], widths[i]);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace sallyport::audit
