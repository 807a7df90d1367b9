// SPDX-License-Identifier: Apache-2.0
// Stands before the journal and counts what went through: calls, tokens, cost by key, and how long
// calls took, each bucket with the request that was its last (an OpenMetrics exemplar), so that a
// graph leads to a record.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/ports/metrics.h"
#include "event/ports/recorder.h"

namespace sallyport::meter {

// The last request of a bucket. Writers that would have to wait leave it as it is.
class ExemplarSlot {
 public:
  void put(std::string_view request_id, double value, UtcTime at);
  std::optional<MetricExemplar> get() const;

 private:
  mutable std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::string request_id_;
  double value_ = 0;
  UtcTime at_{};
};

class TimeHistogram {
 public:
  static constexpr std::array<double, 12> kBoundsS{0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                   1,    2.5,   5,    10,  30,   60};
  void add(std::int64_t ms, const Event& event);
  void collect(MetricSink& sink, std::string_view name, std::string_view help) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBoundsS.size() + 1> counts_{};
  std::array<ExemplarSlot, kBoundsS.size() + 1> last_;
  std::atomic<std::uint64_t> sum_ms_{0};
};

// Any thread; a finished call costs some ten relaxed additions and no lock. The first kKeysMax keys
// that are seen have series of their own, what comes later is "(other)", calls without a valid
// key are "(none)", which no key can be called: a client cannot make series.
class Traffic final : public Recorder, public MetricSource {
 public:
  static constexpr std::size_t kKeysMax = 250;

  explicit Traffic(Recorder& to) : to_(to) {}  // outlives it
  ~Traffic() override;

  void record(Event event, Durability until, Done done) override;
  void record_soon(Event event, Durability until, Done done) override;
  void wake() override { to_.wake(); }
  void record_twice(Event event, Done written, Done synced) override;
  std::uint64_t durable_seq() const override { return to_.durable_seq(); }
  bool keeps() const override { return to_.keeps(); }
  bool accepting() const override { return to_.accepting(); }

  void collect(MetricSink& sink) const override;

 private:
  static constexpr std::size_t kSlots = 512;  // a power of two, half empty at kKeysMax
  static constexpr std::size_t kClasses = 6;  // none, 1xx ... 5xx
  struct Counts {
    std::array<std::atomic<std::uint64_t>, kClasses> calls{};
    std::atomic<std::uint64_t> tokens_input{0}, tokens_cached{0}, tokens_output{0};
    std::atomic<std::int64_t> nano_usd{0};
  };
  struct Slot {
    std::atomic<const std::string*> key{nullptr};  // set once, owned
    Counts counts;
  };

  void count(const Event& event);
  Counts& counts_of(const std::optional<std::string>& key);
  static void collect_key(MetricSink& sink, std::string_view key, const Counts& counts);

  Recorder& to_;
  std::array<Slot, kSlots> slots_;
  std::atomic<std::size_t> keys_{0};
  Counts none_, other_;
  TimeHistogram latency_, first_token_;
};

}  // namespace sallyport::meter
