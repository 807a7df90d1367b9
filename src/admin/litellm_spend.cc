// SPDX-License-Identifier: Apache-2.0
#include "admin/litellm_spend.h"

#include <map>

#include "admin/litellm_shapes.h"
#include "base/json_writer.h"
#include "event/money.h"

namespace sallyport::admin {
namespace {

constexpr auto kDay = std::chrono::hours(24);

void write_row(JsonWriter& json, const Event& event) {
  const std::int64_t in = event.tokens_input.value_or(0), out = event.tokens_output.value_or(0);
  const auto started =
      event.timestamp_utc - std::chrono::milliseconds(event.latency_ms.value_or(0));
  json.begin_object()
      .field("request_id", event.request_id)
      .field("call_type", event.endpoint)
      .field("api_key", event.kid)
      .key("spend")
      .raw(usd_text(event.cost_usd.value_or(NanoUsd{})))
      .field("total_tokens", in + out)
      .field("prompt_tokens", in)
      .field("completion_tokens", out)
      .field("startTime", format_utc(started))
      .field("endTime", format_utc(event.timestamp_utc))
      .field("model", event.model.value_or(""))
      .field("user", "")
      .field("requester_ip_address", event.ip)
      .field("status", event.error ? "failure" : "success")
      .field("cache_hit", "False");
  json.key("request_tags").begin_array().end_array();
  json.key("metadata")
      .begin_object()
      .field("user_api_key_alias", event.api_key_id)
      .field("module", event.module)
      .field("purpose", event.purpose)
      .end_object()
      .end_object();
}

// Whole billionths: sums of binary fractions show digits that nobody was charged.
struct DaySum {
  NanoUsd spend;
  std::map<std::string, NanoUsd> keys, models;
};

void write_sums(JsonWriter& json, std::string_view member,
                const std::map<std::string, NanoUsd>& sums) {
  json.key(member).begin_object();
  for (const auto& [name, usd] : sums) json.key(name).raw(usd_text(usd));
  json.end_object();
}

}  // namespace

Result<SpendQuestion> parse_spend_question(const keys::Form& query, const std::string& journal) {
  SpendQuestion question;
  question.spec.journal = journal;
  question.spec.kind = Kind::kRequest;
  bool dated = false;
  std::string summarize = "true";
  for (const auto& [name, value] : query) {
    if (name == "api_key") {
      question.spec.key = litellm_key_name(value);
      if (!question.spec.key) return fail(Code::kInvalid, "api_key is no key, kid or alias");
    } else if (name == "request_id") {
      question.spec.request_id = value;
    } else if (name == "start_date" || name == "end_date") {
      const auto day = value.size() == 10 ? parse_utc(value) : std::nullopt;
      if (!day) return fail(Code::kInvalid, name + " must be a date such as 2026-01-31");
      dated = true;
      if (name == "start_date") question.spec.period.since = *day;
      if (name == "end_date") question.spec.period.until = *day + kDay;  // that day included
    } else if (name == "summarize" && (value == "true" || value == "false")) {
      summarize = value;
    } else {
      return fail(Code::kInvalid, name + " is not supported here");
    }
  }
  question.by_day = dated && summarize == "true";
  question.spec.limit = question.by_day ? 0 : kSpendRowsMax;
  return question;
}

std::function<std::optional<double>(const std::string& key_name)> spend_of(
    const meter::Ledger& ledger) {
  return [&ledger](const std::string& key_name) -> std::optional<double> {
    const auto views = ledger.show("key:" + key_name, 1);
    if (views.empty()) return std::nullopt;
    constexpr auto kTotal = static_cast<std::size_t>(BudgetWindow::kTotal);
    constexpr auto kMoney = static_cast<std::size_t>(BudgetUnit::kNanoUsd);
    return NanoUsd{views.front().state.windows[kTotal].settled[kMoney]}.usd();
  };
}

Result<SpendAnswer> answer_spend(const SpendQuestion& question) {
  SpendAnswer answer;
  JsonWriter json(answer.body);
  json.begin_array();
  std::map<std::string, DaySum> days;
  std::size_t summed = 0;
  const auto each = [&](const Event& event, std::string_view) {
    if (!question.by_day) {
      write_row(json, event);
      return true;
    }
    if (++summed > kSpendSummedMax) {
      answer.more = true;
      return false;
    }
    if (!event.cost_usd) return true;
    DaySum& day = days[format_utc(event.timestamp_utc).substr(0, 10)];
    const std::int64_t nano = event.cost_usd->nano;
    day.spend.nano += nano;
    day.keys[event.api_key_id.value_or("")].nano += nano;
    day.models[event.model.value_or("")].nano += nano;
    return true;
  };
  const Result<audit::QueryAnswer> asked = audit::query(question.spec, each);
  if (!asked && asked.error().code != Code::kNotFound) return std::unexpected(asked.error());
  if (asked && asked->more) answer.more = true;
  for (const auto& [day, sum] : days) {
    json.begin_object().field("startTime", day).key("spend").raw(usd_text(sum.spend));
    write_sums(json, "api_keys", sum.keys);
    write_sums(json, "models", sum.models);
    json.key("users").begin_object().end_object().end_object();
  }
  json.end_array();
  return answer;
}

}  // namespace sallyport::admin
