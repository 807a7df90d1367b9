// SPDX-License-Identifier: Apache-2.0
// THE table of columns: which fields of the log line have a column, what kind of values it holds,
// and how it is taken from an event. A column of words is dictionary-coded; its numbers are
// compared as numbers where the table says so. The order is the order in the files: whoever changes
// it raises kColumnVersion, and all files are built again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "event/event.h"

namespace sallyport::audit {

inline constexpr std::uint32_t kColumnVersion = 2;

enum class Column : std::uint8_t {
  kTime,  // milliseconds since 1970
  kKind,
  kKey,
  kKid,
  kClaimedKid,
  kLayer,
  kIp,
  kGeo,
  kAsn,
  kNetwork,
  kEndpoint,
  kModel,
  kModule,
  kPurpose,
  kUpstream,
  kProviderKey,
  kStatus,
  kUpstreamStatus,
  kError,
  kAction,
  kActor,
  kVerdict,
  kCategories,
  kOutput,
  kScore,  // thousandths
  kLatency,
  kTokensIn,
  kTokensOut,
  kTokensCached,
  kCost,
  kRepeated,
  kTid,
  kStream,
  kAskedAgain,
  kTokensEstimated,
  kPriceEstimated,
  kInputCount,
  kPii,
  kPiiCount,
  kRole,
  kDetector,
  kSeverity,
  kIncident,
  kTags,
  kFindingScore,  // thousandths
  kTtft,
  kRequestBytes,
  kResponseBytes,
  kEstimatedInput,
  kReservedTokens,
  kReservedUsd,
  kChargedTokens,
  kChargedUsd,
  kProviderUsage,
  kProviderUsageAge,
  kTimeRaised,
  kTrunc,
};
inline constexpr std::size_t kColumns = static_cast<std::size_t>(Column::kTrunc) + 1;

// kMoney is nano-USD; kThousandths are of a number with a fraction.
enum class ColumnType { kWords, kNumberWords, kNumber, kThousandths, kMoney };

struct ColumnRow {
  Column column;
  std::string_view name;   // as in the log line; members of objects with a dot
  std::string_view alias;  // a shorter name, or empty
  ColumnType type;
  // One of the two. `scratch` may hold the word. An empty word is none.
  std::optional<std::string_view> (*word)(const Event& event, std::string& scratch);
  std::optional<std::int64_t> (*number)(const Event& event);
};

const ColumnRow& row_of(Column column);
std::optional<Column> find_column(std::string_view name);
bool has_words(Column column);
bool is_list(Column column);  // of words, with commas between them

std::optional<std::string_view> word_of(Column column, const Event& event, std::string& scratch);
// Within +-2^62: what is beyond is taken for the limit.
std::optional<std::int64_t> number_of(Column column, const Event& event);

// How people write and read the numbers of a column: dollars, scores from 0 to 1, UTC.
std::string number_text(Column column, std::int64_t number);
std::optional<std::int64_t> parse_number(Column column, std::string_view text);

}  // namespace sallyport::audit
