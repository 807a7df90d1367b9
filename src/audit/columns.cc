// SPDX-License-Identifier: Apache-2.0
#include "audit/columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace sallyport::audit {
namespace {

using Word = std::optional<std::string_view>;
using Number = std::optional<std::int64_t>;

constexpr std::int64_t kNumberMax = std::int64_t{1} << 62;
constexpr double kScoreUnit = 1000;

Word view(const std::optional<std::string>& text) { return text ? Word(*text) : std::nullopt; }
template <class T>
Word digits(const std::optional<T>& number, std::string& scratch) {
  if (!number) return std::nullopt;
  scratch = std::to_string(*number);
  return scratch;
}
Word joined(const std::vector<std::string>& words, std::string& scratch) {
  scratch.clear();
  for (const std::string& word : words) scratch += (scratch.empty() ? "" : ",") + word;
  return scratch;
}

#define WORD(of)                               \
  [](const Event& e, std::string& s) -> Word { \
    (void)s;                                   \
    return of;                                 \
  }
#define NUMBER(of) [](const Event& e) -> Number { return of; }

constexpr auto kWords = ColumnType::kWords;
constexpr auto kNumberWords = ColumnType::kNumberWords;
constexpr auto kNumber = ColumnType::kNumber;

const std::array<ColumnRow, kColumns> kTable = {{
    {Column::kTime, "timestamp_utc", "time", kNumber, nullptr,
     NUMBER(e.timestamp_utc.time_since_epoch().count())},
    {Column::kKind, "kind", "", kWords, WORD(name(e.kind)), nullptr},
    {Column::kKey, "api_key_id", "key", kWords, WORD(view(e.api_key_id)), nullptr},
    {Column::kKid, "kid", "", kWords, WORD(view(e.kid)), nullptr},
    {Column::kClaimedKid, "claimed_kid", "", kWords, WORD(view(e.claimed_kid)), nullptr},
    {Column::kLayer, "layer", "", kWords, WORD(view(e.layer)), nullptr},
    {Column::kIp, "ip", "", kWords, WORD(e.ip), nullptr},
    {Column::kGeo, "geo", "country", kWords, WORD(view(e.geo)), nullptr},
    {Column::kAsn, "asn", "", kNumberWords, WORD(digits(e.asn, s)), nullptr},
    {Column::kNetwork, "network", "", kWords, WORD(view(e.network)), nullptr},
    {Column::kEndpoint, "endpoint", "", kWords, WORD(e.endpoint), nullptr},
    {Column::kModel, "model", "", kWords, WORD(view(e.model)), nullptr},
    {Column::kModule, "metadata.module", "module", kWords, WORD(e.module), nullptr},
    {Column::kPurpose, "metadata.purpose", "purpose", kWords, WORD(e.purpose), nullptr},
    {Column::kUpstream, "upstream", "", kWords, WORD(view(e.upstream)), nullptr},
    {Column::kProviderKey, "provider_key_id", "", kWords, WORD(view(e.provider_key_id)), nullptr},
    {Column::kStatus, "status", "", kNumberWords, WORD(digits(e.status, s)), nullptr},
    {Column::kUpstreamStatus, "upstream_status", "", kNumberWords,
     WORD(digits(e.upstream_status, s)), nullptr},
    {Column::kError, "error", "", kWords, WORD(view(e.error)), nullptr},
    {Column::kAction, "action", "", kWords, WORD(view(e.action)), nullptr},
    {Column::kActor, "actor", "", kWords, WORD(view(e.actor)), nullptr},
    {Column::kVerdict, "injection.verdict", "verdict", kWords,
     WORD(e.injection ? Word(e.injection->verdict) : std::nullopt), nullptr},
    {Column::kCategories, "injection.categories", "categories", kWords,
     WORD(e.injection ? joined(e.injection->categories, s) : std::nullopt), nullptr},
    {Column::kOutput, "output.flags", "flags", kWords, WORD(joined(e.output_flags, s)), nullptr},
    {Column::kScore, "injection.score", "score", kNumber, nullptr,
     NUMBER(e.injection
                ? Number(std::llround(std::clamp(e.injection->score, 0.0, 1.0) * kScoreUnit))
                : std::nullopt)},
    {Column::kLatency, "latency_ms", "latency", kNumber, nullptr, NUMBER(e.latency_ms)},
    {Column::kTokensIn, "tokens_input", "", kNumber, nullptr, NUMBER(e.tokens_input)},
    {Column::kTokensOut, "tokens_output", "", kNumber, nullptr, NUMBER(e.tokens_output)},
    {Column::kTokensCached, "tokens_cached", "", kNumber, nullptr, NUMBER(e.tokens_cached)},
    {Column::kCost, "cost_usd", "cost", kNumber, nullptr,
     NUMBER(e.cost_usd ? Number(e.cost_usd->nano) : std::nullopt)},
    {Column::kRepeated, "repeated", "", kNumber, nullptr, NUMBER(e.repeated)},
}};
#undef WORD
#undef NUMBER

}  // namespace

const ColumnRow& row_of(Column column) { return kTable[static_cast<std::size_t>(column)]; }

std::optional<Column> find_column(std::string_view name) {
  for (const ColumnRow& row : kTable) {
    if (row.name == name || (!row.alias.empty() && row.alias == name)) return row.column;
  }
  return std::nullopt;
}

std::optional<std::string_view> word_of(Column column, const Event& event, std::string& scratch) {
  const Word word = row_of(column).word(event, scratch);
  return word && !word->empty() ? word : std::nullopt;
}

std::optional<std::int64_t> number_of(Column column, const Event& event) {
  const Number number = row_of(column).number(event);
  return number ? Number(std::clamp(*number, -kNumberMax, kNumberMax)) : std::nullopt;
}

std::string number_text(Column column, std::int64_t number) {
  if (column == Column::kTime) return format_utc(UtcTime(std::chrono::milliseconds(number)));
  if (column == Column::kCost && number >= 0) return usd_text({number});
  if (column == Column::kScore) {
    const std::string thousandths = std::to_string(number + 10'000);  // 1|0|750 -> 0.750
    return thousandths.substr(1, 1) + "." + thousandths.substr(2);
  }
  return std::to_string(number);
}

std::optional<std::int64_t> parse_number(Column column, std::string_view text) {
  if (column == Column::kTime) {
    const auto time = parse_utc(text);
    return time ? Number(time->time_since_epoch().count()) : std::nullopt;
  }
  if (column == Column::kCost) {
    const auto usd = parse_usd(text);
    return usd ? Number(usd->nano) : std::nullopt;
  }
  if (column == Column::kScore) {
    double score = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), score);
    if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (!(score >= 0 && score <= 1)) return std::nullopt;
    return std::llround(score * kScoreUnit);
  }
  const auto number = parse_uint(text);
  if (!number || *number > static_cast<std::uint64_t>(kNumberMax)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

}  // namespace sallyport::audit
