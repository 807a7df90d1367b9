// SPDX-License-Identifier: Apache-2.0
// How much a record weighs, and the words that receivers share for it: one judgement for syslog,
// CEF, OCSF, OTLP and Sentry, so that a filter means the same everywhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "event/event.h"

namespace sallyport::notify {

enum class Severity { kInfo, kLow, kMedium, kHigh, kCritical };

Severity severity_of(const Event& event);
std::string_view name(Severity severity);  // "info" ... "critical"

enum class Outcome { kOpen, kSuccess, kFailure };
Outcome outcome_of(const Event& event);

// "POST /v1/chat/completions" -> method and path; both may be empty.
std::pair<std::string_view, std::string_view> split_endpoint(std::string_view endpoint);

// A short line for people: "401 POST /v1/chat/completions", "admin key.revoke". It holds nothing
// but fields of the record.
std::string headline(const Event& event);

}  // namespace sallyport::notify
