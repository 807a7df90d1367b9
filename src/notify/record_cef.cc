// SPDX-License-Identifier: Apache-2.0
#include "notify/record_cef.h"

#include "notify/severity.h"

namespace sallyport::notify {
namespace {

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// In the header a backslash and a bar are escaped, and a line cannot break.
void append_header(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '|') out += '\\';
    out += is_control(c) ? ' ' : c;
  }
}

// In a value a backslash, an equals sign and a line's end are.
void append_value(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      out += c == '\n' ? "\\n" : "\\r";
      continue;
    }
    if (c == '\\' || c == '=') out += '\\';
    out += is_control(c) ? ' ' : c;
  }
}

class Extension {
 public:
  explicit Extension(std::string& out) : out_(out) {}
  void add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    if (!first_) out_ += ' ';
    first_ = false;
    out_ += key;
    out_ += '=';
    append_value(out_, value);
  }
  void add(std::string_view key, std::int64_t value) { add(key, std::to_string(value)); }
  // A field that CEF has no name for: value and label.
  void labelled(std::string_view key, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    add(std::string(key) + "Label", label);
    add(key, value);
  }

 private:
  std::string& out_;
  bool first_ = true;
};

// What a rule matches on: the code of a failure, the act, or the kind.
std::string signature_of(const Event& event) {
  std::string id(name(event.kind));
  if (event.action) return id + "." + *event.action;
  if (event.error) return id + "." + *event.error;
  return id;
}

int weight(Severity severity) {
  static constexpr int kWeights[] = {2, 4, 6, 8, 10};
  return kWeights[static_cast<int>(severity)];
}

std::string_view act_of(const Event& event) {
  if (event.action) return *event.action;
  if (event.kind != Kind::kRequest) return name(event.kind);
  return event.status.value_or(0) >= 400 ? "blocked" : "allowed";
}

}  // namespace

void append_cef(std::string& out, const Outgoing& record, std::string_view version) {
  const Event& event = record.event;
  out += "CEF:0|Sallyport|Gateway|";
  append_header(out, version);
  out += '|';
  append_header(out, signature_of(event));
  out += '|';
  append_header(out, headline(event));
  out += '|' + std::to_string(weight(severity_of(event))) + '|';
  Extension more(out);
  more.add("rt", static_cast<std::int64_t>(event.timestamp_utc.time_since_epoch().count()));
  more.add("externalId", record.id);
  more.add("src", event.ip);
  more.add("suser", event.api_key_id.value_or(""));
  more.add("act", act_of(event));
  const Outcome outcome = outcome_of(event);
  if (outcome != Outcome::kOpen) {
    more.add("outcome", outcome == Outcome::kSuccess ? "success" : "failure");
  }
  more.add("reason", event.error.value_or(""));
  const auto [method, path] = split_endpoint(event.endpoint);
  more.add("requestMethod", method);
  more.add("request", path);
  if (event.request_bytes) more.add("in", *event.request_bytes);
  if (event.response_bytes) more.add("out", *event.response_bytes);
  more.labelled("cs1", "model", event.model.value_or(""));
  more.labelled("cs2", "country", event.geo.value_or(""));
  more.labelled("cs3", "request_id", event.request_id);
  more.labelled("cs4", "actor", event.actor.value_or(""));
  if (event.injection) more.labelled("cs5", "injection", event.injection->verdict);
  if (event.tokens_input || event.tokens_output) {
    const std::int64_t tokens = event.tokens_input.value_or(0) + event.tokens_output.value_or(0);
    more.labelled("cn1", "tokens", std::to_string(tokens));
  }
  if (event.status) more.labelled("cn2", "status", std::to_string(*event.status));
  if (event.latency_ms) more.labelled("cn3", "latency_ms", std::to_string(*event.latency_ms));
}

}  // namespace sallyport::notify
