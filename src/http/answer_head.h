// SPDX-License-Identifier: Apache-2.0
// The head of what the gate sends to its clients: always written by us, from the parsed form.
#pragma once

#include <string>

#include "exchange/exchange.h"

namespace sallyport::http {

enum class Framing { kNone, kLength, kChunked, kUntilClose };

// Status line and fields, with the empty line. `x-request-id` is the provider's if there is one,
// else ours; `x-sallyport-request-id` is ours always.
void write_answer_head(std::string& out, const Exchange& x, Framing framing, bool keep_alive,
                       int minor);

// OpenAI's error envelope for a refusal, head and body. Carries x-should-retry: false, so that SDKs
// do not repeat what will be refused again; a rate limit says when to come back. `head_only`: the
// request was a HEAD. `limit_fields`: header lines to be added (x.limit_fields).
std::string write_refusal(const Refusal& refusal, std::string_view request_id, bool keep_alive,
                          bool head_only, std::string_view limit_fields = {});

}  // namespace sallyport::http
