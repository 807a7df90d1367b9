// SPDX-License-Identifier: Apache-2.0
#include "audit/columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

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

Word yes_no(const std::optional<bool>& flag) {
  return flag ? Word(*flag ? "true" : "false") : std::nullopt;
}
Word types(const std::map<std::string, std::int64_t>& found, std::string& scratch) {
  scratch.clear();
  for (const auto& [type, count] : found) scratch += (scratch.empty() ? "" : ",") + type;
  return scratch;
}
Number sum(const std::map<std::string, std::int64_t>& found) {
  if (found.empty()) return std::nullopt;
  std::int64_t sum = 0;
  for (const auto& [type, count] : found)
    sum += std::clamp<std::int64_t>(count, 0, kNumberMax / 64);
  return sum;
}
Number nano(const std::optional<NanoUsd>& amount) {
  return amount ? Number(amount->nano) : std::nullopt;
}
// Scores are below a thousand; what is none counts as 0.
std::int64_t thousandths(double score) {
  constexpr double kScoreMax = 1'000;
  return score > 0 ? std::llround(std::min(score, kScoreMax) * kScoreUnit) : 0;
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
constexpr auto kThousandths = ColumnType::kThousandths;
constexpr auto kMoney = ColumnType::kMoney;

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
    {Column::kScore, "injection.score", "score", kThousandths, nullptr,
     NUMBER(e.injection
                ? Number(std::llround(std::clamp(e.injection->score, 0.0, 1.0) * kScoreUnit))
                : std::nullopt)},
    {Column::kLatency, "latency_ms", "latency", kNumber, nullptr, NUMBER(e.latency_ms)},
    {Column::kTokensIn, "tokens_input", "", kNumber, nullptr, NUMBER(e.tokens_input)},
    {Column::kTokensOut, "tokens_output", "", kNumber, nullptr, NUMBER(e.tokens_output)},
    {Column::kTokensCached, "tokens_cached", "", kNumber, nullptr, NUMBER(e.tokens_cached)},
    {Column::kCost, "cost_usd", "cost", kMoney, nullptr, NUMBER(nano(e.cost_usd))},
    {Column::kRepeated, "repeated", "", kNumber, nullptr, NUMBER(e.repeated)},
    {Column::kTid, "tid", "", kWords, WORD(view(e.tid)), nullptr},
    {Column::kStream, "stream", "", kWords, WORD(yes_no(e.stream)), nullptr},
    {Column::kAskedAgain, "asked_again", "", kWords, WORD(view(e.asked_again)), nullptr},
    {Column::kTokensEstimated, "tokens_estimated", "", kWords, WORD(yes_no(e.tokens_estimated)),
     nullptr},
    {Column::kPriceEstimated, "price_estimated", "", kWords, WORD(yes_no(e.price_estimated)),
     nullptr},
    {Column::kInputCount, "input_count", "", kWords, WORD(view(e.input_count)), nullptr},
    {Column::kPii, "pii", "", kWords, WORD(types(e.pii, s)), nullptr},
    {Column::kPiiCount, "pii.count", "", kNumber, nullptr, NUMBER(sum(e.pii))},
    {Column::kRole, "injection.role", "role", kWords,
     WORD(e.injection ? Word(e.injection->role) : std::nullopt), nullptr},
    {Column::kDetector, "finding.detector", "detector", kWords,
     WORD(e.finding ? Word(e.finding->detector) : std::nullopt), nullptr},
    {Column::kSeverity, "finding.severity", "severity", kWords,
     WORD(e.finding ? Word(name(e.finding->severity)) : std::nullopt), nullptr},
    {Column::kIncident, "finding.incident_id", "incident", kWords,
     WORD(e.finding ? Word(e.finding->incident_id) : std::nullopt), nullptr},
    {Column::kTags, "finding.tags", "tags", kWords,
     WORD(e.finding ? joined(e.finding->tags, s) : std::nullopt), nullptr},
    {Column::kFindingScore, "finding.score", "", kThousandths, nullptr,
     NUMBER(e.finding ? Number(thousandths(e.finding->score)) : std::nullopt)},
    {Column::kTtft, "ttft_ms", "ttft", kNumber, nullptr, NUMBER(e.ttft_ms)},
    {Column::kRequestBytes, "request_bytes", "", kNumber, nullptr, NUMBER(e.request_bytes)},
    {Column::kResponseBytes, "response_bytes", "", kNumber, nullptr, NUMBER(e.response_bytes)},
    {Column::kEstimatedInput, "estimated_input_tokens", "", kNumber, nullptr,
     NUMBER(e.estimated_input_tokens)},
    {Column::kReservedTokens, "reserved_tokens", "", kNumber, nullptr, NUMBER(e.reserved_tokens)},
    {Column::kReservedUsd, "reserved_usd", "", kMoney, nullptr, NUMBER(nano(e.reserved_usd))},
    {Column::kChargedTokens, "charged_tokens", "", kNumber, nullptr, NUMBER(e.charged_tokens)},
    {Column::kChargedUsd, "charged_usd", "", kMoney, nullptr, NUMBER(nano(e.charged_usd))},
    {Column::kProviderUsage, "provider_usage_usd", "", kMoney, nullptr,
     NUMBER(nano(e.provider_usage_usd))},
    {Column::kProviderUsageAge, "provider_usage_age_s", "", kNumber, nullptr,
     NUMBER(e.provider_usage_age_s)},
    {Column::kTimeRaised, "time_raised_ms", "", kNumber, nullptr, NUMBER(e.time_raised_ms)},
    {Column::kTrunc, "trunc", "", kWords, WORD(yes_no(e.trunc)), nullptr},
}};
#undef WORD
#undef NUMBER

}  // namespace

bool has_words(Column column) {
  const ColumnType type = row_of(column).type;
  return type == ColumnType::kWords || type == ColumnType::kNumberWords;
}

bool is_list(Column column) {
  return column == Column::kCategories || column == Column::kOutput || column == Column::kPii ||
         column == Column::kTags;
}

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
  const ColumnType type = row_of(column).type;
  if (type == ColumnType::kMoney && number >= 0) return usd_text({number});
  if (type == ColumnType::kThousandths && number >= 0) {
    const std::string fraction = std::to_string(1'000 + number % 1'000);  // 1|075
    return std::to_string(number / 1'000) + "." + fraction.substr(1);
  }
  return std::to_string(number);
}

std::optional<std::int64_t> parse_number(Column column, std::string_view text) {
  const ColumnType type = row_of(column).type;
  if (column == Column::kTime) {
    const auto time = parse_utc(text);
    return time ? Number(time->time_since_epoch().count()) : std::nullopt;
  }
  if (type == ColumnType::kMoney) {
    const auto usd = parse_usd(text);
    return usd ? Number(usd->nano) : std::nullopt;
  }
  if (type == ColumnType::kThousandths) {
    double score = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), score);
    if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (!(score >= 0 && score <= (column == Column::kScore ? 1 : 1'000))) return std::nullopt;
    return std::llround(score * kScoreUnit);
  }
  const auto number = parse_uint(text);
  if (!number || *number > static_cast<std::uint64_t>(kNumberMax)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

}  // namespace sallyport::audit
