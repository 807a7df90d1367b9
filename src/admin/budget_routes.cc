// SPDX-License-Identifier: Apache-2.0
#include "admin/budget_routes.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "admin/act_record.h"
#include "admin/envelope.h"
#include "base/json_reader.h"
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

// What a reset may be asked for.
struct ResetWish {
  std::optional<BudgetWindow> window;
  bool trust_clock = false;
};

std::optional<ResetWish> read_wish(const net::ServerRequest& request) {
  ResetWish wish;
  if (request.body.empty()) return wish;
  const Result<JsonValue> body = JsonValue::parse(request.body);
  if (!body || !body->is_object()) return std::nullopt;
  for (const auto& [member, value] : body->members()) {
    if (member == "window") {
      wish.window = parse_budget_window(value.string().value_or(""));
      if (!wish.window) return std::nullopt;
    } else if (member == "trust_clock" && value.boolean()) {
      wish.trust_clock = *value.boolean();
    } else {
      return std::nullopt;
    }
  }
  return wish;
}

constexpr std::string_view kKeyAccount = "key:";

std::int64_t ms(UtcTime time) { return time.time_since_epoch().count(); }

// A window that is over holds nothing of now; the ledger notices with the account's next call.
void begin_windows(meter::AccountView& view, std::int64_t now_ms) {
  for (std::size_t w = 0; w < meter::kWindows; ++w) {
    const std::int64_t start = meter::window_start(static_cast<BudgetWindow>(w), now_ms);
    meter::WindowSums& sums = view.state.windows[w];
    if (sums.start_ms >= start) continue;  // or a clock was ahead: what it closed stays closed
    sums = {};
    sums.start_ms = start;
    view.held[w] = {};
  }
}

class BudgetRoutes {
 public:
  BudgetRoutes(BudgetRouteParts parts, const keys::KeyRing* keys) : parts_(parts), keys_(keys) {}

  Task<net::ServerResponse> reset(AdminRequest request);

  net::ServerResponse list(const AdminRequest&) const {
    std::map<std::string, meter::AccountView> all;
    for (meter::AccountView& view : parts_.ledger.show({}, kAccountsMax)) {
      std::string account = view.state.account;
      all.emplace(std::move(account), std::move(view));
    }
    bool cut = all.size() == kAccountsMax;
    for (auto& [account, budgets] : stated()) {
      const auto at = all.find(account);
      if (at != all.end()) {
        at->second.budgets = std::move(budgets);
      } else if (!budgets.empty()) {
        if ((cut = cut || all.size() == kAccountsMax)) continue;
        all.emplace(account, unused(account, std::move(budgets)));
      }
    }
    std::string body;
    JsonWriter json(body);
    json.begin_object().key("data").begin_array();
    for (auto& [account, view] : all) {
      begin_windows(view, ms(parts_.clock.now()));
      json.raw(json_of(view));
    }
    json.end_array().field("cut", cut).end_object();
    return json_answer(200, std::move(body));
  }

  net::ServerResponse show(const AdminRequest& request) const {
    const std::string& account = request.names[0];
    std::vector<meter::AccountView> found = parts_.ledger.show(account, 1);
    std::optional<std::vector<Budget>> budgets = stated_by(account);
    if (found.empty() && !budgets) {
      return error_answer(404, "account_not_found",
                          "There is no such account: no key or layer has this name, and no call "
                          "was booked on it. Accounts are key:NAME, organisation:NAME, "
                          "project:NAME/NAME, principal:NAME/NAME/NAME.");
    }
    if (found.empty()) found.push_back(unused(account, {}));
    if (budgets) found[0].budgets = std::move(*budgets);
    begin_windows(found[0], ms(parts_.clock.now()));
    return json_answer(200, json_of(found[0]));
  }

 private:
  static meter::AccountView unused(const std::string& account, std::vector<Budget> budgets) {
    meter::AccountView view;
    view.state.account = account;
    view.budgets = std::move(budgets);
    return view;
  }

  // Of every layer and living key, by account, what it states now; of a name's keys the newest.
  std::map<std::string, std::vector<Budget>> stated() const {
    std::map<std::string, std::vector<Budget>> out;
    if (keys_ == nullptr) return out;
    for (keys::LayerInfo& layer : keys_->layers()) {
      out.emplace(keys::layer_account(layer.path), std::move(layer.restrictions.limits.budgets));
    }
    const UtcTime now = parts_.clock.now();
    for (keys::KeyInfo& key : keys_->list()) {
      if (key.state == keys::KeyState::kRevoked || now >= key.expires_at) continue;
      out.emplace(std::string(kKeyAccount) + key.name, std::move(key.restrictions.limits.budgets));
    }
    return out;
  }

