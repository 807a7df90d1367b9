// SPDX-License-Identifier: Apache-2.0
#include "notify/otlp_metrics.h"

#include <algorithm>
#include <utility>

#include "base/json_writer.h"
#include "notify/gen_ai_names.h"

namespace sallyport::notify {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr int kDelta = 1, kCumulative = 2;

// The conventions' bounds: tokens in powers of four, seconds doubling.
constexpr auto kTokens = [] {
  std::array<double, 14> bounds{};
  double bound = 1;
  for (double& one : bounds) one = bound, bound *= 4;
  return bounds;
}();
constexpr auto kSeconds = [] {
  std::array<double, 14> bounds{};
  double bound = 0.01;
  for (double& one : bounds) one = bound, bound *= 2;
  return bounds;
}();

std::string nanoseconds(UtcTime time) {
  return std::to_string(time.time_since_epoch().count() * kNsPerMs);
}

}  // namespace

// Families one behind the other, each with its points; a family told by two sources stays one.
class OtlpMetrics::Writer final : public MetricSink {
 public:
  Writer(OtlpMetrics& house, UtcTime now) : house_(house), now_(nanoseconds(now)) {
    const UtcTime from = house.delta_ ? house.last_ : house.began_;
    from_ = nanoseconds(from);
  }

  void counter(std::string_view name, std::string_view help, const MetricLabels& labels,
               double value) override {
    const std::vector<double> counts =
        house_.delta_ ? since(name, labels, {value}) : std::vector<double>{value};
    Family* family = find(name, help, "sum");
    if (family == nullptr) return;
    JsonWriter json = open(*family, labels, true);
    json.field("asDouble", counts[0]).end_object();
  }

  void gauge(std::string_view name, std::string_view help, const MetricLabels& labels,
             double value) override {
    Family* family = find(name, help, "gauge");
    if (family == nullptr) return;
    JsonWriter json = open(*family, labels, false);
    json.field("asDouble", value).end_object();
  }

  void histogram(std::string_view name, std::string_view help, const MetricLabels& labels,
                 const HistogramSample& sample) override {
    std::vector<double> counts(sample.counts.begin(), sample.counts.end());
    counts.push_back(sample.sum);
    if (house_.delta_) counts = since(name, labels, std::move(counts));
    Family* family = find(name, help, "histogram");
    if (family == nullptr) return;
    double all = 0;
    for (std::size_t i = 0; i + 1 < counts.size(); ++i) all += counts[i];
    JsonWriter json = open(*family, labels, true);
    json.field("count", whole(all)).field("sum", counts.back()).key("bucketCounts").begin_array();
    for (std::size_t i = 0; i + 1 < counts.size(); ++i) json.value(whole(counts[i]));
    json.end_array().key("explicitBounds").begin_array();
    for (const double bound : sample.bounds) json.value(bound);
    json.end_array().end_object();
  }

  std::string text() const {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("resourceMetrics").begin_array().begin_object();
    json.key("resource").raw(otlp_resource(house_.resource_));
    json.key("scopeMetrics").begin_array().begin_object();
    json.key("scope").begin_object().field("name", "sallyport");
    json.field("version", house_.resource_.version).end_object();
    json.key("metrics").begin_array();
    for (const auto& [name, family] : families_) {
      json.begin_object().field("name", name).field("description", family.help);
      if (!family.unit.empty()) json.field("unit", family.unit);
      json.key(family.kind).begin_object();
      if (family.kind != "gauge") {
        json.field("aggregationTemporality", house_.delta_ ? kDelta : kCumulative);
      }
      if (family.kind == "sum") json.field("isMonotonic", true);
      json.key("dataPoints").raw("[" + family.points + "]").end_object().end_object();
    }
    json.end_array().end_object().end_array().end_object().end_array().end_object();
    return out;
  }

  void unit(std::string_view name, std::string_view unit) {
    const auto found = families_.find(name);
    if (found != families_.end()) found->second.unit = unit;
  }

 private:
  struct Family {
    std::string help, kind, unit, points;
  };

  static std::string whole(double count) {
    return std::to_string(static_cast<std::uint64_t>(std::max(0.0, count)));
  }

  Family* find(std::string_view name, std::string_view help, std::string_view kind) {
    const auto found = families_.find(name);
    if (found != families_.end())
      return found->second.kind == kind && room() ? &found->second : nullptr;
    if (!room()) return nullptr;
    return &families_.emplace(name, Family{std::string(help), std::string(kind), {}, {}})
                .first->second;
  }
  bool room() { return ++points_ <= kPointsMax; }

