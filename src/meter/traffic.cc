// SPDX-License-Identifier: Apache-2.0
#include "meter/traffic.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

namespace sallyport::meter {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr std::array<std::string_view, 6> kClassNames{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

double read(const std::atomic<std::uint64_t>& count) {
  return static_cast<double>(count.load(kRelaxed));
}

std::uint64_t positive(const std::optional<std::int64_t>& number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number.value_or(0), 0));
}

}  // namespace

void ExemplarSlot::put(std::string_view request_id, double value, UtcTime at) {
  if (request_id.empty() || busy_.test_and_set(std::memory_order_acquire)) return;
  request_id_ = request_id;
  value_ = value;
  at_ = at;
  busy_.clear(std::memory_order_release);
}

std::optional<MetricExemplar> ExemplarSlot::get() const {
  while (busy_.test_and_set(std::memory_order_acquire)) {
  }
  std::optional<MetricExemplar> out;
  if (!request_id_.empty()) out = MetricExemplar{"request_id", request_id_, value_, at_};
  busy_.clear(std::memory_order_release);
  return out;
}

void TimeHistogram::add(std::int64_t ms, const Event& event) {
  const double seconds = static_cast<double>(ms) / 1000;
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(kBoundsS, seconds) - kBoundsS.begin());
  counts_[bucket].fetch_add(1, kRelaxed);
  sum_ms_.fetch_add(static_cast<std::uint64_t>(ms), kRelaxed);
  last_[bucket].put(event.request_id, seconds, event.timestamp_utc);
}

void TimeHistogram::collect(MetricSink& sink, std::string_view name, std::string_view help) const {
  std::array<std::uint64_t, kBoundsS.size() + 1> counts{};
  std::array<std::optional<MetricExemplar>, kBoundsS.size() + 1> exemplars;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = counts_[i].load(kRelaxed);
    exemplars[i] = last_[i].get();
  }
  sink.histogram(name, help, {}, {kBoundsS, counts, read(sum_ms_) / 1000, exemplars});
}

Traffic::~Traffic() {
  for (Slot& slot : slots_) delete slot.key.load(kRelaxed);
}

void Traffic::record(Event event, Durability until, Done done) {
  count(event);
  to_.record(std::move(event), until, std::move(done));
}

void Traffic::record_soon(Event event, Durability until, Done done) {
  count(event);
  to_.record_soon(std::move(event), until, std::move(done));
}

void Traffic::record_twice(Event event, Done written, Done synced) {
  count(event);
  to_.record_twice(std::move(event), std::move(written), std::move(synced));
}

// Open addressing; a slot is taken once and for ever, so that a look-up needs no lock.
Traffic::Counts& Traffic::counts_of(const std::optional<std::string>& key) {
  if (!key) return none_;
  std::unique_ptr<const std::string> fresh;
  for (std::size_t at = std::hash<std::string_view>{}(*key) % kSlots;; at = (at + 1) % kSlots) {
    Slot& slot = slots_[at];
    const std::string* taken = slot.key.load(std::memory_order_acquire);
    if (taken == nullptr) {
      if (!fresh) {
        if (keys_.fetch_add(1, kRelaxed) >= kKeysMax) {
          keys_.fetch_sub(1, kRelaxed);
          return other_;
        }
        fresh = std::make_unique<const std::string>(*key);
      }
      if (slot.key.compare_exchange_strong(taken, fresh.get(), std::memory_order_acq_rel)) {
        fresh.release();
        return slot.counts;
      }
    }
    if (*taken != *key) continue;
    if (fresh) keys_.fetch_sub(1, kRelaxed);  // another thread was first
    return slot.counts;
  }
}

void Traffic::count(const Event& event) {
  if (event.kind != Kind::kRequest) return;
  const auto calls =
      static_cast<std::uint64_t>(std::max<std::int64_t>(event.repeated.value_or(1), 1));
  Counts& counts = counts_of(event.api_key_id);
  const int status = event.status.value_or(0) / 100;
  counts.calls[status < static_cast<int>(kClasses) ? static_cast<std::size_t>(status) : 0]
      .fetch_add(calls, kRelaxed);
  counts.tokens_input.fetch_add(positive(event.tokens_input), kRelaxed);
  counts.tokens_cached.fetch_add(positive(event.tokens_cached), kRelaxed);
  counts.tokens_output.fetch_add(positive(event.tokens_output), kRelaxed);
  if (event.cost_usd) counts.nano_usd.fetch_add(event.cost_usd->nano, kRelaxed);
  if (event.latency_ms && *event.latency_ms >= 0) latency_.add(*event.latency_ms, event);
  if (event.ttft_ms && *event.ttft_ms >= 0) first_token_.add(*event.ttft_ms, event);
}

void Traffic::collect_key(MetricSink& sink, std::string_view key, const Counts& counts) {
  for (std::size_t i = 0; i < kClasses; ++i) {
    const double calls = read(counts.calls[i]);
    if (calls == 0) continue;
    sink.counter("sallyport_calls", "Finished calls as recorded, by key and class of status.",
                 {{"key", key}, {"status", kClassNames[i]}}, calls);
  }
  constexpr std::string_view kTokens = "Tokens of finished calls.";
  sink.counter("sallyport_tokens", kTokens, {{"key", key}, {"type", "input"}},
               read(counts.tokens_input));
  sink.counter("sallyport_tokens", kTokens, {{"key", key}, {"type", "output"}},
               read(counts.tokens_output));
  sink.counter("sallyport_cached_tokens", "Of the input, what the provider had in its cache.",
               {{"key", key}}, read(counts.tokens_cached));
  sink.counter(
      "sallyport_cost_usd", "Cost of finished calls in US dollars.", {{"key", key}},
      static_cast<double>(counts.nano_usd.load(kRelaxed)) / static_cast<double>(kNanoUsdPerUsd));
}

void Traffic::collect(MetricSink& sink) const {
  for (const Slot& slot : slots_) {
    const std::string* key = slot.key.load(std::memory_order_acquire);
    if (key != nullptr) collect_key(sink, *key, slot.counts);
  }
  collect_key(sink, "(none)", none_);
  collect_key(sink, "(other)", other_);
  latency_.collect(sink, "sallyport_latency_seconds", "From a request's head to the answer's end.");
  first_token_.collect(sink, "sallyport_first_token_seconds",
                       "From a request's head to the first event of its stream.");
}

}  // namespace sallyport::meter
