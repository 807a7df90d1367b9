// SPDX-License-Identifier: Apache-2.0
#include "admin/litellm_shapes.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "base/text.h"
#include "event/money.h"
#include "keys/key_format.h"

namespace sallyport::admin {
namespace {

constexpr double kUsdMax = 9e9;

// Labels and habits of clients that restrict nothing.
constexpr std::string_view kIgnored[] = {"metadata", "tags",  "send_invite_email",
                                         "key_name", "spend", "litellm_changed_by"};

std::unexpected<Error> wrong(std::string_view member, std::string_view what) {
  return fail(Code::kInvalid, std::string(member) + " " + std::string(what));
}

// null, false, 0, "", [] and {} ask for nothing.
bool asks_nothing(const JsonValue& value) {
  if (value.is_null() || value.boolean() == false || value.number() == 0.0) return true;
  if (value.string()) return value.string()->empty();
  if (value.is_array()) return value.items().empty();
  return value.is_object() && value.members().empty();
}

Result<std::int64_t> count_of(std::string_view member, const JsonValue& value) {
  const auto count = value.integer();
  if (!count || *count < 0) return wrong(member, "must be a whole number, not below zero");
  return *count;
}

Result<std::int64_t> money_of(std::string_view member, const JsonValue& value) {
  const auto usd = value.number();
  if (!usd || !(*usd >= 0) || *usd > kUsdMax) return wrong(member, "must be an amount in USD");
  return std::llround(*usd * static_cast<double>(kNanoUsdPerUsd));
}

Result<std::chrono::milliseconds> duration_of(const JsonValue& value) {
  const auto text = value.string();
  const auto life = text ? parse_litellm_duration(*text) : std::nullopt;
  if (!life) return wrong("duration", "must be a life such as \"8h\"; all keys end");
  return *life;
}

Result<BudgetWindow> window_of(const JsonValue& value) {
  const auto text = value.string();
  const auto window = text ? parse_litellm_window(*text) : std::nullopt;
  if (!window) {
    return wrong("budget_duration", "must be one minute, hour, day or month (\"1mo\", \"30d\")");
  }
  return *window;
}

// Empty: those of its layer.
Result<std::vector<std::string>> models_of(const JsonValue& value) {
  if (!value.is_array()) return wrong("models", "must be a list of texts");
  std::vector<std::string> models;
  bool all = false;
  for (const JsonValue& item : value.items()) {
    const auto model = item.string();
    if (!model || model->empty()) return wrong("models", "must be a list of texts");
    if (*model == "no-default-models") return wrong("models", "cannot be no-default-models");
    all = all || *model == "all-proxy-models" || *model == "all-team-models";
    models.emplace_back(*model);
  }
  if (all) models.clear();
  return models;
}

class Reader {
 public:
  Result<void> read(std::string_view member, const JsonValue& value) {
    if (std::ranges::find(kIgnored, member) != std::end(kIgnored)) {
      if (!asks_nothing(value)) key_.ignored.emplace_back(member);
      return {};
    }
    if (value.is_null()) return {};
    if (member == "key_alias") return text(member, value, key_.spec.name);
    if (member == "user_id") return text(member, value, key_.spec.owner);
    if (member == "team_id") return text(member, value, key_.spec.layer);
    if (member == "duration") return duration(value);
    if (member == "models") return models(value);
    if (member == "budget_duration") return window(value);
    if (member == "max_budget") return take(money_of(member, value), budget_);
    if (member == "soft_budget") return take(money_of(member, value), soft_);
    Limits& limits = key_.spec.restrictions.limits;
    if (member == "tpm_limit") return take(count_of(member, value), limits.tokens_per_minute);
    if (member == "rpm_limit") return take(count_of(member, value), limits.requests_per_minute);
    if (member == "max_parallel_requests") {
      return take(count_of(member, value), limits.parallel_max);
    }
    if (member == "key_type" && (value.string() == "default" || value.string() == "llm_api")) {
      return {};
    }
    if (asks_nothing(value)) return {};
    return wrong(member.substr(0, 64),
                 "is not supported here; nothing was made, so that no limit is missing");
  }

