// SPDX-License-Identifier: Apache-2.0
// The head of the provider's answer, on its way down: what of it may reach the client, and what a
// failed answer says about the upstream.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "exchange/exchange.h"
#include "net/http_client.h"
#include "upstream/breaker.h"

namespace sallyport::upstream {

// Status and allow-listed fields. What identifies the account (organisation, project, cookies, the
// shared project's rate limits) stays here; framing is http's business.
Answer keep_of_head(const net::ResponseMeta& meta);

// The provider's id of the call, if it has one that is fit for a log.
std::optional<std::string> request_id_of(const net::ResponseMeta& meta);

// How the body is encoded: nothing, gzip, or something that must not pass unseen.
enum class Coding { kIdentity, kGzip, kUnknown };
Coding coding_of(const net::ResponseMeta& meta);

bool is_json(const net::ResponseMeta& meta);

// error.code of an error envelope, else error.type; at most 64 characters of [a-z0-9_.-].
std::optional<std::string> error_code_of(std::string_view envelope);
// True for the codes that mean: no money, not: too fast.
bool is_quota(std::string_view error_code);

Outcome outcome_of(int status, const std::optional<std::string>& error_code);

}  // namespace sallyport::upstream
