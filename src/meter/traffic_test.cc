// SPDX-License-Identifier: Apache-2.0
#include "meter/traffic.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

namespace sallyport::meter {
namespace {

class Kept final : public Recorder {
 public:
  void record(Event, Durability, Done done) override {
    ++records;
    if (done) done(1);
  }
  bool accepting() const override { return true; }
  std::atomic<int> records{0};
};

// "name{a,b}" -> value; of histograms the counts and the ids of their exemplars.
class Told final : public MetricSink {
 public:
  void counter(std::string_view name, std::string_view, const MetricLabels& labels,
               double value) override {
    std::string series(name);
    for (const MetricLabel& label : labels) series += " " + std::string(label.value);
    values[series] = value;
  }
  void gauge(std::string_view, std::string_view, const MetricLabels&, double) override {}
  void histogram(std::string_view name, std::string_view, const MetricLabels&,
                 const HistogramSample& sample) override {
    for (std::size_t i = 0; i < sample.counts.size(); ++i) {
      if (sample.counts[i] == 0) continue;
      const std::string series = std::string(name) + " " + std::to_string(i);
      values[series] = static_cast<double>(sample.counts[i]);
      if (sample.exemplars[i]) exemplars[series] = sample.exemplars[i]->id;
    }
  }
  std::map<std::string, double> values;
  std::map<std::string, std::string> exemplars;
};

Event call(const char* key, int status, std::int64_t in, std::int64_t out) {
  Event event;
  if (key != nullptr) event.api_key_id = key;
  event.status = status;
  event.tokens_input = in;
  event.tokens_output = out;
  event.latency_ms = 40;
  event.request_id = "req_1";
  return event;
}

Told collected(const Traffic& traffic) {
  Told told;
  traffic.collect(told);
  return told;
}

TEST(Traffic, CountsFinishedCallsByKey) {
  Kept kept;
  Traffic traffic(kept);
  Event priced = call("a", 200, 100, 20);
  priced.cost_usd = NanoUsd{2'500'000'000};
  priced.tokens_cached = 64;
  traffic.record(priced, Durability::kWritten, {});
  traffic.record_soon(call("a", 429, 0, 0), Durability::kWritten, {});
  Event fold = call(nullptr, 401, 0, 0);
  fold.repeated = 980;
  traffic.record(fold, Durability::kWritten, {});
  Event intent = call("a", 200, 1'000, 1'000);
  intent.kind = Kind::kIntent;
  traffic.record_twice(intent, {}, {});
  EXPECT_EQ(kept.records, 4) << "all are passed on";
  auto values = collected(traffic).values;
  EXPECT_EQ(values["sallyport_calls a 2xx"], 1);
  EXPECT_EQ(values["sallyport_calls a 4xx"], 1);
  EXPECT_EQ(values["sallyport_calls (none) 4xx"], 980);
  EXPECT_EQ(values["sallyport_tokens a input"], 100) << "an intent is not over";
  EXPECT_EQ(values["sallyport_tokens a output"], 20);
  EXPECT_EQ(values["sallyport_cached_tokens a"], 64);
  EXPECT_EQ(values["sallyport_cost_usd a"], 2.5);
}

TEST(Traffic, ABucketNamesItsLastRequest) {
  Kept kept;
  Traffic traffic(kept);
  const std::pair<std::int64_t, const char*> calls[] = {
      {10, "first"}, {10, "second"}, {11, "third"}, {90'000, "slow"}};
  for (const auto& [ms, id] : calls) {
    Event event = call("a", 200, 1, 1);
    event.latency_ms = ms;
    event.request_id = id;
    traffic.record(event, Durability::kWritten, {});
  }
  Told told = collected(traffic);
  EXPECT_EQ(told.values["sallyport_latency_seconds 0"], 2) << "a bound belongs to its bucket";
  EXPECT_EQ(told.exemplars["sallyport_latency_seconds 0"], "second");
  EXPECT_EQ(told.exemplars["sallyport_latency_seconds 1"], "third");
  EXPECT_EQ(told.exemplars["sallyport_latency_seconds 12"], "slow");
}

TEST(Traffic, AMillionKeysAreBounded) {
  Kept kept;
  Traffic traffic(kept);
  for (int i = 0; i < 20'000; ++i) {
    traffic.record(call(("k" + std::to_string(i)).c_str(), 200, 1, 0), Durability::kWritten, {});
  }
  auto values = collected(traffic).values;
  EXPECT_EQ(values["sallyport_tokens (other) input"], 20'000 - Traffic::kKeysMax);
  EXPECT_LT(values.size(), Traffic::kKeysMax * 6);
}

TEST(Traffic, ThreadsLoseNoCount) {
  Kept kept;
  Traffic traffic(kept);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&traffic] {
      for (int i = 0; i < 5'000; ++i) {
        traffic.record(call(("k" + std::to_string(i % 300)).c_str(), 200, 1, 0),
                       Durability::kWritten, {});
      }
    });
  }
  threads.clear();
  double all = 0;
  for (const auto& [series, value] : collected(traffic).values) {
    if (series.starts_with("sallyport_tokens ")) all += value;
  }
  EXPECT_EQ(all, 20'000);
}

}  // namespace
}  // namespace sallyport::meter
