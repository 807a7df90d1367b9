// SPDX-License-Identifier: Apache-2.0
// OpenMetrics 1.0 text: what sources tell, grouped by family as the format demands.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "event/ports/metrics.h"

namespace sallyport::admin {

inline constexpr std::string_view kOpenMetricsType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";
inline constexpr std::size_t kFamiliesMax = 500;
inline constexpr std::size_t kSamplesMax = 2000;    // of one family; further ones are left out
inline constexpr std::size_t kLabelBytesMax = 128;  // of one value; longer ones are cut

class OpenMetrics final : public MetricSink {
 public:
  void counter(std::string_view name, std::string_view help, const MetricLabels& labels,
               double value) override;
  void gauge(std::string_view name, std::string_view help, const MetricLabels& labels,
             double value) override;
  void histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                 const HistogramSample& sample) override;

  std::string text() const;                           // ends with "# EOF\n"
  std::size_t left_out() const { return left_out_; }  // samples over a limit or of a second type

 private:
  struct Family {
    std::string type, help, lines;
    std::size_t samples = 0;
  };
  Family* family(std::string_view name, std::string_view help, const char* type);

  std::map<std::string, Family, std::less<>> families_;
  std::size_t left_out_ = 0;
};

}  // namespace sallyport::admin
