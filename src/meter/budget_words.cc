// SPDX-License-Identifier: Apache-2.0
#include "meter/budget_words.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"

namespace sallyport::meter {
namespace {

std::string amount_text(BudgetUnit unit, std::int64_t amount) {
  if (unit == BudgetUnit::kNanoUsd) return usd_text({amount}) + " USD";
  return std::to_string(amount) + " " + std::string(name(unit));
}

// "this key's budget of 5 USD a day"; of layers above the key no figure is told.
std::string budget_text(const Refused& refused) {
  const std::size_t kind = layer_kind_of(refused.account);
  const std::string whose = "this " + std::string(layer_kind_name(kind)) + "'s budget";
  const bool own = kind == 0 || layer_kind_name(kind) == "key";
  if (!own) return whose;
  const Budget& budget = refused.budget;
  std::string text = whose + " of " + amount_text(budget.unit, budget.amount);
  text +=
      budget.window == BudgetWindow::kTotal ? " in all" : " a " + std::string(name(budget.window));
  text += " (used: " + amount_text(budget.unit, refused.spent);
  if (refused.held > 0) text += ", held back: " + amount_text(budget.unit, refused.held);
  return text + "; needed: " + amount_text(budget.unit, refused.needed) + ")";
}

Refusal rate_refusal(const Refused& refused, const char* what, const char* type) {
  Refusal refusal{.status = 429, .code = "rate_limit_exceeded", .message = {}, .type = type};
  const std::string whose(layer_kind_name(layer_kind_of(refused.account)));
  refusal.message = "Rate limit of this " + whose + " reached: " + what + ".";
  if (refused.wait_ms > 0) {
    refusal.retry_after_s = static_cast<int>((refused.wait_ms + 999) / 1000);
  } else {
    refusal.message += " This request alone is larger than the limit.";
  }
  return refusal;
}

void field(std::string& out, const char* name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void whole_fields(std::string& out, const std::string& unit, const RateRoom::One& one) {
  field(out, ("x-ratelimit-limit-" + unit).c_str(), std::to_string(one.limit));
  field(out, ("x-ratelimit-remaining-" + unit).c_str(), std::to_string(one.left));
  field(out, ("x-ratelimit-reset-" + unit).c_str(), reset_text(one.reset_ms));
}

}  // namespace

Refusal refusal_for(const Refused& refused) {
  switch (refused.limit) {
    case LimitKind::kBudget:
      return {.status = 429,
              .code = "budget_exceeded",
              .message = "This call does not fit into " + budget_text(refused) + ".",
              .type = "insufficient_quota"};
    case LimitKind::kRequestRate:
      return rate_refusal(refused, "requests per minute", "requests");
    case LimitKind::kTokenRate:
      return rate_refusal(refused, "tokens per minute", "tokens");
    case LimitKind::kParallel:
      return rate_refusal(refused, "requests at one time", "requests");
    case LimitKind::kTooMany:
      break;
  }
  return {.status = 429,
          .code = "rate_limit_exceeded",
          .message = "Too many derived tokens are in use.",
          .type = "requests"};
}

const char* denial_of(LimitKind limit) {
  constexpr const char* kNames[kLimitKinds] = {"budget", "rate_requests", "rate_tokens", "parallel",
                                               "too_many_tokens"};
  return kNames[static_cast<std::size_t>(limit)];
}

std::string refused_by(const Refused& refused) {
  const Budget& budget = refused.budget;
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("account", refused.account).field("unit", name(budget.unit));
  json.field("window", name(budget.window)).field("hard", budget.hard);
  const std::pair<const char*, std::int64_t> figures[] = {{"budget", budget.amount},
                                                          {"spent", refused.spent},
                                                          {"held", refused.held},
                                                          {"asked", refused.needed}};
  for (const auto& [figure, amount] : figures) {
    json.key(figure);
    budget.unit == BudgetUnit::kNanoUsd ? json.raw(usd_text({amount})) : json.value(amount);
  }
  json.end_object();
  return out;
}

Refusal output_over_limit(std::int64_t limit, const char* param) {
  return {.status = 403,
          .code = "output_limit_exceeded",
          .message = "This API key may ask for at most " + std::to_string(limit) +
                     " output tokens in one call, all choices together.",
          .param = param};
}

Refusal output_not_visible() {
  return {.status = 403,
          .code = "output_limit_not_visible",
          .message =
              "The length of answers is limited here, and this endpoint does not name it where it "
              "could be checked."};
}

Refusal not_a_number(const char* member) {
  return {.status = 400,
          .code = "invalid_value",
          .message =
              "A budget applies here: this member must be a whole number above zero and "
              "within the provider's limits.",
          .param = member};
}

Refusal not_meterable() {
  return {.status = 403,
          .code = "not_meterable",
          .message =
              "A hard budget applies to this API key, and the cost of this call cannot be "
              "bounded before it is made."};
}

Refusal budgets_need_record() {
  return {.status = 503,
          .code = "budgets_need_record",
          .message =
              "A hard budget applies to this API key, and the gateway keeps no record "
              "(audit.enabled is false).",
          .type = "server_error"};
}

std::string reset_text(std::int64_t ms) {
  if (ms < 1'000) return std::to_string(ms) + "ms";
  const std::int64_t minutes = ms / 60'000;
  const std::int64_t rest = ms % 60'000;
  std::string text = minutes > 0 ? std::to_string(minutes) + "m" : "";
  text += std::to_string(rest / 1'000);
  std::string part = std::to_string(1'000 + rest % 1'000).substr(1);
  part.erase(part.find_last_not_of('0') + 1);
  if (!part.empty()) text += "." + part;
  return text + "s";
}

void append_rate_fields(std::string& out, const RateRoom& room) {
  if (room.requests) whole_fields(out, "requests", *room.requests);
  if (room.tokens) whole_fields(out, "tokens", *room.tokens);
}

Event alert_event(const Alert& alert, const std::string& api_key_id, UtcTime now) {
  const bool money = alert.budget.unit == BudgetUnit::kNanoUsd;
  Event event;
  event.timestamp_utc = now;
  event.kind = Kind::kAction;
  event.action = "budget_alert";
  event.actor = "meter";
  event.api_key_id = api_key_id;
  std::string detail;
  JsonWriter json(detail);
  json.begin_object().field("account", alert.account).field("unit", name(alert.budget.unit));
  json.field("window", name(alert.budget.window)).field("hard", alert.budget.hard);
  json.field("window_start", format_utc(alert.window_start));
  json.field("threshold", alert.threshold).field("refused", alert.refused);
  json.key("budget");
  money ? json.raw(usd_text({alert.budget.amount})) : json.value(alert.budget.amount);
  json.key("spent");
  money ? json.raw(usd_text({alert.spent})) : json.value(alert.spent);
  const __int128 amount = std::max<std::int64_t>(alert.budget.amount, 1);
  const __int128 share = static_cast<__int128>(alert.spent) * 100 / amount;
  json.field("share", static_cast<std::int64_t>(std::min<__int128>(share, 1'000'000)));
  json.end_object();
  event.detail = std::move(detail);
  return event;
}

}  // namespace sallyport::meter
