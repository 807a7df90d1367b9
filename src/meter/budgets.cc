// SPDX-License-Identifier: Apache-2.0
#include "meter/budgets.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"
#include "exchange/record.h"
#include "meter/budget_words.h"

namespace sallyport::meter {
namespace {

constexpr std::int64_t kOutputUnknown = 131'072;  // of a model whose maximum nobody told us
// Where only soft budgets count: what the provider may have said between the last event that we saw
// and the moment it noticed that we hung up.
constexpr std::int64_t kUnseenTokens = 64;
constexpr std::int64_t kUnseenShare = 8;            // and an eighth of what was seen
constexpr std::size_t kQuestionBytesMax = 1 << 20;  // larger bodies are counted here only

std::int64_t sum(std::int64_t a, std::int64_t b) {
  std::int64_t total = 0;
  return __builtin_add_overflow(a, b, &total) ? std::numeric_limits<std::int64_t>::max() : total;
}

std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t total = 0;
  return __builtin_mul_overflow(a, b, &total) ? std::numeric_limits<std::int64_t>::max() : total;
}

std::string_view model_of(const Exchange& x) {
  return x.model ? std::string_view(*x.model) : std::string_view();
}

// Did the provider refuse before the model began? A 4xx says so. Of a 5xx it is not known, and
// where a hard budget counts it is only believed of its own envelope with a code for being
// overloaded.
bool nothing_ran(const Exchange& x, bool hard) {
  if (!x.upstream_status || *x.upstream_status < 400) return false;
  if (*x.upstream_status < 500 || !hard || x.method != "POST") return true;
  constexpr std::string_view kCodes[] = {"overloaded",        "overloaded_error",
                                         "engine_overloaded", "server_is_overloaded",
                                         "server_overloaded", "slow_down"};
  return *x.upstream_status == 503 && x.error_code &&
         std::ranges::find(kCodes, *x.error_code) != std::end(kCodes);
}

// What a body says, and what the provider is asked about it. Owns its names: it may be looked at
// when the exchange is gone.
struct Look {
  std::string method, path, model;
  CallBounds bounds;
  std::string question;

  void at(const RequestBody& body, const TokenCounts& counts, std::size_t question_bytes_max) {
    const CallView call{method, path, model, body};
    bounds = bounds_of(call, counts);
    const bool asked = question_bytes_max > 0 && bounds.kind == CallKind::kBounded;
    if (asked) question = count_question(call, question_bytes_max);
  }
};

}  // namespace

// What the layers of a chain say, in one walk.
struct Budgets::Rules {
  bool limits = false;      // any of them
  bool budgets = false;     // soft or hard
  bool hard = false;        // a hard one of any unit
  bool hard_spend = false;  // a hard one of money or tokens
  bool hard_usd = false;    // a hard one of money
  bool token_rate = false;  // tokens a minute
  std::optional<std::int64_t> output_max;
};

struct Budgets::State final : StageState {
  Ledger::Reservation reservation;
  Amounts worst;
  CallBounds bounds;
  bool budgets = false;
  bool hard = false;        // a hard one among them
  bool hard_spend = false;  // and one of money or tokens: only the provider's word settles it
  bool reasons = true;
  Generated generated;
  bool counted = false;  // the stream was looked at from its beginning
};

Budgets::Rules Budgets::rules_of(const Layer* chain) {
  Rules rules;
  for (; chain != nullptr; chain = chain->parent.get()) {
    const Restrictions& said = chain->restrictions;
    if (said.output_tokens_max) {
      const std::int64_t most = std::max<std::int64_t>(*said.output_tokens_max, 0);
      rules.output_max = std::min(rules.output_max.value_or(most), most);
    }
    if (said.limits.empty()) continue;
    rules.limits = true;
    rules.token_rate |= said.limits.tokens_per_minute.has_value();
    for (const Budget& budget : said.limits.budgets) {
      rules.budgets = true;
      rules.hard |= budget.hard;
      rules.hard_spend |= budget.hard && budget.unit != BudgetUnit::kRequests;
      rules.hard_usd |= budget.hard && budget.unit == BudgetUnit::kNanoUsd;
    }
  }
  return rules;
}

