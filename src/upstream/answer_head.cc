// SPDX-License-Identifier: Apache-2.0
#include "upstream/answer_head.h"

#include <algorithm>

#include "base/json_reader.h"
#include "base/text.h"
#include "net/http1_head.h"

namespace sallyport::upstream {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;
constexpr std::size_t kErrorCodeBytesMax = 64;

constexpr std::string_view kKept[] = {
    "content-type", "content-disposition", "openai-version", "openai-processing-ms",
    "retry-after",  "retry-after-ms",      "x-should-retry",
};

constexpr std::string_view kQuotaCodes[] = {
    "insufficient_quota",          "credit_balance_exhausted", "billing_hard_limit_reached",
    "billing_not_active",          "spend_limit_reached",      "spend_limit_exceeded",
    "project_spend_limit_reached",
};

bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= kErrorCodeBytesMax &&
         std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                  c == '-';
         });
}

std::string_view media_type(const net::ResponseMeta& meta) {
  const std::string* type = meta.find("content-type");
  if (!type) return {};
  return trim_ows(std::string_view(*type).substr(0, type->find(';')));
}

}  // namespace

Answer keep_of_head(const net::ResponseMeta& meta) {
  Answer answer;
  answer.status = meta.status;
  answer.content_length = meta.content_length;
  answer.event_stream = equal_ascii_nocase(media_type(meta), "text/event-stream");
  for (const std::string_view kept : kKept) {
    const std::string* value = meta.find(kept);
    if (value && net::is_field_value(*value)) answer.headers.emplace_back(kept, *value);
  }
  return answer;
}

std::optional<std::string> request_id_of(const net::ResponseMeta& meta) {
  const std::string* id = meta.find("x-request-id");
  if (!id || id->empty() || id->size() > kRequestIdBytesMax) return std::nullopt;
  const bool visible = std::ranges::all_of(*id, [](char c) { return c > ' ' && c < 0x7f; });
  return visible ? std::optional(*id) : std::nullopt;
}

Coding coding_of(const net::ResponseMeta& meta) {
  Coding coding = Coding::kIdentity;
  for (const auto& [name, value] : meta.headers) {
    if (name != "content-encoding" || equal_ascii_nocase(value, "identity")) continue;
    const bool gzip = equal_ascii_nocase(value, "gzip") || equal_ascii_nocase(value, "x-gzip");
    coding = gzip && coding == Coding::kIdentity ? Coding::kGzip : Coding::kUnknown;
  }
  return coding;
}

bool is_json(const net::ResponseMeta& meta) {
  return equal_ascii_nocase(media_type(meta), "application/json");
}

std::optional<std::string> error_code_of(std::string_view envelope) {
  const Result<JsonValue> document = JsonValue::parse(envelope);
  if (!document) return std::nullopt;
  const std::optional<JsonValue> error = document->at("error");
  if (!error) return std::nullopt;
  for (const std::string_view field : {"code", "type"}) {
    const std::optional<JsonValue> value = error->at(field);
    const auto text = value ? value->string() : std::nullopt;
    if (text && is_code(*text)) return std::string(*text);
  }
  return std::nullopt;
}

bool is_quota(std::string_view error_code) {
  return std::ranges::find(kQuotaCodes, error_code) != std::end(kQuotaCodes);
}

Outcome outcome_of(int status, const std::optional<std::string>& error_code) {
  if (status >= 500) return Outcome::kServerError;
  if (status != 429) return Outcome::kAnswered;
  return error_code && is_quota(*error_code) ? Outcome::kQuota : Outcome::kRate;
}

}  // namespace sallyport::upstream
