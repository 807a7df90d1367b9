// SPDX-License-Identifier: Apache-2.0
// How much a record weighs, and the words that receivers share for it: one judgement for syslog,
// CEF, OCSF, OTLP and Sentry, so that a filter means the same everywhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "event/event.h"

namespace sallyport::notify {

// Of a finding or an incident what the detector said, of others by what happened.
Severity severity_of(const Event& event);

enum class Outcome { kOpen, kSuccess, kFailure };
Outcome outcome_of(const Event& event);

// "POST /v1/chat/completions" -> method and path; both may be empty.
std::pair<std::string_view, std::string_view> split_endpoint(std::string_view endpoint);

// A short line for people: "401 POST /v1/chat/completions", "admin key.revoke", "finding high
// token_spike: ...". It holds nothing but fields of the record.
std::string headline(const Event& event);

}  // namespace sallyport::notify
