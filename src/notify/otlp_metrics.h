// SPDX-License-Identifier: Apache-2.0
// Metrics as OTLP/HTTP JSON: what the house's sources tell, and the GenAI histograms of tokens and
// durations, counted from records as they are sent.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "event/ports/metrics.h"
#include "notify/otlp_records.h"

namespace sallyport::notify {

class OtlpMetrics {
 public:
  static constexpr std::size_t kModelsMax = 100;  // clients name models: further ones are "other"
  static constexpr std::size_t kPointsMax = 10'000;

  // `began`: since when counters count. `delta`: counts since the last push that was taken, as
  // Datadog wants them; otherwise since `began`.
  OtlpMetrics(OtlpResource resource, UtcTime began, bool delta)
      : resource_(std::move(resource)), began_(began), last_(began), delta_(delta) {}

  void count(const Batch& batch);  // of finished calls
  // The body of /v1/metrics.
  std::string body(const std::vector<const MetricSource*>& sources, UtcTime now);
  // It was taken: delta counts begin anew.
  void taken();

 private:
  static constexpr std::size_t kTokenBounds = 14, kDurationBounds = 14;
  using Series = std::tuple<std::string, std::string, std::string>;  // operation, model, extra
  struct Histogram {
    std::array<std::uint64_t, 15> counts{};
    double sum = 0;
  };
  class Writer;

  void add(std::map<Series, Histogram>& to, std::span<const double> bounds, Series series,
           double value);

  const OtlpResource resource_;
  const UtcTime began_;
  UtcTime last_, pushed_at_;
  const bool delta_;
  std::map<Series, Histogram> tokens_, durations_;
  std::map<std::string, std::uint64_t, std::less<>> models_;
  // By family and labels: what was counted at the push that was taken last, and at this one.
  std::map<std::string, std::vector<double>> before_, now_;
};

}  // namespace sallyport::notify
