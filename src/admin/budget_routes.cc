// SPDX-License-Identifier: Apache-2.0
#include "admin/budget_routes.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "admin/envelope.h"
#include "base/json_writer.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kAccountsMax = 10'000;  // of one answer

// Money as decimal text, counts as numbers.
void amount(JsonWriter& json, std::size_t unit, std::int64_t value) {
  if (unit == static_cast<std::size_t>(BudgetUnit::kNanoUsd)) {
    json.value(usd_text({value}));
  } else {
    json.value(value);
  }
}

std::int64_t share_of(std::int64_t spent, std::int64_t allowed) {
  const __int128 share = static_cast<__int128>(spent) * 100 / std::max<std::int64_t>(allowed, 1);
  return static_cast<std::int64_t>(std::min<__int128>(share, 1'000'000));
}

void write_budget(JsonWriter& json, const meter::AccountView& view, const Budget& budget) {
  const auto unit = static_cast<std::size_t>(budget.unit);
  const auto window = static_cast<std::size_t>(budget.window);
  const std::int64_t spent = view.state.windows[window].settled[unit];
  json.begin_object().field("unit", meter::name(budget.unit)).field("per", name(budget.window));
  json.field("hard", budget.hard).key("amount");
  amount(json, unit, budget.amount);
  json.key("spent");
  amount(json, unit, spent);
  json.key("held");
  amount(json, unit, view.held[window][unit]);
  json.field("share", share_of(spent, budget.amount)).end_object();
}

void write_windows(JsonWriter& json, const meter::AccountView& view) {
  json.key("windows").begin_object();
  for (std::size_t window = 0; window < meter::kWindows; ++window) {
    const meter::WindowSums& sums = view.state.windows[window];
    json.key(name(static_cast<BudgetWindow>(window))).begin_object();
    json.field("since", format_utc(UtcTime(std::chrono::milliseconds(sums.start_ms))));
    for (std::size_t unit = 0; unit < meter::kUnits; ++unit) {
      json.key(meter::name(static_cast<BudgetUnit>(unit)));
      amount(json, unit, sums.settled[unit]);
    }
    json.end_object();
  }
  json.end_object();
}

std::string json_of(const meter::AccountView& view) {
  std::string out;
  JsonWriter json(out);
  const std::string& account = view.state.account;
  json.begin_object().field("account", account);
  json.field("layer", meter::layer_kind_name(meter::layer_kind_of(account)));
  json.field("calls_under_way", view.parallel).key("budgets").begin_array();
  for (const Budget& budget : view.budgets) write_budget(json, view, budget);
  json.end_array();
  write_windows(json, view);
  json.end_object();
  return out;
}

class BudgetRoutes {
 public:
  explicit BudgetRoutes(const meter::Ledger& ledger) : ledger_(ledger) {}

  net::ServerResponse list(const AdminRequest&) const {
    std::vector<meter::AccountView> all = ledger_.show({}, kAccountsMax);
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.state.account < b.state.account; });
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (const meter::AccountView& view : all) json.raw(json_of(view));
    json.end_array().field("cut", all.size() == kAccountsMax).end_object();
    return json_answer(200, std::move(body));
  }

  net::ServerResponse show(const AdminRequest& request) const {
    const std::vector<meter::AccountView> found = ledger_.show(request.names[0], 1);
    if (found.empty()) {
      return error_answer(404, "account_not_found",
                          "No call with a budget has used this account yet.");
    }
    return json_answer(200, json_of(found[0]));
  }

 private:
  const meter::Ledger& ledger_;
};

}  // namespace

void add_budget_routes(Routes& routes, const meter::Ledger& ledger) {
  const auto budgets = std::make_shared<BudgetRoutes>(ledger);
  routes.add({.method = "GET",
              .path = "/admin/v1/budgets",
              .least = Role::kViewer,
              .act = {},
              .summary = "What every account has spent and holds back: `{\"data\":[...]}`.",
              .handle = handler(budgets, &BudgetRoutes::list)});
  routes.add({.method = "GET",
              .path = "/admin/v1/budgets/{account...}",
              .least = Role::kViewer,
              .act = {},
              .summary = "One account: `key:user_42`, `project:acme/support`.",
              .handle = handler(budgets, &BudgetRoutes::show)});
}

}  // namespace sallyport::admin
