// SPDX-License-Identifier: Apache-2.0
// For tests only: the stage with a price table, one token a letter, and a call of one key.
#pragma once

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "meter/budgets.h"

namespace sallyport::meter {

inline constexpr auto kUsd = BudgetUnit::kNanoUsd;
inline constexpr auto kTokens = BudgetUnit::kTokens;
inline constexpr auto kRequests = BudgetUnit::kRequests;

// Remembers what it is told.
class Told final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    events.push_back(std::move(event));
    if (done) done(std::uint64_t{events.size()});
  }
  bool accepting() const override { return true; }
  std::vector<Event> events;
};

// One token a letter, so that a test can be read.
class Letters final : public TokenCounts {
 public:
  TokenCount input(std::string_view, std::string_view, std::string_view) const override {
    return {100, true};
  }
  std::int64_t text(std::string_view text, std::string_view) const override {
    return static_cast<std::int64_t>(text.size());
  }
  std::int64_t context_max(std::string_view) const override { return 128'000; }
  std::optional<std::int64_t> output_max(std::string_view model) const override {
    return model == "gpt-4-small" ? std::optional<std::int64_t>(4'096) : std::nullopt;
  }
};
inline constexpr std::int64_t kInput = 100 + 100 / 16 + 32;  // with the margin

class BudgetsTest : public testing::Test {
 protected:
  BudgetsTest()
      : ledger_(clock_, told_),
        prices_(*Prices::parse(R"({"version":1,"models":[
          {"model":"gpt-4o","input":2.0,"output":8.0},
          {"model":"gpt-4-small","input":2.0,"output":8.0},
          {"model":"o3","input":2.0,"output":8.0},
          {"model":"speak","characters":15.0}]})")),
        stage_(config_, {.ledger = ledger_,
                         .prices = prices_,
                         .counts = letters_,
                         .recorder = told_,
                         .clock = clock_}) {
    call();
  }

  // A new call of the key.
  void call() {
    x_.emplace();
    x_->request_id = "req_" + std::to_string(++number_);
    x_->method = "POST";
    x_->path = "/v1/chat/completions";
    x_->model = "gpt-4o";
    x_->body.kind = BodyKind::kJson;
    x_->body.bytes = R"({"model":"gpt-4o"})";
  }

  void limits(Limits limits, std::optional<std::int64_t> output_max = {}) {
    auto layer = std::make_shared<Layer>();
    layer->account = "key:user_42";
    layer->restrictions.limits = std::move(limits);
    layer->restrictions.output_tokens_max = output_max;
    auto principal = std::make_shared<Principal>();
    principal->api_key_id = "user_42";
    principal->layer = std::move(layer);
    principal->expires_at = UtcTime::max();
    principal_ = std::move(principal);
  }
  void budget(BudgetUnit unit, std::int64_t amount, bool hard = true) {
    Limits all;
    all.budgets = {{unit, BudgetWindow::kDay, amount, hard}};
    limits(std::move(all));
  }

  std::optional<Refusal> admit() {
    x_->principal = principal_;
    Task<std::optional<Refusal>> task = stage_.admit(*x_);
    task.await_suspend(std::noop_coroutine()).resume();
    return task.await_resume();
  }
  std::string code() {
    const auto refusal = admit();
    return refusal ? refusal->code : "";
  }

  void answered(std::int64_t input, std::int64_t output) {
    x_->asked = true;
    x_->upstream_status = 200;
    x_->answer.status = 200;
    x_->usage.emplace();
    x_->usage->input = input;
    x_->usage->output = output;
    x_->cost_usd = NanoUsd{input * 2'000 + output * 8'000};
  }
  void finish() { stage_.finish(*x_); }

  std::int64_t spent(BudgetUnit unit) {
    return ledger_.show("key:user_42", 1)[0].state.windows[2].settled[static_cast<std::size_t>(
        unit)];
  }
  std::int64_t held(BudgetUnit unit) {
    return ledger_.show("key:user_42", 1)[0].held[2][static_cast<std::size_t>(unit)];
  }

  // What the stage sees of a stream.
  void stream(const std::vector<std::string_view>& chunks) {
    x_->stream = true;
    x_->asked = true;
    x_->upstream_status = 200;
    x_->answer.status = 200;
    x_->answer.event_stream = true;
    stage_.answer(*x_);
    struct Nowhere final : EventSink {
      void event(const net::SseEvent&) override {}
    } nowhere;
    for (const std::string_view chunk : chunks) {
      net::SseEvent event;
      event.data = chunk;
      for (const auto& filter : x_->answer.event_filters) filter->event(event, nowhere);
    }
  }

  ManualClock clock_{*parse_utc("2026-11-24T12:00:00Z")};
  Told told_;
  Letters letters_;
  Config config_;
  Ledger ledger_;
  Published<Prices> prices_;
  Budgets stage_;
  std::shared_ptr<const Principal> principal_;
  std::optional<Exchange> x_;
  int number_ = 0;
};

}  // namespace sallyport::meter
