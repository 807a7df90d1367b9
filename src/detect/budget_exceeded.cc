// SPDX-License-Identifier: Apache-2.0
#include "detect/budget_exceeded.h"

#include <algorithm>
#include <string_view>

#include "base/json_reader.h"
#include "detect/key_state.h"

namespace sallyport::detect {
namespace {

Verdict medium(double score, std::string_view words) {
  Verdict verdict;
  verdict.family = Family::kBudgetExceeded;
  verdict.score = score;
  verdict.severity = Severity::kMedium;
  verdict.words = words;
  return verdict;
}

double number_of(const JsonValue& object, std::string_view name) {
  const auto value = object.at(name);
  return value ? value->number().value_or(0) : 0;
}

}  // namespace

Maybe budget_refused(const Event& event) {
  const std::string_view error = event.error ? std::string_view(*event.error) : "";
  if (error != "budget_exceeded" && error != "insufficient_quota") return std::nullopt;
  return medium(4, "its budget is used up");
}

Maybe budget_forecast(const Event& event, const KeyState* key, Second now) {
  if (!event.detail) return std::nullopt;
  const auto detail = JsonValue::parse(*event.detail);
  if (!detail || !detail->is_object()) return std::nullopt;
  const double budget = number_of(*detail, "budget"), spent = number_of(*detail, "spent");
  const auto refused = detail->at("refused");
  if (refused && refused->boolean().value_or(false)) {
    Verdict verdict = medium(4, "its budget is used up");
    verdict.add("budget", budget);
    verdict.add("spent", spent);
    return verdict;
  }
  const auto window = detail->at("window");
  if (!window || window->string() != "day" || budget <= 0 || spent <= 0) return std::nullopt;
  const Second gone = now % kDay;
  if (gone < kHour) return std::nullopt;
  // The pace of today, and where the season says that more is still to come, the season's shape.
  double rest = spent * static_cast<double>(kDay - gone) / gone;
  if (key != nullptr && !key->season.empty()) {
    double before = 0, after = 0;
    for (Second hour = 0; hour < 24; ++hour) {
      const double expected = key->season.expected(now - gone + hour * kHour + kHour / 2, 0);
      (hour * kHour < gone ? before : after) += expected;
    }
    if (before > 0) rest = spent * after / before;
  }
  if (spent + rest < budget) return std::nullopt;
  Verdict verdict = medium(3.2, "at this pace the day's budget is gone before the day");
  verdict.add("budget", budget);
  verdict.add("spent", spent);
  verdict.add("forecast", spent + rest);
  verdict.add("hours_left_at_this_pace",
              (budget - spent) / std::max(1e-9, rest / (static_cast<double>(kDay - gone) / kHour)));
  return verdict;
}

}  // namespace sallyport::detect
