// SPDX-License-Identifier: Apache-2.0
// Can they pay for it? Holds back what the call may cost at most on every account of the key's
// chain, and settles when it is over with what the provider says it used. Stands before Metering,
// so that on the way back usage and cost are known here. Trusts: keys (x.principal), read_body
// (x.body is checked JSON, x.model). Writes x.budgets, x.booked, x.written_before_call,
// x.limit_fields, and splices with the maximum of the output and the service tier. The one place
// that keeps a layer's output_tokens_max, budget or not.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/published.h"
#include "event/ports/provider_usage.h"
#include "event/ports/recorder.h"
#include "exchange/input_count.h"
#include "exchange/off_loop.h"
#include "exchange/stage.h"
#include "meter/call_bounds.h"
#include "meter/config.h"
#include "meter/generated.h"
#include "meter/ledger.h"
#include "meter/prices.h"
#include "meter/token_counts.h"

namespace sallyport::meter {

// All outlive the stage.
struct BudgetParts {
  Ledger& ledger;
  const Published<Prices>& prices;
  const TokenCounts& counts;
  Recorder& recorder;
  const Clock& clock;
  const ProviderUsage* provider_usage = nullptr;
  net::Offload* scan = nullptr;          // counts large bodies; null: the loop does
  InputCount* provider_count = nullptr;  // null: only our own count; outlives every call
};

class Budgets final : public Stage {
 public:
  Budgets(const Config& config, BudgetParts parts)
      : config_(config), parts_(parts), prices_(parts.prices) {}  // `config` outlives the stage
  const char* name() const override { return "budgets"; }
  Task<std::optional<Refusal>> admit(Exchange& x) override;
  void answer(Exchange& x) override;
  void finish(Exchange& x) override;

 private:
  struct Rules;
  struct State;
  static Rules rules_of(const Layer* chain);
  std::optional<Refusal> decide(Exchange& x, const Rules& rules, std::unique_ptr<State> state);
  std::size_t question_bytes_max(const Rules& rules) const;
  std::optional<Refusal> bound_output(Exchange& x, const Rules& rules, CallBounds& bounds,
                                      std::int64_t& output);
  std::optional<Refusal> output_unseen(Exchange& x, const CallBounds& bounds,
                                       std::int64_t limit) const;
  static void name_tier(Exchange& x, CallBounds& bounds);
  std::optional<Refusal> reserve(Exchange& x, const Rules& rules, std::unique_ptr<State> state);
  void settle(Exchange& x, State& state);
  bool settle_by_usage(Exchange& x, State& state, Amounts& used) const;
  bool settle_by_count(Exchange& x, State& state, Amounts& used);
  void tell(const Exchange& x, const std::vector<Alert>& alerts);

  const Config& config_;
  BudgetParts parts_;
  Published<Prices>::Reader prices_;
};

}  // namespace sallyport::meter