  // Nothing: no key or layer of this account is known, dead or alive.
  std::optional<std::vector<Budget>> stated_by(std::string_view account) const {
    if (keys_ == nullptr) return std::nullopt;
    const std::string_view name =
        account.substr(std::min(account.find(':'), account.size() - 1) + 1);
    if (account.starts_with(kKeyAccount)) {
      Result<keys::KeyInfo> key = keys_->show(name);
      if (!key || key->name != name) return std::nullopt;
      return std::move(key->restrictions.limits.budgets);
    }
    Result<keys::LayerInfo> layer = keys_->layer(name);
    if (!layer || keys::layer_account(name) != account) return std::nullopt;
    return std::move(layer->restrictions.limits.budgets);
  }

  // What is done away from the loop; owned by the work, which may outlive the request.
  struct Reset {
    std::string account;
    ResetWish wish;
    Actor actor;
    std::optional<Result<meter::Reset>> done;
  };
  static void act(const BudgetRouteParts& parts, Reset& reset);

  BudgetRouteParts parts_;
  const keys::KeyRing* keys_;  // null: only what calls have used is known
};

// The account is in force again at once, and as before if no record can be made of it.
void BudgetRoutes::act(const BudgetRouteParts& parts, Reset& reset) {
  if (!parts.recorder.accepting()) {
    reset.done.emplace(fail(Code::kUnavailable, KeyActs::kJournalSilent));
    return;
  }
  Event event = act_event(parts.clock, "POST /admin/v1/budgets/{account...}/reset", reset.actor,
                          std::string(meter::kResetAction));
  reset.done.emplace(parts.ledger.reset(reset.account, reset.wish.window, reset.wish.trust_clock,
                                        event.request_id));
  if (!*reset.done) return;
  const meter::Reset done = **reset.done;
  event.status = 200;
  meter::fill_reset(event, done);
  if (record_durably(parts.recorder, std::move(event))) return;
  parts.ledger.undo(done);
  reset.done.emplace(fail(Code::kUnavailable, KeyActs::kJournalSilent));
}

Task<net::ServerResponse> BudgetRoutes::reset(AdminRequest request) {
  if (!request.http.body.empty()) {
    if (auto bad = bad_json_request(request.http)) co_return std::move(*bad);
  }
  const std::optional<ResetWish> wish = read_wish(request.http);
  if (!wish) {
    co_return error_answer(400, "invalid_body",
                           "Send {\"window\":\"minute|hour|day|month|total\","
                           "\"trust_clock\":true}, either or nothing.");
  }
  auto reset = std::make_shared<Reset>();
  reset->account = request.names[0];
  reset->wish = *wish;
  reset->actor = request.actor();
  std::function<void()> work = [parts = parts_, reset] { act(parts, *reset); };
  co_await parts_.offload.run(parts_.loop, std::move(work));
  const Result<meter::Reset>& done = *reset->done;
  if (!done && done.error().code == Code::kNotFound) {
    if (!stated_by(request.names[0])) co_return show(request);  // which says so
    co_return error_answer(404, "account_not_found",
                           "This account has spent nothing yet: there is nothing to reset.");
  }
  if (!done && done.error().code == Code::kDenied) {
    co_return error_answer(409, "clock_differs", done.error().what, "trust_clock");
  }
  if (!done) {
    co_return error_answer(503, "journal_unavailable",
                           "The journal cannot write; nothing was done.");
  }
  request.names[0] = done->account;
  co_return show(request);
}

}  // namespace

void add_budget_routes(Routes& routes, BudgetRouteParts parts) {
  const auto budgets = std::make_shared<BudgetRoutes>(parts, routes.keys());
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
  routes.add({.method = "POST",
              .path = "/admin/v1/budgets/{account...}/reset",
              .least = Role::kAdmin,
              .act = meter::kResetAction,
              .summary =
                  "Empties its windows, or `{\"window\":\"day\"}`; 409 while the ledger's time "
                  "is ahead of the clock, unless `{\"trust_clock\":true}`.",
              .handle = handler(budgets, &BudgetRoutes::reset),
              .records_itself = true});
}

}  // namespace sallyport::admin