Task<std::optional<Refusal>> Budgets::admit(Exchange& x) {
  const Layer* const chain = x.principal ? x.principal->layer.get() : nullptr;
  const Rules rules = rules_of(chain);
  if (!rules.limits && !rules.output_max) co_return std::nullopt;
  if (rules.hard && !parts_.recorder.keeps()) {
    log::error("meter.budgets_need_record", {{"api_key_id", x.principal->api_key_id}});
    co_return budgets_need_record();
  }
  auto look = std::make_shared<Look>();
  look->method = x.method;
  look->path = x.path;
  look->model = model_of(x);
  const std::size_t question_max = question_bytes_max(rules);
  if (parts_.scan != nullptr && large_body(x)) {
    // The table of counts is the program's own, so it outlives whatever the gate does.
    std::function<void(const RequestBody&)> work =
        [look, question_max, counts = &parts_.counts](const RequestBody& body) {
          look->at(body, *counts, question_max);
        };
    co_await work_off_loop(x, *parts_.scan, std::move(work));
  } else {
    look->at(x.body, parts_.counts, question_max);
  }
  x.booked.input_count = "local";
  if (!look->question.empty()) {
    const std::optional<std::int64_t> told = co_await parts_.provider_count->count_input(
        x, std::move(look->question), config_.count_timeout_ms);
    if (told) take_provider_count(look->bounds, *told);
    if (told) x.booked.input_count = "provider";
  }
  auto state = std::make_unique<State>();
  state->bounds = std::move(look->bounds);
  co_return decide(x, rules, std::move(state));
}

// Asking the provider takes a round trip: only where the count decides whether the call may pass.
std::size_t Budgets::question_bytes_max(const Rules& rules) const {
  const bool decides = rules.hard_spend || rules.token_rate;
  const bool asks = decides && config_.count == "provider" && parts_.provider_count != nullptr;
  return asks ? kQuestionBytesMax : 0;
}

std::optional<Refusal> Budgets::decide(Exchange& x, const Rules& rules,
                                       std::unique_ptr<State> state) {
  const Price* const price = prices_->find(model_of(x));
  CallBounds& bounds = state->bounds;
  if (bounds.wrong != nullptr && (rules.hard_spend || rules.output_max)) {
    x.denied_because = "not_a_number";
    return not_a_number(bounds.wrong);
  }
  std::int64_t output = 0;
  std::optional<Refusal> refusal = bound_output(x, rules, bounds, output);
  if (refusal || !rules.limits) return refusal;

  state->worst.requests = 1;
  if (bounds.kind == CallKind::kBounded) {
    if (rules.hard_usd) name_tier(x, bounds);
    state->worst.tokens = sum(bounds.input, output);
    const auto cost = prices_->worst_case(model_of(x), {.input = bounds.input,
                                                        .output = output,
                                                        .characters = bounds.characters,
                                                        .other_input = true,
                                                        .other_output = true,
                                                        .service_tier = bounds.service_tier});
    if (cost) {
      state->worst.nano_usd = cost->amount.nano;
      x.price_estimated = cost->estimated;
    } else {
      bounds.kind = CallKind::kUnbounded;  // something in it has no price
    }
  }
  if (bounds.kind == CallKind::kUnbounded && rules.hard_spend) {
    if (config_.unmeterable == "refuse") {
      x.denied_because = "not_meterable";
      return not_meterable();
    }
    state->worst.tokens = 0;
  }
  state->budgets = rules.budgets;
  state->hard = rules.hard;
  state->hard_spend = rules.hard_spend;
  const bool named = price != nullptr && price->reasons;
  state->reasons = named ? *price->reasons : may_reason(model_of(x));
  return reserve(x, rules, std::move(state));
}

// A layer limits the output, and the endpoint has no field for it.
std::optional<Refusal> Budgets::output_unseen(Exchange& x, const CallBounds& bounds,
                                              std::int64_t limit) const {
  if (bounds.output_seen == OutputSeen::kHidden) {
    x.denied_because = "output_max";
    return output_not_visible();
  }
  if (bounds.output_seen != OutputSeen::kModel) return std::nullopt;
  if (parts_.counts.output_max(model_of(x)).value_or(kOutputUnknown) <= limit) return std::nullopt;
  x.denied_because = "output_max";
  return output_over_limit(limit, "model");
}