  JsonWriter open(Family& family, const MetricLabels& labels, bool counted) {
    if (!family.points.empty()) family.points += ',';
    JsonWriter json(family.points);
    json.begin_object().key("attributes").begin_array();
    for (const MetricLabel& label : labels) {
      json.begin_object().field("key", label.name).key("value").begin_object();
      json.field("stringValue", label.value).end_object().end_object();
    }
    json.end_array();
    if (counted) json.field("startTimeUnixNano", from_);
    json.field("timeUnixNano", now_);
    return json;
  }

  // What was added since the push before; a counter that fell began anew.
  std::vector<double> since(std::string_view name, const MetricLabels& labels,
                            std::vector<double> counts) {
    std::string key(name);
    for (const MetricLabel& label : labels) {
      key += '\n';
      key += label.name;
      key += '=';
      key += label.value;
    }
    const auto before = house_.before_.find(key);
    std::vector<double> added = counts;
    if (before != house_.before_.end() && before->second.size() == counts.size()) {
      bool fell = false;
      for (std::size_t i = 0; i < counts.size(); ++i) fell |= counts[i] < before->second[i];
      for (std::size_t i = 0; i < counts.size() && !fell; ++i) added[i] -= before->second[i];
    }
    house_.now_.insert_or_assign(std::move(key), std::move(counts));
    return added;
  }

  OtlpMetrics& house_;
  std::string now_, from_;
  std::map<std::string, Family, std::less<>> families_;
  std::size_t points_ = 0;
};

void OtlpMetrics::add(std::map<Series, Histogram>& to, std::span<const double> bounds,
                      Series series, double value) {
  Histogram& histogram = to[std::move(series)];
  const auto bucket = std::ranges::lower_bound(bounds, value) - bounds.begin();
  ++histogram.counts[static_cast<std::size_t>(bucket)];
  histogram.sum += value;
}

void OtlpMetrics::count(const Batch& batch) {
  for (const Outgoing& record : batch) {
    const Event& event = record.event;
    const std::string operation(gen_ai_operation(event.endpoint));
    if (event.kind != Kind::kRequest || operation.empty()) continue;
    std::string model = event.model.value_or("none");
    if (models_.size() < kModelsMax) models_.try_emplace(model, 0);
    if (!models_.contains(model)) model = "other";
    if (event.tokens_input) {
      add(tokens_, kTokens, {operation, model, "input"}, static_cast<double>(*event.tokens_input));
    }
    if (event.tokens_output) {
      add(tokens_, kTokens, {operation, model, "output"},
          static_cast<double>(*event.tokens_output));
    }
    if (event.latency_ms) {
      const bool failed = event.error || event.status.value_or(0) >= 400;
      add(durations_, kSeconds, {operation, model, failed ? "error" : ""},
          static_cast<double>(*event.latency_ms) / 1000);
    }
  }
}

std::string OtlpMetrics::body(const std::vector<const MetricSource*>& sources, UtcTime now) {
  now_.clear();
  pushed_at_ = now;
  Writer writer(*this, now);
  for (const MetricSource* source : sources) source->collect(writer);
  const auto tell = [&](std::string_view name, std::string_view help, std::string_view unit,
                        std::string_view extra, std::span<const double> bounds,
                        const std::map<Series, Histogram>& series) {
    for (const auto& [key, histogram] : series) {
      const auto& [operation, model, more] = key;
      MetricLabels labels = {{"gen_ai.operation.name", operation},
                             {"gen_ai.provider.name", kGenAiProvider},
                             {"gen_ai.request.model", model}};
      if (!more.empty()) labels.push_back({extra, more});
      writer.histogram(name, help, labels, {bounds, histogram.counts, histogram.sum});
    }
    writer.unit(name, unit);
  };
  tell("gen_ai.client.token.usage", "Tokens of calls.", "{token}", "gen_ai.token.type", kTokens,
       tokens_);
  tell("gen_ai.client.operation.duration", "Durations of calls.", "s", "error.type", kSeconds,
       durations_);
  return writer.text();
}

void OtlpMetrics::taken() {
  last_ = pushed_at_;
  before_ = std::exchange(now_, {});
}

}  // namespace sallyport::notify
