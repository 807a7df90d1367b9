// SPDX-License-Identifier: Apache-2.0
#include "provider/reconcile.h"

#include <algorithm>
#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "provider/admin_json.h"
#include "provider/record.h"

namespace sallyport::provider {
namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr const char* kSetting = "provider.reconcile";
constexpr std::chrono::hours kCostsEvery{1};

std::int64_t seconds_of(UtcTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

UtcTime month_of(UtcTime time) {
  const std::chrono::year_month_day day(std::chrono::floor<days>(time));
  return std::chrono::sys_days(day.year() / day.month() / 1);
}

void write_sum(JsonWriter& json, std::string_view name, const UsageSum& sum) {
  json.key(name).begin_object().field("input", sum.input).field("output", sum.output);
  json.field("requests", sum.requests).field("usd", NanoUsd{sum.nano_usd}.usd()).end_object();
}

// [time, input, output, requests of theirs, and of ours]
void write_told(JsonWriter& json, UtcTime minute, const ToldMinute& told) {
  json.begin_array().value(seconds_of(minute));
  for (const UsageSum* sum : {&told.theirs, &told.ours}) {
    json.value(sum->input).value(sum->output).value(sum->requests);
  }
  json.end_array();
}

void read_told(const JsonValue& minute, ToldKey& into) {
  std::vector<std::int64_t> numbers;
  for (const JsonValue& number : minute.items()) numbers.push_back(number.integer().value_or(0));
  if (numbers.size() != 7) return;
  ToldMinute& told = into.minutes[UtcTime(std::chrono::seconds(numbers[0]))];
  told.theirs = {.input = numbers[1], .output = numbers[2], .requests = numbers[3]};
  told.ours = {.input = numbers[4], .output = numbers[5], .requests = numbers[6]};
}

}  // namespace

Reconciler::Reconciler(ReconcileParts parts, std::shared_ptr<const AdminClient> client,
                       ReconcileConfig config, std::vector<std::string> projects, Known known)
    : parts_(parts),
      client_(std::move(client)),
      config_(std::move(config)),
      projects_(std::move(projects)),
      known_(std::move(known)) {}

void Reconciler::start() { parts_.loop.spawn(keep(shared_from_this())); }

Task<void> Reconciler::keep(Self self) {
  while (!self->stopped_) {
    co_await self->parts_.loop.sleep_for(self->config_.every_ms);
    Task<void> working = self->round();
    co_await working;
  }
}

CompareRules Reconciler::rules() const {
  CompareRules rules;
  rules.tolerance = config_.tolerance;
  rules.every_key = !projects_.empty();
  for (std::string& key : known_()) rules.known.insert(std::move(key));
  rules.batches = batches_;
  return rules;
}

// They outlast what is compared in one round, and what is read back after a start.
void Reconciler::note_batches(const std::vector<UsageMinute>& ours) {
  for (const UsageMinute& one : ours) {
    if (one.batches == 0) continue;
    if (batches_.size() >= kToldMax && !batches_.contains(one.provider_key_id)) continue;
    UtcTime& last = batches_[one.provider_key_id];
    last = std::max(last, one.minute);
  }
}

std::pair<UtcTime, UtcTime> Reconciler::window() const {
  const UtcTime to = std::chrono::floor<minutes>(parts_.clock.now() - milliseconds(config_.lag_ms));
  const UtcTime whole = std::chrono::ceil<minutes>(parts_.usage.complete_since());
  const UtcTime from = std::max<UtcTime>(to - kLookBack, whole + kEdge);
  return {std::min(from, to), to};
}

Task<Result<Reconciliation>> Reconciler::compare(UtcTime from, UtcTime to) {
  if (from >= to) co_return fail(Code::kInvalid, "the window is empty");
  if (from < parts_.usage.complete_since()) {
    co_return fail(Code::kInvalid, "before " + format_utc(parts_.usage.complete_since()) +
                                       " the gate's own sums are not complete");
  }
  UsageQuery query;
  query.start_time_s = seconds_of(from);
  query.end_time_s = seconds_of(to);
  query.project_ids = projects_;
  Task<Result<std::vector<UsageResult>>> asking = client_->usage_completions(std::move(query));
  const Result<std::vector<UsageResult>> theirs = co_await asking;
  if (!theirs) co_return std::unexpected(theirs.error());
  const auto ours = parts_.usage.minutes(from - kBatchLasts, to + kEdge);
  co_return compare_usage(*theirs, ours, from, to, rules());
}

Task<void> Reconciler::round() {
  if (!loaded_) {
    Task<void> loading = load();
    co_await loading;
  }
  if (!loaded_ || !parts_.recorder.accepting()) co_return;
  const auto [from, to] = window();
  if (from < to) {
    UsageQuery query{.start_time_s = seconds_of(from), .end_time_s = seconds_of(to)};
    query.project_ids = projects_;
    Task<Result<std::vector<UsageResult>>> asking = client_->usage_completions(std::move(query));
    const Result<std::vector<UsageResult>> theirs = co_await asking;
    if (!theirs) {
      tell_unavailable(theirs.error());
      co_return;
    }
    unavailable_told_ = false;
    const auto ours = parts_.usage.minutes(from - kLater - kEdge, to + kEdge);
    note_batches(ours);
    CompareRules told = rules();
    told.told = told_;
    tell(compare_usage(*theirs, ours, from, to, told));
  }
  if (parts_.clock.now() >= costs_next_) {
    costs_next_ = parts_.clock.now() + kCostsEvery;
    Task<void> costs = costs_round();
    co_await costs;
  }
  Task<void> saving = save();
  co_await saving;
}

// The month so far, for the record of calls; the last whole day, against our prices.
Task<void> Reconciler::costs_round() {
  const UtcTime now = parts_.clock.now();
  const UtcTime day_end = std::chrono::floor<days>(now - kCostsLag);
  const UtcTime day = day_end - days(1);
  UsageQuery query;
  query.start_time_s = seconds_of(std::min(month_of(now), day));
  query.end_time_s = seconds_of(std::chrono::floor<days>(now) + days(1));
  query.project_ids = projects_;
  Task<Result<std::vector<CostResult>>> asking = client_->costs(std::move(query));
  const Result<std::vector<CostResult>> costs = co_await asking;
  if (!costs) {
    tell_unavailable(costs.error());
    co_return;
  }
  std::map<std::string, NanoUsd, std::less<>> spend;
  for (const CostResult& cost : *costs) {
    if (cost.other_currency || cost.start_time_s < seconds_of(month_of(now))) continue;
    spend[cost.api_key_id].nano += cost.nano_usd;
  }
  {
    const std::lock_guard lock(spend_mutex_);
    spend_.swap(spend);
    spend_at_ = now;
  }
  if (day_end <= costs_told_ || day < parts_.usage.complete_since()) co_return;
  Task<void> comparing = compare_day(*costs, day);
  co_await comparing;
}

// What of the bill is of calls that we count, the day's usage says.
Task<void> Reconciler::compare_day(std::vector<CostResult> costs, UtcTime day) {
  const UtcTime day_end = day + days(1);
  UsageQuery query{.start_time_s = seconds_of(day), .end_time_s = seconds_of(day_end)};
  query.project_ids = projects_;
  query.hourly = true;
  Task<Result<std::vector<UsageResult>>> asking = client_->usage_completions(std::move(query));
  const Result<std::vector<UsageResult>> usage = co_await asking;
  if (!usage) {
    tell_unavailable(usage.error());
    co_return;
  }
  costs_told_ = day_end;
  const auto ours = parts_.usage.minutes(day, day_end);
  const Reconciliation result = compare_costs(costs, *usage, ours, day, day_end, rules());
  for (const ReconcileRow& row : result.rows) {
    if (row.verdict == Verdict::kPriceDrift) tell_row(result, row);
  }
}

std::optional<ProviderSpend> Reconciler::last(std::string_view provider_key_id) const {
  const std::lock_guard lock(spend_mutex_);
  const auto at = spend_.find(provider_key_id);
  if (!spend_at_ || at == spend_.end()) return std::nullopt;
  const auto age = parts_.clock.now() - *spend_at_;
  return ProviderSpend{at->second, std::chrono::floor<std::chrono::seconds>(age).count()};
}

void Reconciler::tell(const Reconciliation& result) {
  UsageSum uncertain;
  std::int64_t unexplained = 0, batches = 0;
  for (const ReconcileRow& row : result.rows) {
    batches += row.batch_tokens;
    if (row.verdict == Verdict::kUncertain) {
      unexplained += row.excess_tokens;
      uncertain.requests += row.uncertain_requests;
      uncertain.input += row.uncertain_tokens;
    }
    if (row.verdict != Verdict::kBypass && row.verdict != Verdict::kUsageDrift) continue;
    tell_row(result, row);
    if (told_.size() >= kToldMax && !told_.contains(row.provider_key_id)) {
      told_.erase(told_.begin());
    }
    told_[row.provider_key_id] = row.told;
  }
  record(parts_.recorder, make_event(parts_.clock.now(), "usage.reconcile", [&](JsonWriter& json) {
           json.field("from", format_utc(result.from)).field("to", format_utc(result.to));
           json.field("keys", static_cast<std::uint64_t>(result.rows.size()));
           UsageSum theirs, ours;
           for (const ReconcileRow& row : result.rows) {
             theirs.input += row.theirs.input, ours.input += row.ours.input;
             theirs.output += row.theirs.output, ours.output += row.ours.output;
             theirs.requests += row.theirs.requests, ours.requests += row.ours.requests;
             ours.nano_usd += row.ours.nano_usd;
           }
           write_sum(json, "provider", theirs);
           write_sum(json, "gate", ours);
           // What they have more, of keys where calls without known usage may explain it; how many
           // those are, and the most that they can have used.
           json.key("uncertain").begin_object().field("excess_tokens", unexplained);
           json.field("requests", uncertain.requests).field("tokens_max", uncertain.input);
           json.field("batch_tokens", batches).end_object();
         }));
}

void Reconciler::tell_row(const Reconciliation& result, const ReconcileRow& row) {
  Event event = make_event(parts_.clock.now(), "usage.reconcile", [&](JsonWriter& json) {
    json.field("from", format_utc(result.from)).field("to", format_utc(result.to));
    json.field("known_key", row.known).field("excess_tokens", row.excess_tokens);
    json.field("tolerance", config_.tolerance);
    write_sum(json, "provider", row.theirs);
    write_sum(json, "gate", row.ours);
    json.key("uncertain").begin_object().field("requests", row.uncertain_requests);
    json.field("tokens_max", row.uncertain_tokens);
    json.field("batch_tokens", row.batch_tokens).end_object();
  });
  event.provider_key_id = row.provider_key_id;
  event.error = std::string(name(row.verdict));
  log::error("usage.differs", {{"verdict", name(row.verdict)},
                               {"provider_key_id", row.provider_key_id},
                               {"excess_tokens", row.excess_tokens}});
  record(parts_.recorder, std::move(event));
}

void Reconciler::tell_unavailable(const Error& error) {
  log::warn("usage.unavailable", {{"reason", error.what}});
  if (std::exchange(unavailable_told_, true)) return;  // once an outage
  Event event = make_event(parts_.clock.now(), "usage.reconcile",
                           [&](JsonWriter& json) { json.field("reason", error.what); });
  event.error = "provider_usage_unavailable";
  record(parts_.recorder, std::move(event));
}

// A restart must not tell the same bypass again.
Task<void> Reconciler::load() {
  auto read = std::make_shared<Result<std::optional<std::string>>>();
  std::function<void()> act = [read, &settings = parts_.settings] {
    *read = settings.get(kSetting);
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
  if (!*read) co_return;  // the store does not answer: next time
  loaded_ = true;
  if (!**read) co_return;
  const Result<JsonValue> kept = JsonValue::parse(***read);
  if (!kept || !kept->is_object()) co_return;  // at worst something is told twice
  costs_told_ = parse_utc(text_of(*kept, "costs")).value_or(UtcTime());
  if (const auto batches = kept->at("batches")) {
    for (const auto& [key, value] : batches->members()) {
      if (const auto time = parse_utc(value.string().value_or(""))) {
        batches_[std::string(key)] = *time;
      }
    }
  }
  const auto told = kept->at("told");
  for (const JsonValue& one : told ? told->items() : std::vector<JsonValue>()) {
    ToldKey& key = told_[text_of(one, "key")];
    key.missing_tokens = integer_of(one, "missing").value_or(0);
    const auto minutes = one.at("minutes");
    for (const JsonValue& minute : minutes ? minutes->items() : std::vector<JsonValue>()) {
      read_told(minute, key);
    }
  }
}

void Reconciler::forget_old() {
  const UtcTime oldest = parts_.clock.now() - milliseconds(config_.lag_ms) - 2 * kLookBack;
  std::size_t minutes = 0;
  for (auto& [key, told] : told_) {
    std::erase_if(told.minutes, [&](const auto& one) { return one.first < oldest; });
    minutes += told.minutes.size();
  }
  std::erase_if(told_, [](const auto& one) { return one.second.minutes.empty(); });
  // At worst something is told twice.
  while (minutes > kToldMinutesMax) {
    minutes -= told_.begin()->second.minutes.size();
    told_.erase(told_.begin());
  }
  const UtcTime over = parts_.clock.now() - milliseconds(config_.lag_ms) - kLookBack - kBatchLasts;
  std::erase_if(batches_, [&](const auto& one) { return one.second < over; });
}

Task<void> Reconciler::save() {
  forget_old();
  std::string text;
  JsonWriter json(text);
  json.begin_object().field("costs", format_utc(costs_told_)).key("batches").begin_object();
  for (const auto& [key, time] : batches_) json.field(key, format_utc(time));
  json.end_object().key("told").begin_array();
  for (const auto& [key, told] : told_) {
    json.begin_object().field("key", key).field("missing", told.missing_tokens);
    json.key("minutes").begin_array();
    for (const auto& [minute, figures] : told.minutes) write_told(json, minute, figures);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  std::function<void()> act = [text, &settings = parts_.settings] {
    (void)settings.put(kSetting, text);
  };
  co_await parts_.disk.run(parts_.loop, std::move(act));
}

}  // namespace sallyport::provider