// The most that may be said in all choices together. Writes a maximum into the body where one is
// needed and none stands.
std::optional<Refusal> Budgets::bound_output(Exchange& x, const Rules& rules, CallBounds& bounds,
                                             std::int64_t& output) {
  output = sum(bounds.fixed_output, bounds.more_output);
  if (rules.output_max) {
    if (auto refusal = output_unseen(x, bounds, *rules.output_max)) return refusal;
  }
  if (bounds.kind == CallKind::kFree || bounds.field.name.empty()) return std::nullopt;
  const char* const field = bounds.field.name.data();  // a literal, so it ends in a zero
  if (bounds.named_output) {
    const std::int64_t named = product(*bounds.named_output, bounds.choices);
    if (rules.output_max && named > *rules.output_max) {
      x.denied_because = "output_max";
      return output_over_limit(*rules.output_max, field);
    }
    output = sum(output, named);
    return std::nullopt;
  }
  if (!rules.hard_spend && !rules.output_max) return std::nullopt;

  const std::int64_t own = parts_.counts.output_max(model_of(x)).value_or(kOutputUnknown);
  std::int64_t each = config_.output_tokens_default_max > 0 && rules.hard_spend
                          ? std::min(config_.output_tokens_default_max, own)
                          : own;
  if (bounds.default_output > 0) each = bounds.default_output;
  bool write = config_.output_tokens_default_max > 0 && rules.hard_spend;
  if (rules.output_max && product(each, bounds.choices) > *rules.output_max) {
    each = *rules.output_max / bounds.choices;
    write = true;
  }
  if (each == 0) {
    x.denied_because = "output_max";
    return output_over_limit(rules.output_max.value_or(0), field);
  }
  output = sum(output, product(each, bounds.choices));
  if (!write) return std::nullopt;
  const std::string value = std::to_string(each);
  Splice edit{bounds.field.offset, bounds.field.replaced, value};
  if (bounds.field.replaced == 0) edit.inserted = "\"" + std::string(field) + "\":" + value + ",";
  const Result<void> spliced = x.body.splice(std::move(edit));
  if (!spliced) {
    log::error("meter.maximum_not_written", {{"request_id", x.request_id}});
    x.denied_because = "not_meterable";
    return not_meterable();
  }
  return std::nullopt;
}

// Without a word the provider's project decides, which may have bought a dearer tier.
void Budgets::name_tier(Exchange& x, CallBounds& bounds) {
  if (!bounds.service_tier.empty() || bounds.tier_field.name.empty()) return;
  const bool null = bounds.tier_field.replaced > 0;
  const char* const text = null ? "\"default\"" : ",\"service_tier\":\"default\"";
  const Result<void> spliced =
      x.body.splice({bounds.tier_field.offset, bounds.tier_field.replaced, text});
  bounds.service_tier = spliced ? "default" : "auto";
}

std::optional<Refusal> Budgets::reserve(Exchange& x, const Rules& rules,
                                        std::unique_ptr<State> state) {
  const bool pass = rules.hard_spend && state->bounds.kind == CallKind::kUnbounded;
  Need need;
  need.request_id = x.request_id;
  need.chain = x.principal->layer.get();
  need.chain_expires_ms = x.principal->expires_at.time_since_epoch().count();
  need.worst = state->worst;
  need.rate_tokens = state->worst.tokens;
  need.unbounded = pass;
  RateRoom room;
  std::vector<Alert> alerts;
  auto held = parts_.ledger.reserve(need, room, alerts);
  append_rate_fields(x.limit_fields, room);
  tell(x, alerts);
  x.booked.estimated_input_tokens = state->bounds.estimated_input;
  if (!held) {
    x.denied_because = denial_of(held.error().limit);
    if (held.error().limit == LimitKind::kBudget) x.booked.refused_by = refused_by(held.error());
    return refusal_for(held.error());
  }
  state->reservation = std::move(*held);
  if (rules.budgets) {
    x.booked.reserved_tokens = state->worst.tokens;
    x.booked.reserved_usd = NanoUsd{state->worst.nano_usd};
  }
  x.written_before_call = rules.hard;
  x.drain_for_usage = rules.hard_spend && state->bounds.kind != CallKind::kFree;
  x.budgets = std::move(state);
  return std::nullopt;
}

void Budgets::answer(Exchange& x) {
  if (!x.limit_fields.empty()) {  // ours stand for the provider's: it limits the gate, not the key
    std::erase_if(x.answer.headers,
                  [](const auto& field) { return field.first.starts_with("x-ratelimit-"); });
  }
  auto* const state = static_cast<State*>(x.budgets.get());
  if (state == nullptr || !state->budgets || state->reasons) return;
  if (state->bounds.kind != CallKind::kBounded || !x.answer.event_stream) return;
  state->counted = true;
  x.answer.event_filters.push_back(count_generated(stream_dialect(x.path), std::string(model_of(x)),
                                                   parts_.counts, state->generated));
}

