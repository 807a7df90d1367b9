// SPDX-License-Identifier: Apache-2.0
#include "admin/open_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sallyport::admin {
namespace {

bool is_metric_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  return !name.empty() && name.size() <= 128 && letter(name.front()) &&
         std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Backslash, quote and line feed are escaped; other control characters and bytes beyond ASCII
// become
// '?', so that no value can end a line or break the encoding.
void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c >= 0x20 && c < 0x7F ? c : '?';
    }
  }
}

void append_labels(std::string& out, const MetricLabels& labels, std::string_view le) {
  if (labels.empty() && le.empty()) return;
  out += '{';
  bool comma = false;
  for (const MetricLabel& label : labels) {
    if (!is_metric_name(label.name)) continue;
    if (comma) out += ',';
    out += fmt::format("{}=\"", label.name);
    append_escaped(out, label.value.substr(0, kLabelBytesMax));
    out += '"';
    comma = true;
  }
  if (!le.empty()) out += fmt::format("{}le=\"{}\"", comma ? "," : "", le);
  out += '}';
}

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == std::floor(value) && std::abs(value) < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

void append_line(std::string& out, std::string_view name, std::string_view suffix,
                 const MetricLabels& labels, std::string_view le, double value) {
  out += name;
  out += suffix;
  append_labels(out, labels, le);
  out += ' ';
  out += number(value);
  out += '\n';
}

// " # {request_id="..."} 0.42 1767225600.123" behind a bucket: at most 128 characters of labels.
void append_exemplar(std::string& line, const MetricExemplar& exemplar) {
  if (!is_metric_name(exemplar.label) || exemplar.label.size() + exemplar.id.size() > 128) return;
  line.pop_back();  // the line feed
  line += fmt::format(" # {{{}=\"", exemplar.label);
  append_escaped(line, exemplar.id);
  const double at = static_cast<double>(exemplar.at.time_since_epoch().count()) / 1000;
  line += fmt::format("\"}} {} {:.3f}\n", number(exemplar.value), at);
}

}  // namespace

OpenMetrics::Family* OpenMetrics::family(std::string_view name, std::string_view help,
                                         const char* type) {
  auto at = families_.find(name);
  if (at == families_.end()) {
    if (families_.size() >= kFamiliesMax || !is_metric_name(name)) {
      ++left_out_;
      return nullptr;
    }
    at = families_.emplace(std::string(name), Family{type, std::string(help), "", 0}).first;
  }
  Family& found = at->second;
  if (found.type != type || found.samples >= kSamplesMax) {
    ++left_out_;
    return nullptr;
  }
  ++found.samples;
  return &found;
}

void OpenMetrics::counter(std::string_view name, std::string_view help, const MetricLabels& labels,
                          double value) {
  if (Family* to = family(name, help, "counter")) {
    append_line(to->lines, name, "_total", labels, "", value);
  }
}

void OpenMetrics::gauge(std::string_view name, std::string_view help, const MetricLabels& labels,
                        double value) {
  if (Family* to = family(name, help, "gauge")) append_line(to->lines, name, "", labels, "", value);
}

void OpenMetrics::histogram(std::string_view name, std::string_view help,
                            const MetricLabels& labels, const HistogramSample& sample) {
  if (sample.counts.size() != sample.bounds.size() + 1) {
    ++left_out_;
    return;
  }
  Family* to = family(name, help, "histogram");
  if (to == nullptr) return;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < sample.counts.size(); ++i) {
    below += sample.counts[i];
    const std::string le = i < sample.bounds.size() ? number(sample.bounds[i]) : "+Inf";
    append_line(to->lines, name, "_bucket", labels, le, static_cast<double>(below));
    if (i < sample.exemplars.size() && sample.exemplars[i]) {
      append_exemplar(to->lines, *sample.exemplars[i]);
    }
  }
  append_line(to->lines, name, "_sum", labels, "", sample.sum);
  append_line(to->lines, name, "_count", labels, "", static_cast<double>(below));
}

std::string OpenMetrics::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# TYPE {} {}\n# HELP {} ", name, family.type, name);
    append_escaped(out, family.help);
    out += '\n';
    out += family.lines;
  }
  return out + "# EOF\n";
}

}  // namespace sallyport::admin
