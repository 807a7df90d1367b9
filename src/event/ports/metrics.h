// SPDX-License-Identifier: Apache-2.0
// What rooms count, told to whoever shows it (the admin listener's /metrics). A room implements
// MetricSource and knows no format. Label values come from configuration or from code, never from a
// client: a client must not be able to make a million time series.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace sallyport {

struct MetricLabel {
  std::string_view name;   // [a-z_]+
  std::string_view value;  // bounded set
};
using MetricLabels = std::vector<MetricLabel>;

// A request that stands for a number, so that a graph leads to a record.
struct MetricExemplar {
  std::string label;  // [a-z_]+
  std::string id;
  double value = 0;
  UtcTime at{};
};

struct HistogramSample {
  std::span<const double> bounds;         // upper bounds, ascending, without infinity
  std::span<const std::uint64_t> counts;  // per bucket, not summed up; one more than bounds
  double sum = 0;
  std::span<const std::optional<MetricExemplar>> exemplars = {};  // per bucket, or none at all
};

// `name` is the family without a suffix, "sallyport_requests"; `help` one sentence. The same family
// may be told by several sources; its type and help are those of the first. Views need to live only
// for the call.
class MetricSink {
 public:
  virtual ~MetricSink() = default;
  virtual void counter(std::string_view name, std::string_view help, const MetricLabels& labels,
                       double value) = 0;
  virtual void gauge(std::string_view name, std::string_view help, const MetricLabels& labels,
                     double value) = 0;
  virtual void histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                         const HistogramSample& sample) = 0;
};

class MetricSource {
 public:
  virtual ~MetricSource() = default;
  virtual void collect(
      MetricSink& sink) const = 0;  // any thread; takes no lock that requests wait for
};

}  // namespace sallyport