  Result<LitellmKey> done() {
    Limits& limits = key_.spec.restrictions.limits;
    if (window_ && !budget_ && !soft_) return wrong("budget_duration", "needs max_budget");
    for (const auto& [amount, hard] : {std::pair(budget_, true), std::pair(soft_, false)}) {
      if (!amount) continue;
      Budget budget;
      budget.unit = BudgetUnit::kNanoUsd;
      budget.window = window_.value_or(BudgetWindow::kTotal);
      budget.amount = *amount;
      budget.hard = hard;
      limits.budgets.push_back(budget);
    }
    if (key_.spec.name.empty()) key_.spec.name = "litellm-" + random_base62(12);
    return std::move(key_);
  }

 private:
  static Result<void> text(std::string_view member, const JsonValue& value, std::string& into) {
    const auto text = value.string();
    if (!text) return wrong(member, "must be text");
    into = *text;
    return {};
  }
  static Result<void> take(Result<std::int64_t> read, std::optional<std::int64_t>& into) {
    if (!read) return std::unexpected(read.error());
    into = *read;
    return {};
  }
  Result<void> duration(const JsonValue& value) {
    const auto read = duration_of(value);
    if (!read) return std::unexpected(read.error());
    key_.spec.life = *read;
    return {};
  }
  Result<void> window(const JsonValue& value) {
    const Result<BudgetWindow> read = window_of(value);
    if (!read) return std::unexpected(read.error());
    window_ = *read;
    return {};
  }
  Result<void> models(const JsonValue& value) {
    Result<std::vector<std::string>> read = models_of(value);
    if (!read) return std::unexpected(read.error());
    key_.spec.restrictions.models = std::move(*read);
    return {};
  }

  LitellmKey key_;
  std::optional<BudgetWindow> window_;
  std::optional<std::int64_t> budget_, soft_;
};

// What /key/update says, member by member, over what the key has.
class ChangeReader {
 public:
  ChangeReader(const keys::KeyInfo& key, UtcTime now) : key_(key), now_(now) {}

  Result<void> read(std::string_view member, const JsonValue& value) {
    if (member == "key") return {};
    if (member == "key_alias") return stays(member, value, key_.name);
    if (member == "team_id") return stays(member, value, key_.layer);
    if (member == "blocked") {
      if (value.is_null() || value.boolean() == key_.blocked_at.has_value()) return {};
      return wrong(member, "is changed by /key/block and /key/unblock; nothing was changed");
    }
    if (member == "user_id") return owner(value);
    if (member == "duration") return duration(value);
    if (member == "models") return models(value);
    if (member == "max_budget") return money(member, value, hard_);
    if (member == "soft_budget") return money(member, value, soft_);
    if (member == "budget_duration") return window(value);
    if (member == "tpm_limit") return count(member, value, "tpm");
    if (member == "rpm_limit") return count(member, value, "rpm");
    if (member == "max_parallel_requests") return count(member, value, "parallel");
    // Setting it to zero would refill a budget: not to be taken for a label.
    const bool label =
        member != "spend" && std::ranges::find(kIgnored, member) != std::end(kIgnored);
    if (label && !asks_nothing(value)) out_.ignored.emplace_back(member);
    if (label || value.is_null() || (member != "spend" && asks_nothing(value))) return {};
    return wrong(member.substr(0, 64), "is not supported here; nothing was changed");
  }

  Result<LitellmChange> done() {
    if (!hard_ && !soft_ && !window_) return std::move(out_);
    Restrictions next;
    std::optional<Budget> hard, soft;
    for (const Budget& budget : key_.restrictions.limits.budgets) {
      if (budget.unit != BudgetUnit::kNanoUsd) {
        next.limits.budgets.push_back(budget);
        continue;
      }
      std::optional<Budget>& place = budget.hard ? hard : soft;
      if (place) {
        return wrong("max_budget",
                     "cannot say which: the key has several budgets in USD; change "
                     "them with PATCH /admin/v1/keys/{key}");
      }
      place = budget;
    }
    const std::optional<Budget> was_hard = hard, was_soft = soft;
    settle(hard, hard_, was_soft, true);
    settle(soft, soft_, was_hard, false);
    if (window_ && *window_ && !hard && !soft) {
      return wrong("budget_duration", "needs max_budget");
    }
    for (const auto& budget : {hard, soft}) {
      if (budget) next.limits.budgets.push_back(*budget);
    }
    out_.change.restrictions["budgets"] = member_json(next, "budgets");
    return std::move(out_);
  }

