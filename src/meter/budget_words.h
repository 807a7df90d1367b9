// SPDX-License-Identifier: Apache-2.0
// What callers, clients' libraries and operators are told about limits: refusals, x-ratelimit-*
// lines, alerts. Callers hear which kind of layer said no, and figures only of their own key.
#pragma once

#include <string>

#include "event/event.h"
#include "exchange/exchange.h"
#include "meter/ledger.h"

namespace sallyport::meter {

Refusal refusal_for(const Refused& refused);
const char* denial_of(LimitKind limit);  // for the record: "budget", "rate_requests" ...
// For the record alone: which budget a call did not fit into (kBudget), with all its figures.
std::string refused_by(const Refused& refused);
Refusal output_over_limit(std::int64_t limit, const char* param);
Refusal output_not_visible();
Refusal not_a_number(const char* member);
Refusal not_meterable();
Refusal budgets_need_record();

// "x-ratelimit-limit-requests: 60\r\n..." of what there is.
void append_rate_fields(std::string& out, const RateRoom& room);
// 1500 -> "1.5s", as OpenAI writes it.
std::string reset_text(std::int64_t ms);

// The record of an alert: kind action, action budget_alert; the ledger reads it again at a start.
Event alert_event(const Alert& alert, const std::string& api_key_id, UtcTime now);

}  // namespace sallyport::meter
