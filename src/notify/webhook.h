// SPDX-License-Identifier: Apache-2.0
// Any receiver of Standard Webhooks: one signed message a record, one behind the other, each with
// the record's id as its own, so that a receiver can tell a message it had before.
#pragma once

#include <cstdint>

#include "net/http_client.h"
#include "notify/record_format.h"
#include "notify/sink_table.h"

namespace sallyport::notify {

inline constexpr SinkOption kWebhookOptions[] = {
    kFormatOption,
};

// The message about one record: {"type","timestamp","data"}, and its three headers. `token`: one
// secret, or two with a blank between them while one replaces the other; both sign.
Result<net::Question> webhook_question(const SinkConfig& config, const RecordFormat& format,
                                       const Outgoing& record, UtcTime now);

// "request.refused", "action.key_revoke", "provider.usage": what a receiver filters by.
std::string webhook_type(const Event& event);

// The record's id without dots, which the convention does not allow in a message's.
std::string webhook_id(std::string_view record_id);

// "v1,..." of each of the secrets, with blanks between them.
Result<std::string> webhook_signatures(const Secret& secrets, std::string_view id,
                                       std::int64_t timestamp_s, std::string_view body);

Result<std::unique_ptr<Sink>> make_webhook(const SinkConfig& config, const SinkParts& parts);
Result<void> check_webhook(const SinkConfig& config);

}  // namespace sallyport::notify