 private:
  // The outer none: not named; the inner: lifted.
  template <class T>
  using Named = std::optional<std::optional<T>>;

  static std::string member_json(const Restrictions& of, std::string_view member) {
    const std::string text = restrictions_json(of);
    JsonMembers members(text);
    JsonMember one;
    while (members.next(one)) {
      if (one.key == member) return std::string(one.value);
    }
    return "null";
  }
  void settle(std::optional<Budget>& budget, const Named<std::int64_t>& amount,
              const std::optional<Budget>& beside, bool hard) const {
    if (amount && !*amount) budget.reset();
    if (amount && *amount) {
      if (!budget) {
        budget.emplace();
        budget->window = beside ? beside->window : BudgetWindow::kTotal;
      }
      budget->unit = BudgetUnit::kNanoUsd;
      budget->hard = hard;
      budget->amount = **amount;
    }
    if (budget && window_) budget->window = window_->value_or(BudgetWindow::kTotal);
  }
  static Result<void> stays(std::string_view member, const JsonValue& value,
                            const std::string& held) {
    const auto text = value.string();
    if (value.is_null() || (text && *text == held)) return {};
    return wrong(member, "does not change; make another key");
  }
  Result<void> owner(const JsonValue& value) {
    const auto text = value.string();
    if (!text && !value.is_null()) return wrong("user_id", "must be text");
    out_.change.owner = std::string(text.value_or(""));
    return {};
  }
  Result<void> duration(const JsonValue& value) {
    if (value.is_null()) return {};  // as LiteLLM: the end stays
    const auto life = duration_of(value);
    if (!life) return std::unexpected(life.error());
    out_.change.expires_at = now_ + *life;
    return {};
  }
  Result<void> models(const JsonValue& value) {
    Restrictions next;
    if (!value.is_null()) {
      Result<std::vector<std::string>> read = models_of(value);
      if (!read) return std::unexpected(read.error());
      next.models = std::move(*read);
    }
    out_.change.restrictions["models"] = member_json(next, "models");
    return {};
  }
  Result<void> window(const JsonValue& value) {
    window_.emplace();
    if (value.is_null()) return {};
    const auto read = window_of(value);
    if (!read) return std::unexpected(read.error());
    *window_ = *read;
    return {};
  }
  Result<void> money(std::string_view member, const JsonValue& value, Named<std::int64_t>& into) {
    into.emplace();
    if (value.is_null()) return {};
    const auto read = money_of(member, value);
    if (!read) return std::unexpected(read.error());
    *into = *read;
    return {};
  }
  Result<void> count(std::string_view member, const JsonValue& value, const char* ours) {
    if (value.is_null()) {
      out_.change.restrictions[ours] = "null";
      return {};
    }
    const auto read = count_of(member, value);
    if (!read) return std::unexpected(read.error());
    out_.change.restrictions[ours] = std::to_string(*read);
    return {};
  }

