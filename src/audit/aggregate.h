// SPDX-License-Identifier: Apache-2.0
// Sums over columns: what is counted, by which fields and spans of time, and the first N of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/column_scan.h"
#include "audit/columns.h"
#include "base/result.h"

namespace sallyport::audit {

inline constexpr std::size_t kGroupsMax = 200'000;
inline constexpr std::size_t kDistinctMax = 2'000'000;  // pairs of group and value

// kCount: records. kRequests: what they stand for (`repeated`).
enum class Sum { kCount, kRequests, kSum, kMin, kMax, kMean, kDistinct };

struct Measure {
  Sum sum = Sum::kCount;
  Column column = Column::kTime;  // unless it is kCount or kRequests
  std::string name() const;       // "sum:cost_usd"
};
// "count", "requests", "sum:tokens_input", "distinct:ip". kInvalid tells what is wrong.
Result<Measure> parse_measure(std::string_view text);
std::vector<Measure> usual_measures();  // requests, tokens, cost

struct AggregateSpec {
  Selection selection = {};
  std::vector<Column> group_by = {};  // at most two, of words
  std::chrono::milliseconds bucket{0};
  std::vector<Measure> measures = usual_measures();
  std::size_t top = 0;  // the greatest so many by the first measure; 0: all, in their order
};

struct AggregateRow {
  std::optional<UtcTime> bucket;                    // its start
  std::vector<std::optional<std::string>> groups;   // as many as group_by
  std::vector<std::optional<std::int64_t>> values;  // as many as measures; null: there is none
};

struct AggregateAnswer {
  std::vector<AggregateRow> rows;
  std::size_t groups = 0;  // there are, before `top`
  ScanCount count;
  std::uint64_t end_seq = 1;  // what the answer holds up to
  std::optional<UtcTime> until;
  std::size_t open = 0;  // requests of the log that have no outcome yet
  std::vector<std::string> missing;
};

// kInvalid: the question is wrong. kExhausted: more groups or values than the limits above.
// kCorrupt names the damaged file.
Result<AggregateAnswer> aggregate(const ColumnSnapshot& snapshot, const AggregateSpec& spec,
                                  std::size_t threads = 2);

// As people read it: dollars, UTC.
std::string value_text(const Measure& measure, std::int64_t value);

// One JSON object: rows, freshness, what is missing. And RFC 4180, with a line of names; fields
// that a spreadsheet would take for a formula get an apostrophe before them.
std::string aggregate_json(const AggregateSpec& spec, const AggregateAnswer& answer);
std::string aggregate_csv(const AggregateSpec& spec, const AggregateAnswer& answer);
std::string aggregate_table(const AggregateSpec& spec, const AggregateAnswer& answer);

}  // namespace sallyport::audit