void Budgets::finish(Exchange& x) {
  auto* const state = static_cast<State*>(x.budgets.get());
  if (state == nullptr) return;
  if (x.provider_key_id && parts_.provider_usage != nullptr) {
    if (const auto spend = parts_.provider_usage->last(*x.provider_key_id)) {
      x.booked.provider_usage_usd = spend->amount;
      x.booked.provider_usage_age_s = spend->age_s;
    }
  }
  settle(x, *state);
  x.budgets.reset();
}

void Budgets::settle(Exchange& x, State& state) {
  Ledger& ledger = parts_.ledger;
  if (x.intent) {
    if (const auto seq = x.intent->seq()) ledger.written(state.reservation, *seq);
  }
  const auto charge = [&](const Amounts& used) {
    if (!state.budgets) return;
    // Nothing but a request was held back, and it stands: a start reads figures of 0 in a failed
    // call as a release, and no figures as the whole reservation.
    const bool bare = state.worst.tokens == 0 && state.worst.nano_usd == 0;
    if (bare && used.requests > 0 && used.tokens == 0 && used.nano_usd == 0) return;
    x.booked.charged_tokens = used.tokens;
    x.booked.charged_usd = NanoUsd{used.nano_usd};
  };
  if (!x.asked || nothing_ran(x, state.hard && state.bounds.kind != CallKind::kFree)) {
    charge({});
    ledger.release(std::move(state.reservation));
    return;
  }
  Amounts used = state.worst;
  const bool known = settle_by_usage(x, state, used) || settle_by_count(x, state, used);
  charge(used);
  std::vector<Alert> alerts;
  if (known) {
    ledger.settle(std::move(state.reservation), used, alerts);
  } else {
    ledger.stand(std::move(state.reservation), alerts);
  }
  tell(x, alerts);
}

// What the provider says. A price that is not known leaves the money as it was held back.
bool Budgets::settle_by_usage(Exchange& x, State& state, Amounts& used) const {
  if (state.bounds.kind == CallKind::kFree) {
    used = {.nano_usd = 0, .tokens = 0, .requests = 1};
    return true;
  }
  const bool so_far = x.answer.event_stream && x.broken != nullptr && !x.answer_whole;
  if (!x.usage || (so_far && x.usage->input)) return false;
  const Usage& usage = *x.usage;
  if (usage.input && usage.output) {
    used.tokens = sum(*usage.input, *usage.output);
  } else if (usage.seconds || usage.characters) {
    used.tokens = 0;
  } else {
    return false;
  }
  if (x.cost_usd) used.nano_usd = x.cost_usd->nano;
  return true;
}

// A stream without the provider's usage: what passed, and a little for what was under way. An
// estimate, so never where a hard budget counts: the provider may have said more than what reached
// us, while we waited for the client, or after we hung up. Nor where the model may have made what
// it does not show.
bool Budgets::settle_by_count(Exchange& x, State& state, Amounts& used) {
  if (!state.counted || state.hard_spend || state.reasons) return false;
  if (state.generated.uncountable || state.bounds.output_hidden) return false;
  const std::int64_t seen = state.generated.tokens;
  const std::int64_t unseen = x.broken == nullptr ? 0 : kUnseenTokens + seen / kUnseenShare;
  const std::int64_t output = sum(seen, unseen);
  Usage counted;
  counted.input = state.bounds.input;
  counted.output = output;
  counted.model = x.model;
  counted.estimated = true;
  const auto cost = prices_->worst_case(model_of(x), {.input = state.bounds.input,
                                                      .output = output,
                                                      .other_input = true,
                                                      .other_output = true,
                                                      .service_tier = state.bounds.service_tier});
  if (!cost) return false;
  used.tokens = sum(state.bounds.input, output);
  used.nano_usd = cost->amount.nano;
  x.usage = std::move(counted);
  x.cost_usd = cost->amount;
  x.price_estimated = cost->estimated;
  return true;
}

void Budgets::tell(const Exchange& x, const std::vector<Alert>& alerts) {
  for (const Alert& alert : alerts) {
    log::warn(
        "meter.budget_alert",
        {{"account", alert.account}, {"threshold", alert.threshold}, {"refused", alert.refused}});
    parts_.recorder.record(alert_event(alert, x.principal->api_key_id, parts_.clock.now()),
                           Durability::kWritten, {});
  }
}

}  // namespace sallyport::meter