  const keys::KeyInfo& key_;
  const UtcTime now_;
  LitellmChange out_;
  Named<std::int64_t> hard_, soft_;
  Named<BudgetWindow> window_;
};

std::string_view window_text(BudgetWindow window) {
  switch (window) {
    case BudgetWindow::kMinute:
      return "60s";
    case BudgetWindow::kHour:
      return "1h";
    case BudgetWindow::kDay:
      return "1d";
    case BudgetWindow::kMonth:
      return "1mo";
    case BudgetWindow::kTotal:
      return "";
  }
  return "";
}

template <class T>
void or_null(JsonWriter& json, std::string_view member, const T& value, bool there) {
  json.key(member);
  if (there) {
    json.value(value);
  } else {
    json.null();
  }
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_litellm_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto count = parse_uint(text.substr(0, digits));
  const std::string_view unit = text.substr(digits);
  std::int64_t seconds = 0;
  if (unit == "s") seconds = 1;
  if (unit == "m") seconds = 60;
  if (unit == "h") seconds = 3'600;
  if (unit == "d") seconds = 86'400;
  if (unit == "w") seconds = 7 * 86'400;
  if (unit == "mo") seconds = 30 * 86'400;
  if (!count || *count == 0 || *count > 100'000 || seconds == 0) return std::nullopt;
  return std::chrono::seconds(static_cast<std::int64_t>(*count) * seconds);
}

std::optional<BudgetWindow> parse_litellm_window(std::string_view text) {
  if (text == "hourly") return BudgetWindow::kHour;
  if (text == "daily") return BudgetWindow::kDay;
  if (text == "monthly") return BudgetWindow::kMonth;
  const auto length = parse_litellm_duration(text);
  if (length == std::chrono::minutes(1)) return BudgetWindow::kMinute;
  if (length == std::chrono::hours(1)) return BudgetWindow::kHour;
  if (length == std::chrono::hours(24)) return BudgetWindow::kDay;
  if (length == std::chrono::hours(24 * 30)) return BudgetWindow::kMonth;
  return std::nullopt;
}

Result<LitellmKey> parse_litellm_key(const JsonValue& body) {
  if (!body.is_object()) return fail(Code::kInvalid, "the body is not a JSON object");
  Reader reader;
  for (const auto& [member, value] : body.members()) {
    if (const Result<void> read = reader.read(member, value); !read) {
      return std::unexpected(read.error());
    }
  }
  return reader.done();
}

Result<LitellmChange> parse_litellm_change(const JsonValue& body, const keys::KeyInfo& key,
                                           UtcTime now) {
  if (!body.is_object()) return fail(Code::kInvalid, "the body is not a JSON object");
  ChangeReader reader(key, now);
  for (const auto& [member, value] : body.members()) {
    if (const Result<void> read = reader.read(member, value); !read) {
      return std::unexpected(read.error());
    }
  }
  return reader.done();
}

std::optional<std::string> litellm_key_name(std::string_view shown) {
  const keys::ParsedKey key = keys::parse_key(shown);
  if (key.fault == keys::FormatFault::kNone) return std::string(key.kid);
  if (shown.starts_with("sk-") || !keys::valid_key_name(shown)) return std::nullopt;
  return std::string(shown);
}

void write_litellm_members(JsonWriter& json, const keys::KeyInfo& key,
                           std::optional<double> spend_usd, UtcTime now) {
  const Limits& limits = key.restrictions.limits;
  const Budget *hard = nullptr, *soft = nullptr;
  for (const Budget& budget : limits.budgets) {
    if (budget.unit != BudgetUnit::kNanoUsd) continue;
    (budget.hard ? hard : soft) = &budget;
  }
  const Budget* any = hard != nullptr ? hard : soft;
  const std::string_view window = any == nullptr ? "" : window_text(any->window);
  json.field("token", key.kid)
      .field("token_id", key.kid)
      .field("key_name", keys::redacted_key(key.kid))
      .field("key_alias", key.name)
      .field("spend", spend_usd)
      .field("expires", format_utc(key.expires_at));
  json.key("models").begin_array();
  for (const std::string& model : key.restrictions.models) json.value(model);
  json.end_array();
  or_null(json, "max_budget", hard ? NanoUsd{hard->amount}.usd() : 0.0, hard != nullptr);
  or_null(json, "soft_budget", soft ? NanoUsd{soft->amount}.usd() : 0.0, soft != nullptr);
  or_null(json, "budget_duration", window, !window.empty());
  json.field("tpm_limit", limits.tokens_per_minute)
      .field("rpm_limit", limits.requests_per_minute)
      .field("max_parallel_requests", limits.parallel_max);
  or_null(json, "user_id", key.owner, !key.owner.empty());
  or_null(json, "team_id", key.layer, !key.layer.empty());
  for (const char* empty : {"metadata", "aliases", "config", "permissions", "model_max_budget"}) {
    json.key(empty).begin_object().end_object();
  }
  json.field("blocked", key.state == keys::KeyState::kRevoked || key.blocked_at.has_value())
      .field("status", keys::status(key, now))
      .field("created_at", format_utc(key.created_at))
      .field("created_by", key.created_by)
      .field("updated_at", format_utc(key.revoked_at.value_or(key.created_at)));
}

}  // namespace sallyport::admin
