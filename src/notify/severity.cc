// SPDX-License-Identifier: Apache-2.0
#include "notify/severity.h"

#include <algorithm>

namespace sallyport::notify {
namespace {

// What the gate or a playbook does when something is wrong already.
constexpr std::string_view kGrave[] = {"key_revoke", "journal_gap", "audit_state_accepted"};

Severity of_request(const Event& event) {
  if (event.injection && event.injection->verdict == "block") return Severity::kHigh;
  if (event.injection && event.injection->verdict == "alert") return Severity::kMedium;
  if (!event.status) return event.error ? Severity::kLow : Severity::kInfo;
  if (*event.status == 401 || *event.status == 403 || *event.status >= 500) {
    return Severity::kMedium;
  }
  return *event.status >= 400 ? Severity::kLow : Severity::kInfo;
}

}  // namespace

Severity severity_of(const Event& event) {
  switch (event.kind) {
    case Kind::kRequest:
    case Kind::kIntent:
    case Kind::kProgress:
      return of_request(event);
    case Kind::kAdmin:
      return event.error || event.status.value_or(0) >= 400 ? Severity::kMedium : Severity::kInfo;
    case Kind::kAction:
      if (std::ranges::find(kGrave, event.action.value_or("")) != std::end(kGrave)) {
        return Severity::kHigh;
      }
      return event.error ? Severity::kMedium : Severity::kLow;
    case Kind::kBreaker:
      return Severity::kMedium;
    case Kind::kProvider:
      return event.error ? Severity::kHigh : Severity::kInfo;
    case Kind::kFinding:
    case Kind::kIncident:
      return event.finding ? event.finding->severity : Severity::kMedium;
  }
  return Severity::kInfo;
}

Outcome outcome_of(const Event& event) {
  if (event.error || event.status.value_or(0) >= 400) return Outcome::kFailure;
  if (event.kind == Kind::kIntent || event.kind == Kind::kProgress) return Outcome::kOpen;
  if (event.kind == Kind::kRequest && !event.status) return Outcome::kOpen;
  return Outcome::kSuccess;
}

std::pair<std::string_view, std::string_view> split_endpoint(std::string_view endpoint) {
  const std::size_t blank = endpoint.find(' ');
  if (blank == std::string_view::npos) return {{}, endpoint};
  return {endpoint.substr(0, blank), endpoint.substr(blank + 1)};
}

std::string headline(const Event& event) {
  std::string line;
  const auto add = [&line](std::string_view word) {
    if (word.empty()) return;
    if (!line.empty()) line += ' ';
    line += word;
  };
  if (event.kind != Kind::kRequest) add(name(event.kind));
  if (event.status) add(std::to_string(*event.status));
  if (event.kind == Kind::kRequest && !event.status) add(event.error.value_or("open"));
  add(event.action.value_or(""));
  if (event.kind != Kind::kAdmin || !event.action) add(event.endpoint);
  add(event.model.value_or(""));
  if (event.finding) {
    add(sallyport::name(event.finding->severity));
    add(event.finding->detector + ':');
    add(event.finding->summary);
  }
  return line;
}

}  // namespace sallyport::notify
